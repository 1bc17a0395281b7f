/* clkv/batch.h: the sequences that get new tokens in one forward pass.
 *
 *   clear ─▶ add … add ─▶ reserve ─▶ (upload, append, attention …) ─▶ commit
 *                           │                                    └──▶ rollback
 *                           └ NO_BLOCKS: missing? victim? → preempt it, reserve again
 *
 * Reservation is transactional: it takes every block that the batch needs or none, and rollback leaves
 * every count, list and index entry as it was before. (Cached blocks that a reservation takes are not
 * found meanwhile, but leave the index only when they may have been written.)
 *
 * Progress: a victim is never the oldest sequence, and a preempted one keeps its age. So a scheduler
 * that preempts the victims named here and resumes in order of age always finishes the oldest sequence
 * (as long as the pool can hold it alone), and by induction all.
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
    uint32_t row;        /* the sequence's row in the device's block tables, 0 … max_sequences − 1 */
    uint32_t new_tokens; /* queries of this entry */
    uint32_t first;      /* index of its first token among the batch's tokens: row of K, V, Q and O */
    uint32_t context;    /* context length with the new tokens */
} clkv_batch_entry;

/* Copy-on-write: block `to` must become a copy of `from` (all layers) before anything is appended. */
typedef struct clkv_block_copy {
    uint32_t from, to;
} clkv_block_copy;

/* A cached block that a reservation takes: what it holds will be lost. The hashes name its prefix as events do. */
typedef struct clkv_eviction {
    uint32_t group, block;
    uint32_t depth;             /* full blocks before it in its prefix */
    uint64_t hash, parent_hash; /* parent_hash 0: it is a first block without salt and adapter */
} clkv_eviction;

/* An empty batch. NO_MEMORY. */
CLKV_API clkv_status clkv_batch_create(clkv_batch **out, clkv_manager *manager);

/* Rolls back if it is reserved. */
CLKV_API void clkv_batch_destroy(clkv_batch **batch);

/* Empties it for the next step. STATE: it is reserved (commit or roll back first). */
CLKV_API clkv_status clkv_batch_clear(clkv_batch *batch);

/* Adds n ≥ 1 new tokens of a sequence: 1 = decode, many = a chunk of prefill, a few = verification of
 * drafts. The ids are copied; NULL only for a sequence without prefix. *entry (may be NULL) gets its
 * index. INVALID. STATE: the batch is reserved. BUSY: the sequence is in this or another open batch.
 * LIMIT: max_context, max_batch_tokens, or 65535 entries. NO_MEMORY. */
CLKV_API clkv_status clkv_batch_add(clkv_batch *batch, clkv_sequence *sequence, const uint32_t *tokens,
                                    uint32_t n, uint32_t *entry);

/* Takes the last entry out again. STATE: reserved, or empty. */
CLKV_API clkv_status clkv_batch_pop(clkv_batch *batch);

/* Takes the blocks that all entries need, or none. NO_BLOCKS: see clkv_batch_missing. STATE. NO_MEMORY. */
CLKV_API clkv_status clkv_batch_reserve(clkv_batch *batch);

/* The cached blocks that the reservation takes, of all groups, in the order in which they were least recently used.
 * Their content is intact until the batch is uploaded or its slots or copies are asked for: whoever wants to keep it
 * copies it before. *evictions gets n of them, valid until the reservation ends or a prefix is forgotten; either pointer
 * may be NULL. Asking does not count as writing. INVALID. STATE: not reserved. NO_MEMORY. */
CLKV_API clkv_status clkv_batch_get_evictions(clkv_batch *batch, const clkv_eviction **evictions, uint32_t *n);

/* How many more available blocks a reservation now would need (0 = it fits). Not reserved. */
CLKV_API uint32_t clkv_batch_missing(clkv_batch *batch);

/* The sequence to preempt so that a batch fits: the one with blocks whose loss costs the least work
 * (tokens in blocks that it alone uses), the youngest on a tie; never the oldest live sequence with or
 * without blocks, never one in a reserved batch. It may be in this batch: clear and build it again
 * without it. With several threads it may be another thread's: hand it over, do not touch it. NULL when there is
 * none. */
CLKV_API clkv_sequence *clkv_batch_victim(clkv_batch *batch);

/* Of entry's new tokens only the first n (≥ 0) will be committed: rejected drafts are given back and
 * never become findable. Between reserve and commit. INVALID, STATE. */
CLKV_API clkv_status clkv_batch_accept(clkv_batch *batch, uint32_t entry, uint32_t n);

/* The new tokens now belong to their sequences; blocks that became full are findable. Call it when all
 * of the pass is enqueued; it needs not be finished (but see cache.h for a pass that fails on the device). The
 * batch is empty after it. STATE: not reserved. NO_MEMORY: nothing is lost,
 * every token is committed, but some full blocks are not findable. */
CLKV_API clkv_status clkv_batch_commit(clkv_batch *batch);

/* Gives the reserved blocks back: as if never reserved. The batch keeps its entries. Once somebody could
 * have written into the reserved blocks (the batch was uploaded, or its slots or copies were asked for),
 * the cached content among them is gone for good: those blocks become free. STATE. */
CLKV_API clkv_status clkv_batch_rollback(clkv_batch *batch);

/* Tokens in all entries; 0 for NULL. */
CLKV_API uint32_t clkv_batch_tokens(const clkv_batch *batch);

/* What it holds: *list gets n of them, valid until the batch changes. Either pointer may be NULL. INVALID: NULL
 * batch, group. */
CLKV_API clkv_status clkv_batch_get_entries(const clkv_batch *batch, const clkv_batch_entry **entries, uint32_t *n);

/* The same for what a reservation has worked out, so also STATE: not reserved.
 *   slots      where the layers of a group keep each token of the batch: block × block_size + offset
 *   copies     the copies that a group's blocks need
 *   positions  each token's position in its sequence, as RoPE needs it
 * Asking for slots or copies counts as writing into the reserved blocks, see clkv_batch_rollback. */
CLKV_API clkv_status clkv_batch_get_slots(clkv_batch *batch, uint32_t group, const uint32_t **slots, uint32_t *n);
CLKV_API clkv_status clkv_batch_get_copies(clkv_batch *batch, uint32_t group, const clkv_block_copy **copies,
                                           uint32_t *n);
CLKV_API clkv_status clkv_batch_get_positions(const clkv_batch *batch, const int32_t **positions, uint32_t *n);

#ifdef __cplusplus
}
#endif
#endif
