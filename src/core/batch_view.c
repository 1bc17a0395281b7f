/* batch_view.c: see batch_view.h. SPDX-License-Identifier: Apache-2.0 */
#include "core/batch_view.h"

#include "core/error.h"

#include <string.h>

/* Fills batch->clears with the blocks on the list of uncleared ones, and with the blocks that the batch took from the
 * cache if they cannot have been written yet. Returns their number. The caller has made room. */
static uint32_t list_clears(const clkv_batch *batch)
{
    const clkv_uncleared *u = &batch->manager->uncleared;
    uint32_t n = u->n;
    if (n) memcpy(batch->clears, u->list, n * sizeof *u->list);
    if (!clkv_uncleared_is_on(u) || batch->written || !batch->n_evicted) return n;
    const uint32_t *evicted = clkv_batch_evicted(batch);
    for (uint32_t i = 0; i < batch->n_evicted; i++)
        if (!clkv_uncleared_has(u, evicted[i])) batch->clears[n++] = evicted[i];
    return n;
}

/* Fills batch->tables. Returns the number of entries that the device does not have. The caller has made room. */
static uint32_t list_tables(const clkv_batch *batch)
{
    uint32_t changes = 0;
    for (uint32_t i = 0; i < batch->n_entries; i++) {
        const clkv_sequence *seq = batch->entries[i].sequence;
        const uint32_t n_blocks = clkv_blocks_for(batch->manager, batch->entries[i].context);
        batch->tables[i] = (clkv_batch_table){seq->table, n_blocks, seq->synced};
        changes += n_blocks - seq->synced;
    }
    return changes;
}

clkv_status clkv_batch_get_view(clkv_batch *batch, const clkv_manager *m, clkv_batch_view *view)
{
    if (batch->manager != m) return CLKV_FAIL(CLKV_ERROR_INVALID, "the batch belongs to another manager");
    if (!batch->reserved) return CLKV_FAIL(CLKV_ERROR_STATE, "the batch is not reserved");
    const size_t clears = clkv_uncleared_is_on(&m->uncleared) ? (size_t)m->uncleared.n + batch->n_evicted : 0;
    if (CLKV_BATCH_GROW(batch, tables, batch->n_entries) || CLKV_BATCH_GROW(batch, clears, clears))
        return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "the upload of a batch of %u entries", batch->n_entries);
    *view = (clkv_batch_view){
        .entries = batch->entries,
        .tables = batch->tables,
        .slots = batch->slots,
        .positions = batch->positions,
        .copies = batch->copies,
        .clears = batch->clears,
        .n_entries = batch->n_entries,
        .n_tokens = batch->n_tokens,
        .n_copies = batch->n_copies,
        .n_clears = list_clears(batch),
        .n_changes = list_tables(batch),
    };
    return CLKV_OK;
}

void clkv_batch_set_synced(clkv_batch *batch)
{
    for (uint32_t i = 0; i < batch->n_entries; i++) {
        const clkv_batch_entry *e = &batch->entries[i];
        e->sequence->synced = clkv_blocks_for(batch->manager, e->context);
    }
}

void clkv_batch_unsync(clkv_batch *batch)
{
    for (uint32_t i = 0; i < batch->n_entries; i++)
        clkv_sequence_unsync(batch->entries[i].sequence, batch->parts[i].synced);
}
