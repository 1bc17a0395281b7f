/* tokenizer_parts.h: what the tokenizer's own files share. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_LLM_TOKENIZER_PARTS_H
#define CLKV_TOOLS_LLM_TOKENIZER_PARTS_H

#include "model.h"
#include "tokenizer_map.h"
#include "tokenizer_split.h"

typedef struct llm_tokenizer llm_tokenizer; /* as in tokenizer.h */

#define LLM_MAX_ENDS     16
#define LLM_MOST_SPECIAL 1024 /* bytes */

/* Invariants: plain text of piece i is plain[plain_at[i] … plain_at[i + 1]), what it prints; `words` has the pieces
 * that text becomes by merging, by their plain text; specials are sorted by their text in the vocabulary, at most two
 * with the same: one that is no control token, then one that is. */
struct llm_tokenizer {
    const llm_tokenizer_data *data;
    char *plain;
    size_t *plain_at; /* [n + 1] */
    llm_text_map words;
    uint32_t longest_word; /* bytes */
    uint32_t bytes[256];   /* the piece that is this byte alone, or LLM_NO_ID */
    llm_pair_map merges;   /* BPE */
    llm_split_style split; /* BPE */
    uint32_t *specials;    /* pieces that are looked for before any merging */
    uint32_t n_specials;
    uint32_t ends[LLM_MAX_ENDS], n_ends;
};

typedef struct llm_ids {
    uint32_t *ids;
    size_t n, room;
} llm_ids;

/* −1: no memory. */
int llm_ids_add(llm_ids *ids, uint32_t id);

/* A run of the text on its way to a token; runs are linked in text order. */
typedef struct llm_symbol {
    uint32_t at, bytes;      /* bytes 0: merged into the one before */
    uint32_t id;             /* LLM_NO_ID: no piece */
    uint32_t previous, next; /* LLM_NO_ID at the ends */
} llm_symbol;

typedef struct llm_candidate llm_candidate;

/* The text being merged, and the pairs that may be merged next, in a heap: lowest rank first, then leftmost. Kept
 * from text to text for its memory. */
typedef struct llm_merger {
    const llm_tokenizer *t;
    const char *text;
    llm_symbol *symbols;
    uint32_t n;
    size_t room;
    llm_candidate *heap;
    size_t n_heap, heap_room;
} llm_merger;

/* Whether two neighbours make a piece: its id, and its rank. */
typedef int llm_merge_rule(const llm_merger *m, const llm_symbol *left, const llm_symbol *right, uint32_t *id,
                           uint32_t *rank);

/* Between them the symbols that make up the text are added, in order. −1: no memory. */
void llm_merger_begin(llm_merger *m, const char *text);
int llm_merger_add(llm_merger *m, uint32_t bytes, uint32_t id);
int llm_merger_run(llm_merger *m, llm_merge_rule *rule);
void llm_merger_free(llm_merger *m);

/* Fills plain text, words and what else the kind needs. −1: no memory, or the reason in `why`. */
int llm_spm_prepare(llm_tokenizer *t, char *why);
int llm_bpe_prepare(llm_tokenizer *t, char *why);

/* Text without special tokens. */
int llm_spm_encode(llm_merger *m, const char *text, size_t bytes, llm_ids *ids);
int llm_bpe_encode(llm_merger *m, const char *text, size_t bytes, llm_ids *ids);

/* For the two prepare functions: the next piece prints these bytes; it can come out of merging. */
void llm_tokenizer_add_plain(llm_tokenizer *t, uint32_t id, const char *text, uint32_t bytes);
void llm_tokenizer_add_word(llm_tokenizer *t, uint32_t id);

/* A run that is no piece: its bytes' pieces where all have one, else the unknown token or nothing. */
int llm_tokenizer_add_bytes(const llm_tokenizer *t, const char *text, uint32_t bytes, llm_ids *ids);

#endif
