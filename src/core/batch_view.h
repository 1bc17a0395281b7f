/* batch_view.h: one frozen view of a reserved batch: all that an upload needs to know of it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CORE_BATCH_VIEW_H
#define CLKV_CORE_BATCH_VIEW_H

#include "core/batch.h"

/* Pointers are valid until the manager's lock is given back, or the batch changes. */
typedef struct clkv_batch_view {
    const clkv_batch_entry *entries; /* [n_entries] */
    const clkv_batch_table *tables;  /* [n_entries] */
    const uint32_t *slots;           /* [n_tokens] */
    const int32_t *positions;        /* [n_tokens] */
    const clkv_block_copy *copies;   /* [n_copies] */
    const uint32_t *clears;          /* [n_clears] blocks to be cleared before anything of the batch is written */
    uint32_t n_entries, n_tokens, n_copies, n_clears;
    uint32_t n_changes; /* entries of all tables that the device does not have yet */
} clkv_batch_view;

/* The view of a manager's batch. Changes nothing that anybody else sees. STATE: not reserved. INVALID: another
 * manager's batch. NO_MEMORY. */
clkv_status clkv_batch_get_view(clkv_batch *batch, const clkv_manager *manager, clkv_batch_view *view);

/* The device (by work enqueued) has all tables of the view now. */
void clkv_batch_set_synced(clkv_batch *batch);

/* The device may lack what it has been sent of the tables since the reservation. */
void clkv_batch_unsync(clkv_batch *batch);

#endif
