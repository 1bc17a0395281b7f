/* batch.h: a batch from inside. Everything here wants the manager's lock held. The public functions are in batch.c
 * (its entries) and batch_reserve.c (its reservation); what an upload needs of it is in batch_view.h.
 *
 * While reserved: the sequences' tables already show the fresh blocks (and a copy-on-write's new block),
 * their lengths are the old ones. `fresh` lists all blocks that the allocation gave, in its order; the last
 * n_evicted of them were cached, are still registered, and are hidden. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CORE_BATCH_H
#define CLKV_CORE_BATCH_H

#include "core/sequence.h"

#include <clkv/batch.h>

/* What an entry's reservation did to its sequence. */
typedef struct clkv_batch_part {
    uint32_t accept;      /* new tokens that will be committed */
    uint32_t copied_from; /* the shared tail that a copy replaced, or CLKV_NO_BLOCK */
    uint32_t tail;        /* its index in the table */
    uint32_t synced;      /* leading entries of the table that the device had when it was reserved */
    int has_tokens;
} clkv_batch_part;

/* A reserved entry's block table as it will be after a full commit. */
typedef struct clkv_batch_table {
    const uint32_t *blocks;
    uint32_t n_blocks;
    uint32_t synced; /* leading entries that the device already has right */
} clkv_batch_table;

struct clkv_batch {
    clkv_manager *manager;
    clkv_batch *previous, *next; /* the manager's list */
    clkv_batch_entry *entries;
    clkv_batch_part *parts;
    uint32_t *tokens; /* ids, by the batch's token index */
    uint32_t *slots, *fresh;
    int32_t *positions;
    clkv_block_copy *copies;
    clkv_batch_table *tables; /* [n_entries] of the last view */
    uint32_t *clears;         /* of the last view */
    clkv_eviction *evictions; /* as asked for: n_evictions is 0 or n_evicted */
    size_t entries_capacity, parts_capacity, tokens_capacity, slots_capacity, fresh_capacity, positions_capacity,
        copies_capacity, tables_capacity, clears_capacity, evictions_capacity;
    uint32_t n_entries, n_tokens, n_fresh, n_evicted, n_evictions, n_copies;
    int reserved;
    int written; /* somebody may have written into fresh blocks */
    void *device_state;
    void (*drop_device_state)(void *state);
    clkv_status (*may_commit)(void *state); /* asked by clkv_batch_commit, with the lock held; NULL: yes.
                                               Whoever sets the device state sets it afterwards */
};

/* Room for `need` elements in an array of the batch; 0 on success. */
#define CLKV_BATCH_GROW(batch, array, need)                                                                        \
    clkv_batch_grow(&(batch)->array, &(batch)->array##_capacity, (need), sizeof *(batch)->array)
int clkv_batch_grow(void *field, size_t *capacity, size_t need, size_t each);

/* The blocks among `fresh` that were cached. */
static inline const uint32_t *clkv_batch_evicted(const clkv_batch *batch)
{
    return batch->fresh + (batch->n_fresh - batch->n_evicted);
}

/* All entries leave. A sequence that was destroyed meanwhile goes with its entry. */
void clkv_batch_drop_entries(clkv_batch *batch);

/* Gives the reserved blocks back. */
void clkv_batch_rollback_locked(clkv_batch *batch);

/* Somebody may write into the reserved blocks from now on: what they took from the cache is lost. */
void clkv_batch_mark_written(clkv_batch *batch);

/* All of its reserved blocks must be cleared before anybody else gets them. */
void clkv_batch_unclear(const clkv_batch *batch);

/* Hangs the device half's things on a reserved batch, whose fresh blocks count as written from then on;
 * what hung there before is dropped first, unless it is the same. `drop` is called with the lock held when
 * the batch is cleared, committed, rolled back or destroyed. state NULL takes them off. */
void clkv_batch_set_device_state(clkv_batch *batch, void *state, void (*drop)(void *state));

/* Takes them off all batches of a manager, whose device half ends. */
void clkv_batch_drop_device_states(clkv_manager *manager);

/* NULL, or a static text naming what is broken in this batch alone. */
const char *clkv_batch_validate(const clkv_batch *batch);

#endif
