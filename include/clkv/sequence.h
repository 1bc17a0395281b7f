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
    clkv_prefix_use prefix; /* OFF: tokens may be NULL everywhere. ON changes nothing where the manager has no
                               prefix index */
    uint64_t user_data;     /* the caller's: see clkv_sequence_user_data */
} clkv_sequence_params;

/* A new sequence that already shares every full block of the prompt that the cache holds, except that at
 * least the prompt's last token is left to compute. *matched (may be NULL) is its length now: start
 * computing at that token. LIMIT: max_sequences. INVALID, NO_MEMORY. */
CLKV_API clkv_status clkv_sequence_create(clkv_sequence **out, clkv_manager *manager,
                                          const clkv_sequence_params *params, size_t *matched);

/* Gives its blocks back, tail first; full ones stay findable. The handle is dead at once; a sequence in a
 * reserved batch keeps its blocks until that batch commits or rolls back. */
CLKV_API void clkv_sequence_destroy(clkv_sequence **sequence);

/* A second sequence with the same history: shares all blocks, also the partial tail, which is copied by
 * whoever writes to it first. Its user_data is the one given here. INVALID. BUSY: in a reserved batch. LIMIT:
 * max_sequences. NO_MEMORY. */
CLKV_API clkv_status clkv_sequence_fork(clkv_sequence **out, clkv_sequence *sequence, uint64_t user_data);

/* Forgets the tokens from `length` on; whole blocks go back. BUSY: in a reserved batch. INVALID: longer
 * than it is, or into what the window has released. */
CLKV_API clkv_status clkv_sequence_truncate(clkv_sequence *sequence, size_t length);

/* Preemption by recomputation: gives all blocks back (full ones stay findable) and sets the length to 0.
 * The sequence keeps its age, so that it is not starved. Counted as a preemption. BUSY. */
CLKV_API clkv_status clkv_sequence_preempt(clkv_sequence *sequence);

/* Looks its whole history up again (prompt and what was generated; n_tokens of it, those it has included) and takes what
 * the cache holds beyond its length, as clkv_sequence_create does: after a preemption, or because another sequence has
 * computed the same prefix meanwhile. *matched (may be NULL) is its length now. STATE: its length is no whole number of
 * blocks. BUSY: in an open batch. INVALID, NO_MEMORY. */
CLKV_API clkv_status clkv_sequence_resume(clkv_sequence *sequence, const uint32_t *tokens, size_t n_tokens,
                                          size_t *matched);

/* How many tokens more a resume would find if the batches that are open now (being built, or reserved) had been
 * committed: another sequence is just computing what this one needs next. A scheduler that gets more than 0 leaves the
 * sequence out of this step and asks again after the commit; once it is 0, it resumes the sequence and adds the rest.
 * Whole blocks. 0 also for a sequence in a batch, and at a length that is no whole number of blocks. Takes nothing.
 * INVALID, NO_MEMORY. */
CLKV_API clkv_status clkv_sequence_pending(const clkv_sequence *sequence, const uint32_t *tokens, size_t n_tokens,
                                           size_t *pending);

/* Takes its full blocks from position `from` on (rounded down to a whole block) out of the index, and every prefix that
 * continues them, as clkv_manager_forget does; nothing that it computes from there on can be found. For a sequence whose
 * pass failed on the device after the batch was committed: its blocks may hold anything. INVALID, NO_MEMORY. */
CLKV_API clkv_status clkv_sequence_forget(clkv_sequence *sequence, size_t from);

CLKV_API size_t clkv_sequence_length(const clkv_sequence *sequence);

/* A number of the caller's, by which it finds what belongs to a sequence: what it gave to create or fork, or
 * last set. The library does nothing with it. 0 for NULL. */
CLKV_API uint64_t clkv_sequence_user_data(const clkv_sequence *sequence);
CLKV_API void clkv_sequence_set_user_data(clkv_sequence *sequence, uint64_t user_data);

/* Where the layers of a group keep a position: CLKV_NO_BLOCK for one that the window released. INVALID: group,
 * position ≥ length. */
CLKV_API clkv_status clkv_sequence_locate(const clkv_sequence *sequence, uint32_t group, size_t position,
                                          uint32_t *block, uint32_t *offset);

/* The block table of a group: *table is valid until the sequence next changes. Either of table and n_blocks may
 * be NULL. INVALID: group, NULL. */
CLKV_API clkv_status clkv_sequence_get_table(const clkv_sequence *sequence, uint32_t group, const uint32_t **table,
                                             size_t *n_blocks);

#ifdef __cplusplus
}
#endif
#endif
