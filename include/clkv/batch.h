/* clkv/batch.h: the sequences that get new tokens in one forward pass.
 *
 *   clear ─▶ add … add ─▶ reserve ─▶ (upload, append, attention …) ─▶ commit
 *                           │                                    └──▶ rollback
 *                           └ NO_BLOCKS: missing? victim? → preempt it, reserve again
 *
 * Reservation is transactional: it takes every block that the batch needs or none, and a rollback restores every
 * count, list and index entry. (Look-ups do not find the cached blocks that a reservation has taken. These blocks
 * leave the index only when they may have been written.)
 *
 * Progress: a victim is never the oldest sequence, and a preempted sequence keeps its age. So a scheduler that
 * preempts the victims named here and resumes in order of age always finishes the oldest sequence, if the pool can
 * hold that sequence alone. Then the next one is the oldest, and so all sequences finish.
 *
 * Threads: as in manager.h. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_BATCH_H
#define CLKV_BATCH_H

#include <clkv/sequence.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct clkv_batch clkv_batch;

/* One sequence's part of a batch, as reserved. */
typedef struct clkv_batch_entry {
    clkv_sequence *sequence;
    uint32_t row;        /* the sequence's row in the block tables of the device, 0 … max_sequences − 1 */
    uint32_t new_tokens; /* queries of this entry */
    uint32_t first;      /* index of the entry's first token in the batch: its row of K, V, Q and O */
    uint32_t context;    /* context length, the new tokens included */
} clkv_batch_entry;

/* Copy-on-write: block `to` must become a copy of block `from` (all layers) before anything is appended. */
typedef struct clkv_block_copy {
    uint32_t from, to;
} clkv_block_copy;

/* A cached block that a reservation takes; its content will be lost. The hashes are those of events (prefix.h). */
typedef struct clkv_eviction {
    uint32_t group, block;
    uint32_t depth;             /* full blocks before this block in its prefix */
    uint64_t hash, parent_hash; /* parent_hash 0: a first block without salt and adapter */
} clkv_eviction;

/* Creates an empty batch. NO_MEMORY. */
CLKV_API clkv_status clkv_batch_create(clkv_batch **out, clkv_manager *manager);

/* Destroys a batch; rolls it back first if it is reserved. */
CLKV_API void clkv_batch_destroy(clkv_batch **batch);

/* Removes all entries, for the next step. STATE: the batch is reserved (commit or roll back first). */
CLKV_API clkv_status clkv_batch_clear(clkv_batch *batch);

/* Adds n ≥ 1 new tokens of a sequence: 1 = decode, many = a chunk of prefill, a few = verification of drafts. The ids
 * are copied; tokens may be NULL only for a sequence with CLKV_PREFIX_OFF. *entry (may be NULL) gets the index of the
 * new entry. INVALID. STATE: the batch is reserved. BUSY: the sequence is in this or another open batch. LIMIT:
 * max_context, max_batch_tokens, or 65535 entries. NO_MEMORY. */
CLKV_API clkv_status clkv_batch_add(clkv_batch *batch, clkv_sequence *sequence, const uint32_t *tokens,
                                    uint32_t n, uint32_t *entry);

/* Removes the last entry. STATE: the batch is reserved, or empty. */
CLKV_API clkv_status clkv_batch_pop(clkv_batch *batch);

/* Takes the blocks that all entries need, or none. In a cache whose pool grows (clkv_growth in cache.h) it also makes
 * the slabs that this needs; slabs stay when the call fails. NO_BLOCKS: see clkv_batch_missing. STATE. NO_MEMORY. DEVICE,
 * DEVICE_LOST, FORKED: a slab could not be made, not for lack of memory. */
CLKV_API clkv_status clkv_batch_reserve(clkv_batch *batch);

/* Lists the cached blocks that the reservation takes, of all groups, least recently used first. Their content is
 * intact until the batch is uploaded or its slots or copies are asked for: to keep the content, copy it before.
 * *evictions points to the list and *n is its length; either pointer may be NULL. The list is valid until the
 * reservation ends or a prefix is forgotten. This call does not count as writing (see clkv_batch_rollback). INVALID.
 * STATE: not reserved. NO_MEMORY. */
CLKV_API clkv_status clkv_batch_get_evictions(clkv_batch *batch, const clkv_eviction **evictions, uint32_t *n);

/* The number of further available blocks that a reservation would need now; 0 = the batch fits. For a batch that is
 * not reserved. */
CLKV_API uint32_t clkv_batch_missing(clkv_batch *batch);

/* The sequence to preempt so that a batch fits: of all sequences with blocks the one whose loss costs the least work
 * (tokens in blocks that only this sequence uses), and the youngest of equal ones. It is never the oldest live
 * sequence, whether that has blocks or not, and never a sequence in a reserved batch. It may be in this batch: then
 * clear the batch and build it again without the sequence. It may belong to another thread: then do not use it, but
 * let that thread preempt it. NULL when there is none. */
CLKV_API clkv_sequence *clkv_batch_victim(clkv_batch *batch);

/* Only the first n (≥ 0) new tokens of an entry will be committed. The others, rejected drafts, leave the sequence at
 * the commit and never become findable. Call it between reserve and commit. INVALID, STATE. */
CLKV_API clkv_status clkv_batch_accept(clkv_batch *batch, uint32_t entry, uint32_t n);

/* Adds the new tokens to their sequences, makes blocks that became full findable, and empties the batch. Call it when
 * the whole pass is enqueued; the pass need not be finished (but see cache.h about a pass that fails on the device).
 * STATE: not reserved. STATE, DEVICE and FORKED also from the check of CLKV_COMMIT_STRICT (cache.h); the batch then
 * stays reserved. NO_MEMORY: every token is committed, but some full blocks are not findable. */
CLKV_API clkv_status clkv_batch_commit(clkv_batch *batch);

/* Undoes the reservation. The batch keeps its entries. If the reserved blocks may have been written (the batch was
 * uploaded, or its slots or copies were asked for), the cached blocks among them have lost their content and become
 * free. STATE. */
CLKV_API clkv_status clkv_batch_rollback(clkv_batch *batch);

/* The number of tokens in all entries; 0 for NULL. */
CLKV_API uint32_t clkv_batch_tokens(const clkv_batch *batch);

/* Sets *entries to the entries of the batch and *n to their number; either pointer may be NULL. The entries are valid
 * until the batch changes. INVALID: a NULL batch. */
CLKV_API clkv_status clkv_batch_get_entries(const clkv_batch *batch, const clkv_batch_entry **entries, uint32_t *n);

/* These three return lists of a reservation in the same way. INVALID: a NULL batch, group. STATE: not reserved.
 *   slots      where the layers of a group keep each token of the batch: block × block_size + offset
 *   copies     the copies that the blocks of a group need
 *   positions  the position of each token in its sequence, for RoPE
 * Asking for slots or copies counts as writing into the reserved blocks, see clkv_batch_rollback. */
CLKV_API clkv_status clkv_batch_get_slots(clkv_batch *batch, uint32_t group, const uint32_t **slots, uint32_t *n);
CLKV_API clkv_status clkv_batch_get_copies(clkv_batch *batch, uint32_t group, const clkv_block_copy **copies,
                                           uint32_t *n);
CLKV_API clkv_status clkv_batch_get_positions(const clkv_batch *batch, const int32_t **positions, uint32_t *n);

#ifdef __cplusplus
}
#endif
#endif
