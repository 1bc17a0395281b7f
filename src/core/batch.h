/* batch.h: a batch from inside, and what the device half needs of it. Everything here wants the manager's
 * lock held.
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

struct clkv_batch {
    clkv_manager *manager;
    clkv_batch *previous, *next; /* the manager's list */
    clkv_batch_entry *entries;
    clkv_batch_part *parts;
    uint32_t *tokens; /* ids, by the batch's token index */
    uint32_t *slots, *fresh;
    clkv_block_copy *copies;
    size_t entries_capacity, parts_capacity, tokens_capacity, slots_capacity, fresh_capacity, copies_capacity;
    uint32_t n_entries, n_tokens, n_fresh, n_evicted, n_copies;
    int reserved;
    int written; /* somebody may have written into fresh blocks */
    void *device_state;
    void (*drop_device_state)(void *state);
    clkv_status (*may_commit)(void *state); /* asked by clkv_batch_commit, with the lock held; NULL: yes.
                                               Whoever sets the device state sets it afterwards */
};

/* A reserved entry's block table as it will be after a full commit. */
typedef struct clkv_batch_table {
    const uint32_t *blocks;
    uint32_t n_blocks;
    uint32_t synced;  /* leading entries that the device already has right */
    int has_released; /* the sequence's window has given blocks back: some entries are CLKV_NO_BLOCK */
} clkv_batch_table;

clkv_batch_table clkv_batch_get_table(const clkv_batch *batch, uint32_t entry);

/* The device (by work enqueued) has all of clkv_batch_get_table now. */
void clkv_batch_set_synced(clkv_batch *batch, uint32_t entry);

/* The device may lack what it has been sent of an entry's table since the reservation. */
void clkv_batch_unsync(clkv_batch *batch, uint32_t entry);

/* What must be cleared before this reserved batch is written: all that was freed, and what it took from the cache
 * if nobody could have written there yet. Returns how many; writes them to out unless that is NULL. */
uint32_t clkv_batch_list_uncleared(const clkv_batch *batch, uint32_t *out);

/* All of its reserved blocks must be cleared: an upload that should have done it has failed on the device. */
void clkv_batch_unclear(const clkv_batch *batch);

/* Somebody may write into the reserved blocks from now on: what they took from the cache is lost. */
void clkv_batch_mark_written(clkv_batch *batch);

static inline int clkv_batch_is_reserved(const clkv_batch *batch)
{
    return batch->reserved;
}

/* Hangs the device half's things on a reserved batch, whose fresh blocks count as written from then on;
 * what hung there before is dropped first, unless it is the same. `drop` is called with the lock held when
 * the batch is cleared, committed, rolled back or destroyed, or its manager is. */
void clkv_batch_set_device_state(clkv_batch *batch, void *state, void (*drop)(void *state));

/* Frees the memory of a batch that its manager no longer knows; its sequences are untouched. */
void clkv_batch_free(clkv_batch *batch);

/* NULL, or a static text naming what is broken in this batch alone. */
const char *clkv_batch_validate(const clkv_batch *batch);

#endif
