/* batch.h: the internals of a batch. Call these functions with the manager's lock held. The public functions are in
 * batch.c (entries) and batch_reserve.c (reservation). batch_view.h has the data that an upload needs.
 *
 * While a batch is reserved, the tables of its sequences already contain the fresh blocks (and the new block of a
 * copy-on-write), but the lengths are the old ones. `fresh` lists all blocks of the allocation, in its order. The
 * last n_evicted of them were cached; they are still registered, and hidden. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CORE_BATCH_H
#define CLKV_CORE_BATCH_H

#include "core/sequence.h"

#include <clkv/batch.h>

/* The changes that the reservation of an entry made to its sequence. */
typedef struct clkv_batch_part {
    uint32_t accept;      /* new tokens that will be committed */
    uint32_t copied_from; /* the shared tail that a copy replaced, or CLKV_NO_BLOCK */
    uint32_t tail;        /* index of the tail in the table */
    uint32_t synced;      /* leading entries of the table that the device had before the reservation */
    int has_tokens;
} clkv_batch_part;

/* A reserved entry's block table as it will be after a full commit. */
typedef struct clkv_batch_table {
    const uint32_t *blocks;
    uint32_t n_blocks;
    uint32_t synced; /* leading entries that the device already has */
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
    clkv_eviction *evictions; /* filled on request: n_evictions is 0 or n_evicted */
    size_t entries_capacity, parts_capacity, tokens_capacity, slots_capacity, fresh_capacity, positions_capacity,
        copies_capacity, tables_capacity, clears_capacity, evictions_capacity;
    uint32_t n_entries, n_tokens, n_fresh, n_evicted, n_evictions, n_copies;
    int reserved;
    int written; /* fresh blocks may have been written */
    void *device_state;
    void (*drop_device_state)(void *state);
    clkv_status (*may_commit)(void *state); /* clkv_batch_commit calls it with the lock held; NULL: a commit is always
                                               allowed. Set it after clkv_batch_set_device_state */
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

/* Removes all entries, and frees the sequences among them that were destroyed meanwhile. */
void clkv_batch_drop_entries(clkv_batch *batch);

/* Releases the reserved blocks. */
void clkv_batch_rollback_locked(clkv_batch *batch);

/* Notes that the reserved blocks may be written from now on, so that the content of evicted ones is lost. */
void clkv_batch_mark_written(clkv_batch *batch);

/* Marks all reserved blocks as blocks to clear before another holder gets them. */
void clkv_batch_unclear(const clkv_batch *batch);

/* Attaches state of the cache (an upload) to a reserved batch, whose fresh blocks count as written from then on. An
 * earlier, different state is dropped first. `drop` is called with the lock held when the batch is cleared,
 * committed, rolled back or destroyed. With state NULL the state is only detached. */
void clkv_batch_set_device_state(clkv_batch *batch, void *state, void (*drop)(void *state));

/* Detaches the states of all batches of a manager, when its cache is destroyed. */
void clkv_batch_drop_device_states(clkv_manager *manager);

/* NULL, or a static text that names the broken invariant of this batch. */
const char *clkv_batch_validate(const clkv_batch *batch);

#endif
