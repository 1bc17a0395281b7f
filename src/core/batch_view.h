/* batch_view.h: a frozen view of a reserved batch with everything that an upload needs.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CORE_BATCH_VIEW_H
#define CLKV_CORE_BATCH_VIEW_H

#include "core/batch.h"

/* Pointers are valid until the manager is unlocked or the batch changes. */
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

/* Fills the view of a batch of this manager. Has no effect that other functions see. STATE: not reserved. INVALID: a
 * batch of another manager. NO_MEMORY. */
clkv_status clkv_batch_get_view(clkv_batch *batch, const clkv_manager *manager, clkv_batch_view *view);

/* Notes that the device has all tables of the view, or will have them when the enqueued commands have run. */
void clkv_batch_set_synced(clkv_batch *batch);

/* Notes that the device may lack the table entries that were sent since the reservation. */
void clkv_batch_unsync(clkv_batch *batch);

#endif
