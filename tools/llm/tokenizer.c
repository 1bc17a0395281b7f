/* tokenizer.c: see tokenizer.h; what both kinds have in common. SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer.h"

#include "tokenizer_parts.h"

#include <stdlib.h>
#include <string.h>

/* Tokens that chat models end a turn or a text with, whatever else the file says. */
static const char *const end_names[] = {"<|eot_id|>",      "<|eom_id|>",    "<|im_end|>",    "<|end|>",
                                        "<|end_of_text|>", "<|endoftext|>", "<end_of_turn>", "<EOT>"};

void llm_tokenizer_add_plain(llm_tokenizer *t, uint32_t id, const char *text, uint32_t bytes)
{
    if (bytes > 0) memcpy(t->plain + t->plain_at[id], text, bytes);
    t->plain_at[id + 1] = t->plain_at[id] + bytes;
}

void llm_tokenizer_add_word(llm_tokenizer *t, uint32_t id)
{
    const uint32_t bytes = (uint32_t)(t->plain_at[id + 1] - t->plain_at[id]);
    if (bytes == 0) return;
    llm_text_map_add(&t->words, t->plain + t->plain_at[id], bytes, id);
    if (bytes > t->longest_word) t->longest_word = bytes;
}

int llm_tokenizer_add_bytes(const llm_tokenizer *t, const char *text, uint32_t bytes, llm_ids *ids)
{
    uint32_t known = 0;
    while (known < bytes && t->bytes[(unsigned char)text[known]] != LLM_NO_ID) known++;
    if (known < bytes) return t->data->unk < 0 ? 0 : llm_ids_add(ids, (uint32_t)t->data->unk);
    for (uint32_t i = 0; i < bytes; i++)
        if (llm_ids_add(ids, t->bytes[(unsigned char)text[i]])) return -1;
    return 0;
}

/* A special token and its text; what qsort sees. */
typedef struct special {
    const char *text;
    uint32_t bytes, id;
} special;

static int by_text(const void *a, const void *b)
{
    const special *x = a, *y = b;
    const int order = memcmp(x->text, y->text, x->bytes < y->bytes ? x->bytes : y->bytes);
    if (order) return order;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? -1 : 1;
    return x->id < y->id ? -1 : 1;
}

/* SentencePiece's user-defined pieces with a space in them come out of merging, after the space before the text is
 * there; the rest is looked for first. Not those so long that looking for them would take for ever: nobody means
 * them. */
static int is_special(const llm_tokenizer_data *d, uint32_t id)
{
    if (d->piece_bytes[id] == 0 || d->piece_bytes[id] > LLM_MOST_SPECIAL) return 0;
    if (d->types[id] == LLM_PIECE_CONTROL) return 1;
    return d->types[id] == LLM_PIECE_USER &&
           (d->kind == LLM_VOCAB_BPE || !memchr(d->pieces[id], ' ', d->piece_bytes[id]));
}

/* Of specials with equal text, which stand in the order of their ids, one at most is ever found, and another where
 * control tokens are not asked for: the last of all, and the last that is none. A file may repeat one a million
 * times. */
static uint32_t drop_repeated(const llm_tokenizer_data *d, special *s, uint32_t n)
{
    uint32_t kept = 0;
    for (uint32_t i = 0, end; i < n; i = end) {
        uint32_t plain = n; /* the last that is no control token */
        for (end = i; end < n && s[end].bytes == s[i].bytes && !memcmp(s[end].text, s[i].text, s[i].bytes); end++)
            if (d->types[s[end].id] != LLM_PIECE_CONTROL) plain = end;
        const special last = s[end - 1];
        if (plain < end - 1) s[kept++] = s[plain];
        s[kept++] = last;
    }
    return kept;
}

static int find_specials(llm_tokenizer *t)
{
    const llm_tokenizer_data *d = t->data;
    uint32_t n = 0;
    for (uint32_t id = 0; id < d->n; id++) n += (uint32_t)is_special(d, id);
    special *found = malloc((n + (size_t)1) * sizeof *found);
    t->specials = malloc((n + (size_t)1) * sizeof *t->specials);
    if (!found || !t->specials) {
        free(found);
        return -1;
    }
    n = 0;
    for (uint32_t id = 0; id < d->n; id++)
        if (is_special(d, id)) found[n++] = (special){d->pieces[id], d->piece_bytes[id], id};
    qsort(found, n, sizeof *found, by_text);
    t->n_specials = drop_repeated(d, found, n);
    for (uint32_t i = 0; i < t->n_specials; i++) t->specials[i] = found[i].id;
    free(found);
    return 0;
}

/* The first of specials[low … high), which agree in their first `depth` bytes, whose byte at `depth` is at least
 * `byte`; one that ends there has −1. */
static uint32_t narrow(const llm_tokenizer *t, uint32_t low, uint32_t high, uint32_t depth, int byte)
{
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2, id = t->specials[middle];
        const int has = depth < t->data->piece_bytes[id] ? (unsigned char)t->data->pieces[id][depth] : -1;
        if (has < byte)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The longest special token that the text begins with, or LLM_NO_ID. Control tokens only when asked. */
static uint32_t special_at(const llm_tokenizer *t, const char *text, size_t bytes, int control)
{
    uint32_t low = 0, high = t->n_specials, found = LLM_NO_ID;
    for (uint32_t depth = 0; depth < bytes && low < high; depth++) {
        const int byte = (unsigned char)text[depth];
        low = narrow(t, low, high, depth, byte);
        high = narrow(t, low, high, depth, byte + 1);
        for (uint32_t i = low; i < high && t->data->piece_bytes[t->specials[i]] == depth + 1; i++)
            if (control || t->data->types[t->specials[i]] != LLM_PIECE_CONTROL) found = t->specials[i];
    }
    return found;
}

static void add_end(llm_tokenizer *t, int32_t id)
{
    if (id >= 0 && !llm_tokenizer_is_end(t, (uint32_t)id) && t->n_ends < LLM_MAX_ENDS)
        t->ends[t->n_ends++] = (uint32_t)id;
}

static void find_ends(llm_tokenizer *t)
{
    add_end(t, t->data->bos);
    add_end(t, t->data->eos);
    add_end(t, t->data->eot);
    for (size_t i = 0; i < sizeof end_names / sizeof *end_names; i++) {
        const size_t bytes = strlen(end_names[i]);
        const uint32_t id = special_at(t, end_names[i], bytes, 1);
        if (id != LLM_NO_ID && t->data->piece_bytes[id] == bytes) add_end(t, (int32_t)id);
    }
}

static int make_room(llm_tokenizer *t)
{
    const llm_tokenizer_data *d = t->data;
    size_t bytes = 1;
    for (uint32_t id = 0; id < d->n; id++) bytes += d->piece_bytes[id];
    for (int b = 0; b < 256; b++) t->bytes[b] = LLM_NO_ID;
    t->plain = malloc(bytes);
    t->plain_at = calloc(d->n + (size_t)1, sizeof *t->plain_at);
    return t->plain && t->plain_at && !llm_text_map_create(&t->words, d->n) && !find_specials(t) ? 0 : -1;
}

int llm_tokenizer_create(llm_tokenizer **out, const llm_model *model, char *why)
{
    char shown[SHOWN_BYTES];
    *out = NULL;
    if (model->tok.kind == LLM_VOCAB_NONE)
        return llm_fail(why, "the model '%s' has no vocabulary: it needs a tokenizer file",
                        llm_shown(model->name, strlen(model->name), shown));
    llm_tokenizer *t = calloc(1, sizeof *t);
    if (!t) return llm_fail(why, "out of memory for the vocabulary");
    t->data = &model->tok;
    if (make_room(t)) {
        llm_fail(why, "out of memory for the vocabulary");
        goto fail;
    }
    if (t->data->kind == LLM_VOCAB_BPE ? llm_bpe_prepare(t, why) : llm_spm_prepare(t, why)) goto fail;
    find_ends(t);
    *out = t;
    return 0;
fail:
    llm_tokenizer_destroy(&t);
    return -1;
}

void llm_tokenizer_destroy(llm_tokenizer **tokenizer)
{
    llm_tokenizer *t = *tokenizer;
    if (!t) return;
    free(t->plain);
    free(t->plain_at);
    free(t->words.slots);
    free(t->merges.slots);
    free(t->specials);
    free(t);
    *tokenizer = NULL;
}

/* Text between special tokens, after a space where asked. */
static int encode_plain(llm_merger *m, const char *text, size_t bytes, int space, llm_ids *ids)
{
    if (m->t->data->kind == LLM_VOCAB_BPE) return llm_bpe_encode(m, text, bytes, ids);
    if (!space) return llm_spm_encode(m, text, bytes, ids);
    char *spaced = malloc(bytes + 1);
    if (!spaced) return -1;
    spaced[0] = ' ';
    memcpy(spaced + 1, text, bytes);
    const int failed = llm_spm_encode(m, spaced, bytes + 1, ids);
    free(spaced);
    return failed;
}

static int encode(llm_merger *m, const char *text, size_t bytes, int flags, llm_ids *ids)
{
    const llm_tokenizer *t = m->t;
    const int prefix = t->data->kind == LLM_VOCAB_SENTENCEPIECE && t->data->add_space_prefix;
    int space = prefix && bytes > 0; /* still to come before the plain text */
    size_t start = 0;                /* of the plain text that ends at `at` */
    if (bytes >= UINT32_MAX) return -1;
    if (flags & LLM_ENCODE_BOS && t->data->add_bos && llm_ids_add(ids, (uint32_t)t->data->bos)) return -1;
    for (size_t at = 0; at < bytes;) {
        const uint32_t id = special_at(t, text + at, bytes - at, flags & LLM_ENCODE_SPECIAL);
        if (id == LLM_NO_ID) {
            at++;
            continue;
        }
        /* a user-defined token is a part of the text, a control token parts two texts */
        const int control = t->data->types[id] == LLM_PIECE_CONTROL;
        if (encode_plain(m, text + start, at - start, space && (at > start || !control), ids) ||
            llm_ids_add(ids, id))
            return -1;
        space = prefix && control;
        start = at += t->data->piece_bytes[id];
    }
    return encode_plain(m, text + start, bytes - start, space && bytes > start, ids);
}

int llm_tokenizer_encode(const llm_tokenizer *t, const char *text, size_t bytes, int flags, uint32_t **ids,
                         size_t *n)
{
    llm_merger m = {.t = t};
    llm_ids made = {.ids = malloc(sizeof(uint32_t)), .room = 1};
    *ids = NULL;
    *n = 0;
    const int failed = !made.ids || encode(&m, text, bytes, flags, &made);
    llm_merger_free(&m);
    if (failed) {
        free(made.ids);
        return -1;
    }
    *ids = made.ids;
    *n = made.n;
    return 0;
}

size_t llm_tokenizer_piece(const llm_tokenizer *t, uint32_t previous, uint32_t id, char *buf, size_t size)
{
    const llm_tokenizer_data *d = t->data;
    const char *text = t->plain + t->plain_at[id];
    size_t bytes = t->plain_at[id + 1] - t->plain_at[id];
    if (d->types[id] == LLM_PIECE_CONTROL) return 0;
    const int first = previous == UINT32_MAX || (d->bos >= 0 && previous == (uint32_t)d->bos);
    if (first && d->kind == LLM_VOCAB_SENTENCEPIECE && d->add_space_prefix && bytes > 0 && *text == ' ') {
        text++;
        bytes--;
    }
    const size_t n = bytes < size ? bytes : size;
    if (n > 0) memcpy(buf, text, n);
    return bytes;
}

int llm_tokenizer_is_end(const llm_tokenizer *t, uint32_t id)
{
    for (uint32_t i = 0; i < t->n_ends; i++)
        if (t->ends[i] == id) return 1;
    return 0;
}
