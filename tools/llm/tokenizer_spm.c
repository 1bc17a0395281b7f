/* tokenizer_spm.c: SentencePiece's BPE: characters merge into pieces, the pair whose piece has the greatest score
 * first. SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer_parts.h"

#include "unicode.h"

#include <string.h>

/* <0xNN>, as the readers and SentencePiece write it. −1: not that. */
static int byte_of(const char *piece, uint32_t bytes)
{
    static const char digits[] = "0123456789ABCDEF";
    const char *high, *low;
    if (bytes != 6 || memcmp(piece, "<0x", 3) || piece[5] != '>' || !piece[3] || !piece[4]) return -1;
    high = strchr(digits, piece[3]);
    low = strchr(digits, piece[4]);
    return high && low ? (int)((high - digits) * 16 + (low - digits)) : -1;
}

int llm_spm_prepare(llm_tokenizer *t, char *why)
{
    const llm_tokenizer_data *d = t->data;
    for (uint32_t id = 0; id < d->n; id++) {
        const int byte = d->types[id] == LLM_PIECE_BYTE ? byte_of(d->pieces[id], d->piece_bytes[id]) : -1;
        if (d->types[id] == LLM_PIECE_BYTE && byte < 0)
            return llm_fail(why, "the vocabulary's token %u is of the kind byte, but not written as <0xNN>",
                            (unsigned)id);
        if (byte >= 0) {
            t->bytes[byte] = id;
            llm_tokenizer_add_plain(t, id, &(const char){(char)byte}, 1);
            continue;
        }
        llm_tokenizer_add_plain(t, id, d->pieces[id], d->piece_bytes[id]);
        if (d->types[id] == LLM_PIECE_NORMAL || d->types[id] == LLM_PIECE_USER) llm_tokenizer_add_word(t, id);
    }
    return 0;
}

/* Floats become integers that stand in descending order. */
static uint32_t rank_of(float score)
{
    const float x = score + 0.0f; /* −0 and 0 are equal */
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits >> 31 ? bits : ~bits & 0x7fffffffu;
}

static int merge_by_score(const llm_merger *m, const llm_symbol *left, const llm_symbol *right, uint32_t *id,
                          uint32_t *rank)
{
    const llm_tokenizer *t = m->t;
    if (right->bytes > t->longest_word || left->bytes > t->longest_word - right->bytes) return 0;
    *id = llm_text_map_find(&t->words, m->text + left->at, left->bytes + right->bytes);
    if (*id == LLM_NO_ID) return 0;
    *rank = rank_of(t->data->scores[*id]);
    return 1;
}

/* `text` has the space in front already, where one belongs. */
int llm_spm_encode(llm_merger *m, const char *text, size_t bytes, llm_ids *ids)
{
    const llm_tokenizer *t = m->t;
    llm_merger_begin(m, text);
    for (size_t at = 0; at < bytes;) {
        uint32_t taken;
        llm_utf8_next(text + at, bytes - at, &taken);
        if (llm_merger_add(m, taken, llm_text_map_find(&t->words, text + at, taken))) return -1;
        at += taken;
    }
    if (llm_merger_run(m, merge_by_score)) return -1;
    for (uint32_t i = 0; i < m->n; i = m->symbols[i].next) {
        const llm_symbol *s = &m->symbols[i];
        if (s->id == LLM_NO_ID ? llm_tokenizer_add_bytes(t, text + s->at, s->bytes, ids) : llm_ids_add(ids, s->id))
            return -1;
    }
    return 0;
}
