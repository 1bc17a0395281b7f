/* tokenizer_split.c: see tokenizer_split.h. L: letter, N: number, s: white space, O: anything else.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer_split.h"

#include "unicode.h"

#include <string.h>

/* A character of the text and where it ends. */
typedef struct character {
    uint32_t code;
    llm_char_kind kind;
    size_t end;
} character;

typedef struct text_span {
    const char *text;
    size_t bytes;
} text_span;

int llm_split_find(const char *name, llm_split_style *out)
{
    static const struct {
        const char *name;
        llm_split_style style;
    } styles[] = {
        {"", {0, 0, 0}},          {"default", {0, 0, 0}}, {"gpt-2", {0, 0, 0}},
        {"gpt2", {0, 0, 0}},      {"mpt", {0, 0, 0}},     {"olmo", {0, 0, 0}},
        {"phi-2", {0, 0, 0}},     {"smollm", {0, 1, 0}},  {"starcoder", {0, 1, 0}},
        {"llama-bpe", {1, 3, 1}}, {"llama3", {1, 3, 1}},  {"llama-v3", {1, 3, 1}},
        {"falcon3", {1, 3, 1}},   {"qwen2", {1, 1, 0}},   {"deepseek-r1-qwen", {1, 1, 0}},
    };
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
    *out = (character){0, LLM_CHAR_OTHER, at};
    if (at == s.bytes) return 0;
    out->code = llm_utf8_next(s.text + at, s.bytes - at, &taken);
    out->kind = llm_char_kind_of(out->code);
    out->end = at + taken;
    return 1;
}

static int is_newline(uint32_t code)
{
    return code == '\r' || code == '\n';
}

/* The end of the run of one kind that begins at `at`, of at most `most` characters. */
static size_t run_end(text_span s, size_t at, llm_char_kind kind, size_t most)
{
    character c;
    for (; most > 0 && character_at(s, at, &c) && c.kind == kind; most--) at = c.end;
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
    while (character_at(s, at, &c) && c.kind == LLM_CHAR_SPACE) {
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
    if (c.code == ' ' && character_at(s, c.end, &after) && after.kind != LLM_CHAR_SPACE &&
        !(lone_digits && after.kind == LLM_CHAR_NUMBER))
        c = after;
    if (c.kind != LLM_CHAR_SPACE)
        return lone_digits && c.kind == LLM_CHAR_NUMBER ? c.end : run_end(s, c.end, c.kind, SIZE_MAX);
    /* a digit that is cut off first leaves the spaces before it at the end of a text of their own */
    const size_t spaces = run_end(s, 0, LLM_CHAR_SPACE, SIZE_MAX);
    return space_run(s, !(lone_digits && character_at(s, spaces, &after) && after.kind == LLM_CHAR_NUMBER));
}

/* '…(any case)|[^\r\nLN]?L+|N{1,digits}| ?O+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+ */
static size_t next_modern(text_span s, uint32_t digits)
{
    character c, after;
    const size_t n = contraction(s, 1);
    if (n > 0) return n;
    character_at(s, 0, &c);
    const int more = character_at(s, c.end, &after);
    if (c.kind == LLM_CHAR_NUMBER) return run_end(s, 0, LLM_CHAR_NUMBER, digits);
    if (c.kind == LLM_CHAR_LETTER || (more && after.kind == LLM_CHAR_LETTER && !is_newline(c.code)))
        return run_end(s, c.end, LLM_CHAR_LETTER, SIZE_MAX);
    if (c.kind == LLM_CHAR_OTHER || (c.code == ' ' && more && after.kind == LLM_CHAR_OTHER)) {
        size_t end = run_end(s, c.end, LLM_CHAR_OTHER, SIZE_MAX);
        while (end < s.bytes && is_newline((unsigned char)s.text[end])) end++;
        return end;
    }
    size_t past_newline = 0;
    for (size_t at = 0; character_at(s, at, &c) && c.kind == LLM_CHAR_SPACE; at = c.end)
        if (is_newline(c.code)) past_newline = c.end;
    return past_newline > 0 ? past_newline : space_run(s, 1);
}

size_t llm_split_next(const llm_split_style *style, const char *text, size_t bytes)
{
    const text_span s = {text, bytes};
    return style->modern ? next_modern(s, style->digits) : next_gpt2(s, style->digits == 1);
}
