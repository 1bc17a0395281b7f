/* clkv/sequence.h: a sequence, a token history with its block table.
 *
 *   position p ──▶ table[p / block_size] ──▶ block id, offset p % block_size          O(1)
 *
 *   table   [ 7 | 31 | 8 | – ]        length 39, block_size 16: blocks 7 and 31 are full (findable,
 *                    └ partial tail   perhaps shared), block 8 holds 7 tokens
 *
 * `length` counts tokens whose keys and values are (or by the enqueued work will be) in the cache. It
 * grows by clkv_batch_commit only. A block that is shared, or findable by prefix, is never written:
 * a batch that must write into one takes a fresh block and a copy (copy-on-write).
 *
 * Threads: as in manager.h. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_SEQUENCE_H
#define CLKV_SEQUENCE_H

#include <clkv/manager.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct clkv_sequence clkv_sequence;

typedef struct clkv_sequence_params {
    size_t size;
    const uint32_t *tokens; /* the prompt, to look for in the prefix index; may be NULL (nothing is found) */
    size_t n_tokens;
    const clkv_key *keys;   /* salt, adapter, contents; copied; default none */
    size_t n_keys;
    uint32_t window;        /* sliding window in tokens: after each commit, blocks that no later query can
                               see (its own position included in the window) are released. 0 = none */
    int no_prefix;          /* 1: neither look up nor register; tokens may then be NULL everywhere */
    uint64_t user_data;     /* yours: see clkv_sequence_user_data */
} clkv_sequence_params;

/* A new sequence that already shares every full block of the prompt that the cache holds, except that at
 * least the prompt's last token is left to compute. *matched (may be NULL) is its length now: start
 * computing at that token. LIMIT: max_sequences. INVALID, NO_MEMORY. */
CLKV_API clkv_status clkv_sequence_create(clkv_manager *manager, clkv_sequence **out,
                                          const clkv_sequence_params *params, size_t *matched);

/* Gives its blocks back, tail first; full ones stay findable. A sequence in a reserved batch is taken
 * out of the world when that batch commits or rolls back; its handle is dead at once. */
CLKV_API void clkv_sequence_destroy(clkv_sequence **sequence);

/* A second sequence with the same history: shares all blocks, also the partial tail, which is copied by
 * whoever writes to it first. BUSY: in a reserved batch. LIMIT, NO_MEMORY. */
CLKV_API clkv_status clkv_sequence_fork(clkv_sequence *sequence, clkv_sequence **out);

/* Forgets the tokens from `length` on; whole blocks go back. BUSY: in a reserved batch. INVALID: longer
 * than it is, or into what the window has released. */
CLKV_API clkv_status clkv_sequence_truncate(clkv_sequence *sequence, size_t length);

/* Preemption by recomputation: gives all blocks back (full ones stay findable) and sets the length to 0.
 * The sequence keeps its age, so that it is not starved. Counted as a preemption. BUSY. */
CLKV_API clkv_status clkv_sequence_preempt(clkv_sequence *sequence);

/* Looks the whole history (prompt and what was generated) up again for a sequence of length 0, as
 * clkv_sequence_create does. STATE: its length is not 0. INVALID, NO_MEMORY. */
CLKV_API clkv_status clkv_sequence_resume(clkv_sequence *sequence, const uint32_t *tokens, size_t n_tokens,
                                          size_t *matched);

CLKV_API size_t clkv_sequence_length(const clkv_sequence *sequence);
CLKV_API uint64_t clkv_sequence_user_data(const clkv_sequence *sequence);

/* Where a position lives: CLKV_NO_BLOCK for one that the window released. INVALID: position ≥ length. */
CLKV_API clkv_status clkv_sequence_locate(const clkv_sequence *sequence, size_t position, uint32_t *block,
                                          uint32_t *offset);

/* The block table: *table is valid until the sequence next changes. */
CLKV_API void clkv_sequence_table(const clkv_sequence *sequence, const uint32_t **table, size_t *n_blocks);

#ifdef __cplusplus
}
#endif
#endif
