/* tokenizer_bpe.c: byte-level BPE: each word's bytes merge by the list of merges, the earliest in the list first.
 * The vocabulary writes bytes in GPT-2's alphabet, where each is a printable character; here they are bytes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer_parts.h"

#include "unicode.h"

#include <stdlib.h>
#include <string.h>

/* The alphabet: printable Latin-1 characters stand for their own byte, the other bytes, in order, for U+0100 on. */
#define ALPHABET_END 0x144

static int is_own_letter(uint32_t byte)
{
    return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
}

static void fill_alphabet(int16_t byte_of[ALPHABET_END])
{
    uint32_t next = 0x100;
    memset(byte_of, 0xff, ALPHABET_END * sizeof *byte_of);
    for (uint32_t b = 0; b < 256; b++) byte_of[is_own_letter(b) ? b : next++] = (int16_t)b;
}

/* The bytes that the text stands for, in no more room than it takes; −1 when a character is none of the
 * alphabet. */
static int from_alphabet(const int16_t *byte_of, const char *text, size_t bytes, char *out, uint32_t *n)
{
    *n = 0;
    for (size_t at = 0; at < bytes;) {
        uint32_t taken;
        const uint32_t code = llm_utf8_next(text + at, bytes - at, &taken);
        if (code >= ALPHABET_END || byte_of[code] < 0) return -1;
        out[(*n)++] = (char)byte_of[code];
        at += taken;
    }
    return 0;
}

static void prepare_pieces(llm_tokenizer *t, const int16_t *byte_of, char *room)
{
    const llm_tokenizer_data *d = t->data;
    for (uint32_t id = 0; id < d->n; id++) {
        uint32_t n;
        const int is_word = d->types[id] == LLM_PIECE_NORMAL &&
                            !from_alphabet(byte_of, d->pieces[id], d->piece_bytes[id], room, &n);
        if (!is_word) {
            llm_tokenizer_add_plain(t, id, d->pieces[id], d->piece_bytes[id]);
            continue;
        }
        llm_tokenizer_add_plain(t, id, room, n);
        llm_tokenizer_add_word(t, id);
        if (n == 1) t->bytes[(unsigned char)room[0]] = id;
    }
}

/* Merges of pieces that the vocabulary lacks can never be used. */
static void prepare_merges(llm_tokenizer *t, const int16_t *byte_of, char *room)
{
    for (uint32_t rank = 0; rank < t->data->n_merges; rank++) {
        const char *text = t->data->merges[rank], *space = strchr(text + 1, ' ');
        uint32_t left, right;
        if (from_alphabet(byte_of, text, (size_t)(space - text), room, &left) ||
            from_alphabet(byte_of, space + 1, strlen(space + 1), room + left, &right))
            continue;
        const llm_pair_slot pair = {llm_text_map_find(&t->words, room, left),
                                    llm_text_map_find(&t->words, room + left, right), rank,
                                    llm_text_map_find(&t->words, room, left + right)};
        if (pair.left != LLM_NO_ID && pair.right != LLM_NO_ID && pair.id != LLM_NO_ID)
            llm_pair_map_add(&t->merges, pair);
    }
}

static size_t longest_text(const llm_tokenizer_data *d)
{
    size_t most = 1;
    for (uint32_t i = 0; i < d->n; i++)
        if (d->piece_bytes[i] > most) most = d->piece_bytes[i];
    for (uint32_t i = 0; i < d->n_merges; i++)
        if (strlen(d->merges[i]) > most) most = strlen(d->merges[i]);
    return most;
}

int llm_bpe_prepare(llm_tokenizer *t, char *why)
{
    int16_t byte_of[ALPHABET_END];
    char shown[SHOWN_BYTES];
    if (llm_split_find(t->data->pre, &t->split))
        return llm_fail(why, "tokenizer.ggml.pre is '%s': only " LLM_SPLIT_NAMES " are supported",
                        llm_shown(t->data->pre, strlen(t->data->pre), shown));
    char *room = malloc(longest_text(t->data));
    if (!room || llm_pair_map_create(&t->merges, t->data->n_merges)) {
        free(room);
        return llm_fail(why, "out of memory for the vocabulary");
    }
    fill_alphabet(byte_of);
    prepare_pieces(t, byte_of, room);
    prepare_merges(t, byte_of, room);
    free(room);
    return 0;
}

static int merge_by_rank(const llm_merger *m, const llm_symbol *left, const llm_symbol *right, uint32_t *id,
                         uint32_t *rank)
{
    if (left->id == LLM_NO_ID || right->id == LLM_NO_ID) return 0;
    const llm_pair_slot *pair = llm_pair_map_find(&m->t->merges, left->id, right->id);
    if (!pair) return 0;
    *id = pair->id;
    *rank = pair->rank;
    return 1;
}

static int encode_word(llm_merger *m, const char *word, uint32_t bytes, llm_ids *ids)
{
    const llm_tokenizer *t = m->t;
    if (t->split.whole_words && bytes <= t->longest_word) {
        const uint32_t id = llm_text_map_find(&t->words, word, bytes);
        if (id != LLM_NO_ID) return llm_ids_add(ids, id);
    }
    llm_merger_begin(m, word);
    for (uint32_t i = 0; i < bytes; i++)
        if (llm_merger_add(m, 1, t->bytes[(unsigned char)word[i]])) return -1;
    if (llm_merger_run(m, merge_by_rank)) return -1;
    for (uint32_t i = 0; i < m->n; i = m->symbols[i].next) {
        const llm_symbol *s = &m->symbols[i];
        if (s->id == LLM_NO_ID ? llm_tokenizer_add_bytes(t, word + s->at, s->bytes, ids) : llm_ids_add(ids, s->id))
            return -1;
    }
    return 0;
}

int llm_bpe_encode(llm_merger *m, const char *text, size_t bytes, llm_ids *ids)
{
    for (size_t at = 0; at < bytes;) {
        const size_t word = llm_split_next(&m->t->split, text + at, bytes - at);
        if (encode_word(m, text + at, (uint32_t)word, ids)) return -1;
        at += word;
    }
    return 0;
}
