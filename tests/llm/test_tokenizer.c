/* test_tokenizer.c: text to ids and back. Small vocabularies made here, and the real one's golden ids.
 * SPDX-License-Identifier: Apache-2.0 */
#include "chat.h"
#include "files.h"
#include "tokenizer.h"
#include "tokenizer_split.h"
#include "unicode.h"

#include <stdarg.h>

/* A vocabulary that is filled piece by piece. */
enum { PIECES = 400 };
typedef struct vocabulary {
    llm_model m;
    const char *pieces[PIECES], *merges[PIECES];
    uint32_t bytes[PIECES];
    float scores[PIECES];
    int32_t types[PIECES];
    char text[PIECES * 8];
} vocabulary;

static vocabulary *new_vocabulary(int kind, const char *pre)
{
    vocabulary *v = calloc(1, sizeof *v);
    must(v);
    v->m.tok = (llm_tokenizer_data){.kind = kind,
                                    .pieces = v->pieces,
                                    .piece_bytes = v->bytes,
                                    .scores = v->scores,
                                    .types = v->types,
                                    .merges = v->merges,
                                    .bos = -1,
                                    .eos = -1,
                                    .eot = -1,
                                    .unk = -1,
                                    .add_space_prefix = kind == LLM_VOCAB_SENTENCEPIECE};
    snprintf(v->m.tok.pre, sizeof v->m.tok.pre, "%s", pre);
    snprintf(v->m.name, sizeof v->m.name, "made here");
    return v;
}

static uint32_t add(vocabulary *v, const char *piece, int32_t type, float score)
{
    const uint32_t id = v->m.tok.n++;
    must(id < PIECES);
    v->pieces[id] = piece;
    v->bytes[id] = (uint32_t)strlen(piece);
    v->types[id] = type;
    v->scores[id] = score;
    return id;
}

static void add_merge(vocabulary *v, const char *merge)
{
    must(v->m.tok.n_merges < PIECES);
    v->merges[v->m.tok.n_merges++] = merge;
}

/* ids 0 … 2 as in Llama's, then the 256 bytes, so that byte b is 3 + b. */
static vocabulary *new_spm(void)
{
    vocabulary *v = new_vocabulary(LLM_VOCAB_SENTENCEPIECE, "");
    v->m.tok.unk = (int32_t)add(v, "<unk>", LLM_PIECE_UNKNOWN, 0);
    v->m.tok.bos = (int32_t)add(v, "<s>", LLM_PIECE_CONTROL, 0);
    v->m.tok.eos = (int32_t)add(v, "</s>", LLM_PIECE_CONTROL, 0);
    v->m.tok.add_bos = 1;
    for (int b = 0; b < 256; b++) {
        snprintf(v->text + 8 * b, 8, "<0x%02X>", (unsigned)b);
        add(v, v->text + 8 * b, LLM_PIECE_BYTE, 0);
    }
    return v;
}

/* The 256 bytes in GPT-2's alphabet: id b is byte b. */
static vocabulary *new_bpe(const char *pre)
{
    vocabulary *v = new_vocabulary(LLM_VOCAB_BPE, pre);
    uint32_t next = 256;
    for (uint32_t b = 0; b < 256; b++) {
        const int shown = (b > ' ' && b < 127) || (b > 160 && b != 173);
        v->text[8 * b + llm_utf8_write(shown ? b : next++, v->text + 8 * b)] = 0;
        add(v, v->text + 8 * b, LLM_PIECE_NORMAL, 0);
    }
    return v;
}

static llm_tokenizer *new_tokenizer(const vocabulary *v)
{
    llm_tokenizer *t;
    char why[WHY_BYTES] = "";
    if (llm_tokenizer_create(&t, &v->m, why)) ck_abort_msg("%s", why);
    return t;
}

/* The ids must be those that follow, up to −1. */
static void must_encode(const llm_tokenizer *t, int flags, const char *text, ...)
{
    uint32_t *ids;
    size_t n, i = 0;
    va_list want;
    ck_assert_int_eq(llm_tokenizer_encode(t, text, strlen(text), flags, &ids, &n), 0);
    ck_assert_ptr_nonnull(ids);
    va_start(want, text);
    for (int id; (id = va_arg(want, int)) >= 0; i++)
        if (i >= n || ids[i] != (uint32_t)id)
            ck_abort_msg("'%s': id %zu of %zu is %d, not %d", text, i, n, i < n ? (int)ids[i] : -1, id);
    va_end(want);
    if (i != n) ck_abort_msg("'%s': %zu ids, not %zu", text, n, i);
    free(ids);
}

static void must_refuse_vocabulary(const vocabulary *v, const char *want)
{
    llm_tokenizer *t;
    char why[WHY_BYTES] = "";
    ck_assert_int_eq(llm_tokenizer_create(&t, &v->m, why), -1);
    ck_assert_ptr_null(t);
    if (!strstr(why, want)) ck_abort_msg("'%s' is not in '%s'", want, why);
}

/* Text → ids → text gives the bytes again. Returns how many ids. */
static size_t must_return(const llm_tokenizer *t, const char *text, size_t bytes, int flags)
{
    uint32_t *ids, previous = UINT32_MAX;
    size_t n, at = 0;
    char *back = malloc(bytes + 1);
    must(back && !llm_tokenizer_encode(t, text, bytes, flags, &ids, &n));
    for (size_t i = 0; i < n; previous = ids[i++]) {
        at += llm_tokenizer_piece(t, previous, ids[i], back + at, bytes - at);
        must(at <= bytes);
    }
    must(at == bytes && !memcmp(back, text, bytes));
    free(back);
    free(ids);
    return n;
}

START_TEST(sentencepiece_merges_by_score)
{
    vocabulary *v = new_spm();
    const char *const letters[] = {"a", "b", "c", " "};
    for (int i = 0; i < 4; i++) add(v, letters[i], LLM_PIECE_NORMAL, -100); /* 259 … 262 */
    const int ab = (int)add(v, "ab", LLM_PIECE_NORMAL, -2), bc = (int)add(v, "bc", LLM_PIECE_NORMAL, -1);
    const int aa = (int)add(v, "aa", LLM_PIECE_NORMAL, 0.5f), abc = (int)add(v, "abc", LLM_PIECE_NORMAL, -3);
    const int sa = (int)add(v, " a", LLM_PIECE_NORMAL, -9), aaaa = (int)add(v, "aaaa", LLM_PIECE_NORMAL, 0.25f);
    llm_tokenizer *t = new_tokenizer(v);
    must_encode(t, 0, "", -1);
    must_encode(t, LLM_ENCODE_BOS, "", 1, -1);
    must_encode(t, LLM_ENCODE_BOS, "ab", 1, 262, ab, -1);
    must_encode(t, 0, "abc", 262, abc, -1); /* bc first, then a + bc */
    must_encode(t, 0, "bcb", 262, bc, 260, -1);
    must_encode(t, 0, "aaa", 262, aa, 259, -1); /* of equal scores the leftmost */
    must_encode(t, 0, "aaaaa", 262, aaaa, 259, -1);
    must_encode(t, 0, "a a", sa, sa, -1);
    must_encode(t, 0, "d\303\251", 262, 3 + 'd', 3 + 0303, 3 + 0251, -1);
    must_encode(t, 0, "a\377b\303", sa, 3 + 0377, 260, 3 + 0303, -1);
    must_encode(t, 0, "<0x41></s>", 262, 3 + '<', 3 + '0', 3 + 'x', 3 + '4', 3 + '1', 3 + '>', 3 + '<', 3 + '/',
                3 + 's', 3 + '>', -1);
    llm_tokenizer_destroy(&t);
    ck_assert_ptr_null(t);

    v->m.tok.add_space_prefix = v->m.tok.add_bos = 0;
    t = new_tokenizer(v);
    must_encode(t, LLM_ENCODE_BOS, "ab", ab, -1);
    llm_tokenizer_destroy(&t);

    v->types[3 + 'd'] = LLM_PIECE_UNUSED; /* no byte for it: unknown, or nothing */
    t = new_tokenizer(v);
    must_encode(t, 0, "ada", 259, 0, 259, -1);
    llm_tokenizer_destroy(&t);
    v->m.tok.unk = -1;
    t = new_tokenizer(v);
    must_encode(t, 0, "ada", 259, 259, -1);
    llm_tokenizer_destroy(&t);
    free(v);
}
END_TEST

START_TEST(special_tokens_are_found_when_asked)
{
    vocabulary *v = new_spm();
    const int think = (int)add(v, "<think>", LLM_PIECE_USER, 0), deep = (int)add(v, "<think>!", LLM_PIECE_USER, 0);
    const int end = (int)add(v, "<|im_end|>", LLM_PIECE_CONTROL, 0), space = 3 + ' ';
    v->m.tok.eot = end;
    llm_tokenizer *t = new_tokenizer(v);
    must_encode(t, LLM_ENCODE_SPECIAL | LLM_ENCODE_BOS, "</s>x", 1, 2, space, 3 + 'x', -1);
    must_encode(t, LLM_ENCODE_SPECIAL, "x</s>", space, 3 + 'x', 2, -1);
    must_encode(t, LLM_ENCODE_SPECIAL, "</s><s>", 2, 1, -1);
    must_encode(t, 0, "<s>", space, 3 + '<', 3 + 's', 3 + '>', -1);
    must_encode(t, LLM_ENCODE_SPECIAL, "<s", space, 3 + '<', 3 + 's', -1);
    must_encode(t, 0, "x<think>y", space, 3 + 'x', think, 3 + 'y', -1);
    must_encode(t, 0, "<think>!", space, deep, -1);
    ck_assert_int_eq(llm_tokenizer_is_end(t, 1), 1);
    ck_assert_int_eq(llm_tokenizer_is_end(t, 2), 1);
    ck_assert_int_eq(llm_tokenizer_is_end(t, (uint32_t)end), 1);
    ck_assert_int_eq(llm_tokenizer_is_end(t, 0), 0);
    ck_assert_int_eq(llm_tokenizer_is_end(t, (uint32_t)think), 0);
    llm_tokenizer_destroy(&t);
    free(v);
}
END_TEST

/* A file may say one thing a hundred thousand times; every position of a text would be compared with each. */
START_TEST(specials_that_are_repeated_count_once)
{
    enum { REPEATED = 100001, TEXT = 20000 };
    const char **pieces = calloc(REPEATED, sizeof *pieces);
    uint32_t *bytes = calloc(REPEATED, sizeof *bytes), *ids;
    int32_t *types = calloc(REPEATED, sizeof *types);
    char *text = malloc(TEXT);
    must(pieces && bytes && types && text);
    memset(text, 'a', TEXT);
    for (int i = 0; i < REPEATED; i++) {
        pieces[i] = "a";
        bytes[i] = 1;
        types[i] = i % 2 ? LLM_PIECE_USER : LLM_PIECE_CONTROL;
    }
    llm_model m = {.tok = {.kind = LLM_VOCAB_BPE,
                           .n = REPEATED,
                           .pieces = pieces,
                           .piece_bytes = bytes,
                           .types = types,
                           .bos = -1,
                           .eos = -1,
                           .eot = -1,
                           .unk = -1}};
    llm_tokenizer *t;
    char why[WHY_BYTES] = "";
    size_t n;
    must(!llm_tokenizer_create(&t, &m, why));
    for (int special = 0; special < 2; special++) {
        must(!llm_tokenizer_encode(t, text, TEXT, special ? LLM_ENCODE_SPECIAL : 0, &ids, &n));
        ck_assert_uint_eq(n, TEXT);
        for (size_t i = 0; i < n; i++) must(ids[i] == (special ? REPEATED - 1u : REPEATED - 2u));
        free(ids);
    }
    llm_tokenizer_destroy(&t);
    free(text);
    free(types);
    free(bytes);
    free(pieces);
}
END_TEST

START_TEST(specials_longer_than_any_are_not_looked_for)
{
    char fair[1025] = "", absurd[1026] = "";
    memset(fair, 'x', sizeof fair - 1);
    memset(absurd, 'y', sizeof absurd - 1);
    vocabulary *v = new_bpe("gpt-2");
    const int found = (int)add(v, fair, LLM_PIECE_CONTROL, 0);
    add(v, absurd, LLM_PIECE_CONTROL, 0);
    llm_tokenizer *t = new_tokenizer(v);
    must_encode(t, LLM_ENCODE_SPECIAL, fair, found, -1);
    uint32_t *ids;
    size_t n;
    must(!llm_tokenizer_encode(t, absurd, sizeof absurd - 1, LLM_ENCODE_SPECIAL, &ids, &n));
    ck_assert_uint_eq(n, sizeof absurd - 1);
    free(ids);
    llm_tokenizer_destroy(&t);
    free(v);
}
END_TEST

START_TEST(pieces_print_what_they_stand_for)
{
    char buf[8] = "-------";
    vocabulary *v = new_spm();
    const uint32_t word = add(v, " word", LLM_PIECE_NORMAL, 0);
    llm_tokenizer *t = new_tokenizer(v);
    ck_assert_uint_eq(llm_tokenizer_piece(t, 5, word, buf, sizeof buf), 5);
    ck_assert_str_eq(buf, " word--");
    ck_assert_uint_eq(llm_tokenizer_piece(t, 1, word, buf, sizeof buf), 4);
    ck_assert_str_eq(buf, "wordd--");
    ck_assert_uint_eq(llm_tokenizer_piece(t, UINT32_MAX, word, buf, 2), 4);
    ck_assert_uint_eq(llm_tokenizer_piece(t, 5, word, NULL, 0), 5);
    ck_assert_uint_eq(llm_tokenizer_piece(t, 5, 3 + 0377, buf, sizeof buf), 1);
    ck_assert_int_eq((unsigned char)buf[0], 0377);
    ck_assert_uint_eq(llm_tokenizer_piece(t, 5, 2, buf, sizeof buf), 0);
    llm_tokenizer_destroy(&t);
    free(v);
}
END_TEST

START_TEST(byte_level_bpe_merges_by_rank)
{
    vocabulary *v = new_bpe("gpt-2");
    const int ab = (int)add(v, "ab", 1, 0), bc = (int)add(v, "bc", 1, 0), abc = (int)add(v, "abc", 1, 0);
    const int space_a = (int)add(v, "\304\240a", 1, 0), e = (int)add(v, "\303\203\302\251", 1, 0);
    const int whole = (int)add(v, "cab", 1, 0), end = (int)add(v, "<|endoftext|>", LLM_PIECE_CONTROL, 0);
    const char *const merges[] = {"b c", "a b", "ab c", "\304\240 a", "\303\203 \302\251", "x y", "zz zz"};
    for (size_t i = 0; i < sizeof merges / sizeof *merges; i++) add_merge(v, merges[i]);
    llm_tokenizer *t = new_tokenizer(v);
    must_encode(t, LLM_ENCODE_BOS, "", -1);
    must_encode(t, 0, "ab", ab, -1);
    must_encode(t, 0, "abc", 'a', bc, -1); /* b c comes first, and there is no a bc */
    must_encode(t, 0, "abab", ab, ab, -1);
    must_encode(t, 0, "xy ab a", 'x', 'y', ' ', ab, space_a, -1);
    must_encode(t, 0, "\303\251", e, -1);
    must_encode(t, 0, "cab", 'c', ab, -1);
    must_encode(t, 0, "a<|endoftext|>", 'a', '<', '|', 'e', 'n', 'd', 'o', 'f', 't', 'e', 'x', 't', '|', '>', -1);
    must_encode(t, LLM_ENCODE_SPECIAL, "a<|endoftext|>b", 'a', end, 'b', -1);
    ck_assert_int_eq(llm_tokenizer_is_end(t, (uint32_t)end), 1);
    llm_tokenizer_destroy(&t);

    snprintf(v->m.tok.pre, sizeof v->m.tok.pre, "llama-bpe"); /* takes words that merging does not make */
    t = new_tokenizer(v);
    must_encode(t, 0, "cab abc", whole, space_a, bc, -1);
    must_encode(t, 0, "abc", abc, -1);
    llm_tokenizer_destroy(&t);
    v->types['q'] = LLM_PIECE_UNUSED;
    t = new_tokenizer(v);
    must_encode(t, 0, "qa", 'a', -1);
    llm_tokenizer_destroy(&t);
    free(v);
}
END_TEST

/* Words are parted by '|', which none has. Made with the tokenizers package, from the models' own expressions. */
START_TEST(words_are_split_as_the_models_want)
{
    static const struct {
        const char *style, *words;
    } cases[] = {
        {"gpt-2", "I|'ll| go|,| you|'|LL| see|  | 1234|!!|\n|\n|a|\t|b|  "},
        {"gpt-2", "don|'t|'|x| ½²| éßń| ..."},
        {"smollm", "a| |1|2|  |3| bx|4|.|5"},
        {"llama-bpe", "I|'LL| go|,| |123|4|!!\n\n|a|\tb|   \n\n|  | x|\r\n|  "},
        {"llama-bpe", "(foo|)| bar|.baz| $$$| é|'s|'x| 中文|٣"},
        {"qwen2", "b|\n|c|\r\n|d"},
        {"tekken", "I|'ll| go|'LL| Hello|World| HTTPServer|,| x|ABC|1|2|3|()/\n/\n| \n|  | a"},
        {"tekken", "中|AB|.É| Éa|É"},
        {"qwen2", "a| |1|2|3| .|1| \n| |4|\302\205|5"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        llm_split_style style;
        char text[128] = "", got[256] = "";
        for (const char *p = cases[i].words; *p; p++)
            if (*p != '|') strncat(text, p, 1);
        ck_assert_int_eq(llm_split_find(cases[i].style, &style), 0);
        for (size_t at = 0, n; at < strlen(text); at += n) {
            n = llm_split_next(&style, text + at, strlen(text) - at);
            must(n > 0 && n <= strlen(text) - at);
            if (at > 0) strcat(got, "|");
            strncat(got, text + at, n);
        }
        ck_assert_str_eq(got, cases[i].words);
    }
}
END_TEST

START_TEST(any_bytes_come_back)
{
    static const char *const styles[] = {"", "gpt-2", "smollm", "llama-bpe", "qwen2", "tekken"};
    static const char *const parts[] = {
        " ",
        "\n",
        "\r",
        "'s",
        "'Re",
        "1",
        "a",
        "Z",
        "\303\251",
        "\344\270\255",
        "-",
        "\302\240",
        "\360\237\231\202",
        "\377",
        "\303",
        "\355\240\200",
        "<s>",
    };
    uint64_t rng = 5;
    char text[256];
    for (int kind = 0; kind < 7; kind++) {
        vocabulary *v = kind < 6 ? new_bpe(styles[kind]) : new_spm();
        if (kind < 6) {
            add(v, "aa", 1, 0);
            add(v, "\304\240a", 1, 0);
            add_merge(v, "a a");
            add_merge(v, "\304\240 a");
        }
        llm_tokenizer *t = new_tokenizer(v);
        for (int round = 0; round < 2000; round++) {
            size_t bytes = 0;
            for (uint32_t n = rng_below(&rng, 40); n > 0; n--) {
                const char *part = parts[rng_below(&rng, sizeof parts / sizeof *parts)];
                if (round % 2) {
                    text[bytes++] = (char)rng_below(&rng, 256);
                } else {
                    memcpy(text + bytes, part, strlen(part));
                    bytes += strlen(part);
                }
            }
            must_return(t, text, bytes, LLM_ENCODE_BOS);
        }
        llm_tokenizer_destroy(&t);
        free(v);
    }
}
END_TEST

/* A word of a million letters, merged over and over, would take hours if each merge looked at all of it. */
START_TEST(long_words_take_no_longer_than_short_ones)
{
    enum { LONG = 1 << 20 };
    static const char *const twice[] = {"aa", "aaaa", "aaaaaaaa"};
    static const char *const merges[] = {"a a", "aa aa", "aaaa aaaa"};
    char *text = malloc(LONG);
    must(text);
    memset(text, 'a', LONG);
    for (int kind = 0; kind < 2; kind++) {
        vocabulary *v = kind ? new_spm() : new_bpe("qwen2");
        if (kind) add(v, "a", 1, -9);
        for (int i = 0; i < 3; i++) {
            add(v, twice[i], LLM_PIECE_NORMAL, -(float)i);
            if (!kind) add_merge(v, merges[i]);
        }
        llm_tokenizer *t = new_tokenizer(v);
        ck_assert_uint_eq(must_return(t, text, LONG, 0), LONG / 8 + (size_t)kind);
        llm_tokenizer_destroy(&t);
        free(v);
    }
    free(text);
}
END_TEST

START_TEST(characters_and_broken_utf8)
{
    static const struct {
        const char *text;
        uint32_t code, taken;
    } cases[] = {
        {"a", 'a', 1},
        {"\302\200", 0x80, 2},
        {"\342\226\201x", 0x2581, 3},
        {"\364\217\277\277", 0x10ffff, 4},
        {"\200", 0xfffd, 1},     /* a continuation alone */
        {"\303", 0xfffd, 1},     /* cut off */
        {"\303a", 0xfffd, 1},    /* not continued */
        {"\300\201", 0xfffd, 1}, /* longer than needed */
        {"\340\202\201", 0xfffd, 1},
        {"\355\240\200", 0xfffd, 1},     /* a surrogate */
        {"\364\220\200\200", 0xfffd, 1}, /* beyond the last character */
        {"\370\210\200\200\200", 0xfffd, 1},
    };
    static const struct {
        uint32_t code;
        llm_char_kind kind;
    } kinds[] = {
        {0, LLM_CHAR_OTHER},       {'\t', LLM_CHAR_SPACE},    {0x1c, LLM_CHAR_OTHER},     {' ', LLM_CHAR_SPACE},
        {'0', LLM_CHAR_NUMBER},    {'9', LLM_CHAR_NUMBER},    {':', LLM_CHAR_OTHER},      {'A', LLM_CHAR_UPPER},
        {'z', LLM_CHAR_LOWER},    {'{', LLM_CHAR_OTHER},     {0xa0, LLM_CHAR_SPACE},     {0xaa, LLM_CHAR_LETTER},
        {0xb2, LLM_CHAR_NUMBER},   {0x301, LLM_CHAR_MARK},   {0x3000, LLM_CHAR_SPACE},   {0x4e2d, LLM_CHAR_LETTER},
        {0x1f642, LLM_CHAR_OTHER}, {0x2167, LLM_CHAR_NUMBER}, {0x10ffff, LLM_CHAR_OTHER}, {0x200b, LLM_CHAR_OTHER},
        {0xc9, LLM_CHAR_UPPER},    {0xe9, LLM_CHAR_LOWER},    {0x1c5, LLM_CHAR_UPPER},    {0x2b0, LLM_CHAR_LETTER},
        {0x410, LLM_CHAR_UPPER},   {0x903, LLM_CHAR_MARK},    {0x20dd, LLM_CHAR_MARK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t taken;
        ck_assert_uint_eq(llm_utf8_next(cases[i].text, strlen(cases[i].text), &taken), cases[i].code);
        ck_assert_uint_eq(taken, cases[i].taken);
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        ck_assert_int_eq(llm_char_kind_of(kinds[i].code), kinds[i].kind);
    for (uint32_t code = 0; code < 0x110000; code++) {
        char text[4];
        uint32_t taken;
        const uint32_t bytes = llm_utf8_write(code, text), back = llm_utf8_next(text, bytes, &taken);
        const int surrogate = code >= 0xd800 && code < 0xe000;
        must(surrogate ? back == 0xfffd && taken == 1 : back == code && taken == bytes);
    }
}
END_TEST

/* The ids of a turn must be those that follow, up to −1. */
static void must_turn(const vocabulary *v, const llm_tokenizer *t, int first, const char *text, ...)
{
    const llm_chat_format *format = llm_chat_find(&v->m);
    uint32_t *ids;
    size_t n, i = 0;
    va_list want;
    char why[WHY_BYTES] = "";
    if (llm_chat_turn(format, t, text, strlen(text), first, 2, &ids, &n, why)) ck_abort_msg("%s", why);
    va_start(want, text);
    for (int id; (id = va_arg(want, int)) >= 0; i++)
        if (i >= n || ids[i] != (uint32_t)id)
            ck_abort_msg("%s: id %zu of %zu is %d, not %d", llm_chat_name(format), i, n, i < n ? (int)ids[i] : -1, id);
    va_end(want);
    ck_assert_uint_eq(i, n);
    free(ids);
}

/* The marks of Mistral's two formats are the same; what stands between them is not. */
START_TEST(chats_of_mistral)
{
    vocabulary *v = new_bpe("tekken");
    const int bos = (int)add(v, "<s>", LLM_PIECE_CONTROL, 0), eos = (int)add(v, "</s>", LLM_PIECE_CONTROL, 0);
    const int open = (int)add(v, "[INST]", LLM_PIECE_CONTROL, 0), close = (int)add(v, "[/INST]", LLM_PIECE_CONTROL, 0);
    v->m.tok.bos = bos;
    v->m.tok.eos = eos;
    v->m.tok.add_bos = 1;
    static const char template[] = "{{ bos_token }}\0[INST]{{ content }}[/INST]";
    v->m.tok.chat_template = template; /* with a 0 byte before the mark */
    v->m.tok.chat_template_bytes = sizeof template - 1;
    llm_tokenizer *t = new_tokenizer(v);
    must_turn(v, t, 1, "hi", bos, open, 'h', 'i', close, -1);
    must_turn(v, t, 0, "[INST]", eos, open, '[', 'I', 'N', 'S', 'T', ']', close, -1);
    llm_tokenizer_destroy(&t);
    snprintf(v->m.tok.pre, sizeof v->m.tok.pre, "gpt-2");
    t = new_tokenizer(v);
    must_turn(v, t, 1, "hi", bos, open, ' ', 'h', 'i', ' ', close, -1);
    must_turn(v, t, 0, "hi", eos, bos, open, ' ', 'h', 'i', ' ', close, -1);
    v->m.tok.chat_template = NULL;
    must_turn(v, t, 1, "hi", bos, 'h', 'i', -1);
    llm_tokenizer_destroy(&t);
    free(v);
}
END_TEST

START_TEST(vocabularies_that_will_not_do)
{
    vocabulary *v = new_spm();
    v->pieces[9] = "<0xzz>";
    must_refuse_vocabulary(v, "token 9");
    free(v);
    v = new_bpe("gpt-5");
    must_refuse_vocabulary(v, "tokenizer.ggml.pre is 'gpt-5': only " LLM_SPLIT_NAMES);
    v->m.tok.kind = LLM_VOCAB_NONE;
    must_refuse_vocabulary(v, "'made here' has no vocabulary");
    free(v);
}
END_TEST

/* The prompts' ids are the first of each golden line. */
START_TEST(golden_prompts)
{
    static char line[1 << 16];
    char model[512], tokenizer[512], path[512], why[WHY_BYTES] = "";
    llm_model *m;
    int prompts = 0;
    if (!shared_file("model/stories260K.bin", model) || !shared_file("model/tok512.bin", tokenizer) ||
        !shared_file("golden/greedy_prompts.tsv", path))
        return;
    if (llm_model_open(&m, model, tokenizer, why)) ck_abort_msg("%s", why);
    llm_tokenizer *t;
    ck_assert_int_eq(llm_tokenizer_create(&t, m, why), 0);
    FILE *file = fopen(path, "r");
    must(file);
    for (; fgets(line, sizeof line, file); prompts += *line != '#') {
        if (*line == '#') continue;
        char *count = strchr(line, '\t');
        must(count && count - line >= 2);
        count[-1] = 0; /* the prompt is in quotes */
        char *at = strchr(count + 1, '\t');
        uint32_t *ids;
        size_t n;
        must(at && !llm_tokenizer_encode(t, line + 1, strlen(line + 1), LLM_ENCODE_BOS, &ids, &n));
        ck_assert_uint_eq(n, strtoul(count + 1, NULL, 10));
        for (size_t i = 0; i < n; i++) ck_assert_uint_eq(ids[i], strtoul(at, &at, 10));
        free(ids);
        must_return(t, line + 1, strlen(line + 1), LLM_ENCODE_BOS);
    }
    ck_assert_int_eq(prompts, 6);
    fclose(file);
    llm_tokenizer_destroy(&t);
    llm_model_close(&m);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tokenizer");
    TCase *tc = tcase_create("text");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, sentencepiece_merges_by_score);
    tcase_add_test(tc, special_tokens_are_found_when_asked);
    tcase_add_test(tc, specials_that_are_repeated_count_once);
    tcase_add_test(tc, specials_longer_than_any_are_not_looked_for);
    tcase_add_test(tc, pieces_print_what_they_stand_for);
    tcase_add_test(tc, byte_level_bpe_merges_by_rank);
    tcase_add_test(tc, words_are_split_as_the_models_want);
    tcase_add_test(tc, any_bytes_come_back);
    tcase_add_test(tc, long_words_take_no_longer_than_short_ones);
    tcase_add_test(tc, characters_and_broken_utf8);
    tcase_add_test(tc, chats_of_mistral);
    tcase_add_test(tc, vocabularies_that_will_not_do);
    tcase_add_test(tc, golden_prompts);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
