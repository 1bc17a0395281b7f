/* tokenizer_split.c: see tokenizer_split.h. In expressions L stands for \p{L}, N for \p{N}, and O
 * for [^\s\p{L}\p{N}].
 * SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer_split.h"

#include "unicode.h"

#include <string.h>

/* Sets of llm_char_kind, as bits. */
#define ONE(kind) (1u << LLM_CHAR_##kind)
enum {
    SPACES = ONE(SPACE),
    NUMBERS = ONE(NUMBER),
    LETTERS = ONE(LETTER) | ONE(UPPER) | ONE(LOWER),
    OTHERS = ONE(OTHER) | ONE(MARK),
    NOT_LOWER = ONE(LETTER) | ONE(UPPER) | ONE(MARK), /* what a word of one case begins with */
    NOT_UPPER = ONE(LETTER) | ONE(LOWER) | ONE(MARK), /* and what it goes on with */
};

/* A character of the text and where it ends. */
typedef struct character {
    uint32_t code;
    uint32_t kind; /* the bit of its kind */
    size_t end;
} character;

typedef struct text_span {
    const char *text;
    size_t bytes;
} text_span;

/* Names are GGUF's. Kinds that a table has under several names are alike in llama.cpp too. */
static const struct {
    const char *name;
    llm_split_style style;
} styles[] = {
    {"", {LLM_SPLIT_GPT2, 0, 0}},
    {"default", {LLM_SPLIT_GPT2, 0, 0}},
    {"gpt-2", {LLM_SPLIT_GPT2, 0, 0}},
    {"gpt2", {LLM_SPLIT_GPT2, 0, 0}},
    {"mpt", {LLM_SPLIT_GPT2, 0, 0}},
    {"olmo", {LLM_SPLIT_GPT2, 0, 0}},
    {"phi-2", {LLM_SPLIT_GPT2, 0, 0}},
    {"smollm", {LLM_SPLIT_GPT2, 1, 0}},
    {"starcoder", {LLM_SPLIT_GPT2, 1, 0}},
    {"llama-bpe", {LLM_SPLIT_LLAMA3, 3, 1}},
    {"llama3", {LLM_SPLIT_LLAMA3, 3, 1}},
    {"llama-v3", {LLM_SPLIT_LLAMA3, 3, 1}},
    {"falcon3", {LLM_SPLIT_LLAMA3, 3, 1}},
    {"qwen2", {LLM_SPLIT_LLAMA3, 1, 0}},
    {"deepseek-r1-qwen", {LLM_SPLIT_LLAMA3, 1, 0}},
    {"tekken", {LLM_SPLIT_TEKKEN, 1, 1}},
};

int llm_split_find(const char *name, llm_split_style *out)
{
    for (size_t i = 0; i < sizeof styles / sizeof *styles; i++) {
        if (strcmp(name, styles[i].name)) continue;
        *out = styles[i].style;
        return 0;
    }
    return -1;
}

/* 0 at the end of the text. */
static int character_at(text_span s, size_t at, character *out)
{
    uint32_t taken;
    *out = (character){0, ONE(OTHER), at};
    if (at == s.bytes) return 0;
    out->code = llm_utf8_next(s.text + at, s.bytes - at, &taken);
    out->kind = 1u << llm_char_kind_of(out->code);
    out->end = at + taken;
    return 1;
}

static int is_newline(uint32_t code)
{
    return code == '\r' || code == '\n';
}

/* The end of the run of some kinds that begins at `at`, of at most `most` characters. */
static size_t run_end(text_span s, size_t at, uint32_t kinds, size_t most)
{
    character c;
    for (; most > 0 && character_at(s, at, &c) && c.kind & kinds; most--) at = c.end;
    return at;
}

/* '(?:s|t|re|ve|m|ll|d); 0: none here. */
static size_t contraction(text_span s, int any_case)
{
    static const char *const endings[] = {"s", "t", "re", "ve", "m", "ll", "d"};
    if (s.text[0] != '\'') return 0;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        const size_t n = strlen(endings[i]);
        size_t same = 0;
        while (same < n && same + 1 < s.bytes &&
               (s.text[same + 1] == endings[i][same] ||
                (any_case && s.text[same + 1] == endings[i][same] - 'a' + 'A')))
            same++;
        if (same == n) return n + 1;
    }
    return 0;
}

/* \s+(?!\S)|\s+ at a space: the run, less its last character when something follows, which may want that one. */
static size_t space_run(text_span s, int leave_last)
{
    character c;
    size_t at = 0, before_last = 0;
    while (character_at(s, at, &c) && c.kind == SPACES) {
        before_last = at;
        at = c.end;
    }
    return at == s.bytes || !leave_last || before_last == 0 ? at : before_last;
}

/* '…| ?L+| ?N+| ?O+|\s+(?!\S)|\s+ */
static size_t next_gpt2(text_span s, int lone_digits)
{
    character c, after;
    const size_t n = contraction(s, 0);
    if (n > 0) return n;
    character_at(s, 0, &c);
    if (c.code == ' ' && character_at(s, c.end, &after) && after.kind != SPACES &&
        !(lone_digits && after.kind == NUMBERS))
        c = after;
    if (lone_digits && c.kind == NUMBERS) return c.end;
    if (c.kind != SPACES)
        return run_end(s, c.end, c.kind & LETTERS ? LETTERS : c.kind & OTHERS ? OTHERS : NUMBERS, SIZE_MAX);
    /* a digit that is cut off first leaves the spaces before it at the end of a text of their own */
    const size_t spaces = run_end(s, 0, SPACES, SIZE_MAX);
    return space_run(s, !(lone_digits && character_at(s, spaces, &after) && after.kind == NUMBERS));
}

/* ' ?O+[tails]*|\s*[\r\n]+|\s+(?!\S)|\s+', where neither a letter nor a number begins the text. */
static size_t next_rest(text_span s, const char *tails)
{
    character c, after;
    character_at(s, 0, &c);
    const int more = character_at(s, c.end, &after);
    if (c.kind & OTHERS || (c.code == ' ' && more && after.kind & OTHERS)) {
        size_t end = run_end(s, c.end, OTHERS, SIZE_MAX);
        while (end < s.bytes && s.text[end] && strchr(tails, s.text[end])) end++;
        return end;
    }
    size_t past_newline = 0;
    for (size_t at = 0; character_at(s, at, &c) && c.kind == SPACES; at = c.end)
        if (is_newline(c.code)) past_newline = c.end;
    return past_newline > 0 ? past_newline : space_run(s, 1);
}

/* '…(any case)|[^\r\nLN]?L+|N{1,digits}| and next_rest, with [\r\n]* */
static size_t next_llama3(text_span s, uint32_t digits)
{
    character c, after;
    const size_t n = contraction(s, 1);
    if (n > 0) return n;
    character_at(s, 0, &c);
    const int more = character_at(s, c.end, &after);
    if (c.kind == NUMBERS) return run_end(s, 0, NUMBERS, digits);
    if (c.kind & LETTERS || (more && after.kind & LETTERS && !is_newline(c.code)))
        return run_end(s, c.end, LETTERS, SIZE_MAX);
    return next_rest(s, "\r\n");
}

/* The end of [NOT_LOWER]*[NOT_UPPER]+ at `at`, or 0. Where no lower case follows, the last character that is in
 * both sets stands for the second. */
static size_t cased_word(text_span s, size_t at)
{
    character c;
    size_t end = 0;
    for (; character_at(s, at, &c) && c.kind & NOT_LOWER; at = c.end)
        if (c.kind & NOT_UPPER) end = c.end;
    return c.kind == ONE(LOWER) ? run_end(s, at, NOT_UPPER, SIZE_MAX) : end;
}

/* [^\r\nLN]?[NOT_LOWER]*[NOT_UPPER]+|[^\r\nLN]?[NOT_LOWER]+[NOT_UPPER]*|N| and next_rest, with [\r\n/]*. Where the
 * second is tried, nothing in [NOT_UPPER] follows. */
static size_t next_tekken(text_span s)
{
    character c;
    character_at(s, 0, &c);
    const size_t before = c.kind & (LETTERS | NUMBERS) || is_newline(c.code) ? 0 : c.end;
    size_t end = cased_word(s, before);
    if (!end && before) end = cased_word(s, 0);
    if (end) return end;
    end = run_end(s, before, NOT_LOWER, SIZE_MAX);
    if (end > before) return end;
    if (c.kind == NUMBERS) return c.end;
    return next_rest(s, "\r\n/");
}

size_t llm_split_next(const llm_split_style *style, const char *text, size_t bytes)
{
    const text_span s = {text, bytes};
    switch (style->kind) {
    case LLM_SPLIT_TEKKEN: return next_tekken(s);
    case LLM_SPLIT_LLAMA3: return next_llama3(s, style->digits);
    default: return next_gpt2(s, style->digits == 1);
    }
}
