/* clkv/sequence.h: a sequence, a token history with its block table.
 *
 *   position p ──▶ table[p / block_size] ──▶ block id, offset p % block_size          O(1)
 *
 *   table   [ 7 | 31 | 8 | – ]        length 39, block_size 16: blocks 7 and 31 are full (findable,
 *                    └ partial tail   perhaps shared), block 8 holds 7 tokens
 *
 * `length` is the number of tokens whose keys and values are in the cache, or will be when the enqueued commands
 * have run. Only clkv_batch_commit makes it grow. A block that is shared or findable by prefix is never written: a
 * batch that has to write into such a block takes a fresh block and copies into it (copy-on-write).
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
    const uint32_t *tokens; /* the prompt, which is looked up in the prefix index; NULL: nothing is looked up */
    size_t n_tokens;
    const clkv_key *keys;   /* salt, adapter, contents; copied; default none */
    size_t n_keys;
    clkv_prefix_use prefix; /* OFF: no block of the sequence is looked up or registered, and every call accepts
                               NULL tokens for it. ON has no effect when the manager has no prefix index */
    uint64_t user_data;     /* a number of the caller: see clkv_sequence_user_data */
} clkv_sequence_params;

/* Creates a sequence. It shares every full block of the prompt that is in the cache; at least the last token of the
 * prompt is left to compute. *matched (may be NULL) gets the length of the sequence: the index of the first token to
 * compute. LIMIT: max_sequences. INVALID, NO_MEMORY. */
CLKV_API clkv_status clkv_sequence_create(clkv_sequence **out, clkv_manager *manager,
                                          const clkv_sequence_params *params, size_t *matched);

/* Releases the blocks of the sequence, the last block first; full blocks stay findable. The handle must not be used
 * after that. If the sequence is in a reserved batch, its blocks are released when that batch commits or rolls
 * back. */
CLKV_API void clkv_sequence_destroy(clkv_sequence **sequence);

/* Creates a second sequence with the same history. The two share all blocks, also the last, partial block; the
 * sequence that first writes to that block gets a copy. The fork's user_data is the argument. INVALID. BUSY: the
 * sequence is in a reserved batch. LIMIT: max_sequences. NO_MEMORY. */
CLKV_API clkv_status clkv_sequence_fork(clkv_sequence **out, clkv_sequence *sequence, uint64_t user_data);

/* Removes the tokens from position `length` on and releases the blocks that no token is left in. BUSY: the sequence
 * is in a reserved batch. INVALID: `length` is more than the sequence has, or lies in a part that the window has
 * released. */
CLKV_API clkv_status clkv_sequence_truncate(clkv_sequence *sequence, size_t length);

/* Preemption by recomputation: releases all blocks (full blocks stay findable) and sets the length to 0. The sequence
 * keeps its age, so that it does not starve. Counted as a preemption. BUSY. */
CLKV_API clkv_status clkv_sequence_preempt(clkv_sequence *sequence);

/* Looks the history up again and takes the blocks that the cache holds beyond the length of the sequence, as
 * clkv_sequence_create does. Use it after a preemption, or when another sequence has computed the same prefix
 * meanwhile. tokens[0 … n_tokens) is the whole history from position 0: the prompt and the generated tokens. *matched
 * (may be NULL) gets the new length. STATE: the length is no whole number of blocks. BUSY: the sequence is in an open
 * batch. INVALID, NO_MEMORY. */
CLKV_API clkv_status clkv_sequence_resume(clkv_sequence *sequence, const uint32_t *tokens, size_t n_tokens,
                                          size_t *matched);

/* Sets *pending to the number of further tokens that clkv_sequence_resume would find if the batches that are open now
 * (being built, or reserved) had been committed. More than 0 means that another sequence is computing the tokens that
 * this sequence needs next. A scheduler then leaves the sequence out of this step and asks again after the commit.
 * When the answer is 0, the scheduler resumes the sequence, if its length is a whole number of blocks, and adds the
 * rest of its tokens. Whole blocks. 0 also for a sequence in a batch, and at a length that is no whole number of
 * blocks. Takes no block. INVALID, NO_MEMORY. */
CLKV_API clkv_status clkv_sequence_pending(const clkv_sequence *sequence, const uint32_t *tokens, size_t n_tokens,
                                           size_t *pending);

/* Takes the full blocks of the sequence from position `from` on (rounded down to a whole block) out of the index, and
 * every prefix that continues them, as clkv_manager_forget does. Blocks that the sequence computes from there on
 * cannot be found either. Use it when a pass failed on the device after its batch was committed, since the blocks may
 * then hold anything. INVALID, NO_MEMORY. */
CLKV_API clkv_status clkv_sequence_forget(clkv_sequence *sequence, size_t from);

/* The number of tokens of the sequence (above). 0 for NULL. */
CLKV_API size_t clkv_sequence_length(const clkv_sequence *sequence);

/* A number with which the caller finds its own data of a sequence: the one given to create or fork, or last set. The
 * library does not use it. 0 for NULL. */
CLKV_API uint64_t clkv_sequence_user_data(const clkv_sequence *sequence);
CLKV_API void clkv_sequence_set_user_data(clkv_sequence *sequence, uint64_t user_data);

/* Says in which block, and at which offset in the block, the layers of a group keep a position. *block is
 * CLKV_NO_BLOCK when the window has released the block. INVALID: group, position ≥ length. */
CLKV_API clkv_status clkv_sequence_locate(const clkv_sequence *sequence, uint32_t group, size_t position,
                                          uint32_t *block, uint32_t *offset);

/* Sets *table to the block table of a group and *n_blocks to its length; either pointer may be NULL. The table is
 * valid until the sequence next changes, and clkv_cache_shrink changes the entries of blocks that it moves: do not read the
 * table while another thread calls that. INVALID: group, a NULL sequence. */
CLKV_API clkv_status clkv_sequence_get_table(const clkv_sequence *sequence, uint32_t group, const uint32_t **table,
                                             size_t *n_blocks);

#ifdef __cplusplus
}
#endif
#endif
