/* batch.c: a batch and its entries; batch_reserve.c has its reservation. SPDX-License-Identifier: Apache-2.0 */
#include "core/batch.h"

#include "core/error.h"
#include "core/memory.h"

#include <string.h>

#define MAX_ENTRIES 65535u

/* ---- life ---- */

clkv_status clkv_batch_create(clkv_batch **out, clkv_manager *m)
{
    if (!m || !out) return CLKV_FAIL(CLKV_ERROR_INVALID, "%s is NULL", m ? "out" : "manager");
    clkv_batch *batch = clkv_alloc(sizeof *batch);
    if (!batch) return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "a batch");
    batch->manager = m;
    clkv_manager_lock(m);
    batch->next = m->batches;
    if (m->batches) m->batches->previous = batch;
    m->batches = batch;
    m->references++;
    clkv_manager_unlock(m);
    *out = batch;
    return CLKV_OK;
}

/* Removes the last entry, and frees its sequence if that was destroyed meanwhile. */
static void drop_last_entry(clkv_batch *batch)
{
    const clkv_batch_entry *entry = &batch->entries[--batch->n_entries];
    batch->n_tokens = entry->first;
    entry->sequence->batch = NULL;
    if (entry->sequence->dead) clkv_sequence_free(entry->sequence);
}

void clkv_batch_drop_entries(clkv_batch *batch)
{
    while (batch->n_entries) drop_last_entry(batch);
}

static void free_batch(clkv_batch *batch)
{
    clkv_batch_set_device_state(batch, NULL, NULL);
#define FREE(array) clkv_free(batch->array, batch->array##_capacity * sizeof *batch->array)
    FREE(entries);
    FREE(parts);
    FREE(tokens);
    FREE(slots);
    FREE(fresh);
    FREE(positions);
    FREE(copies);
    FREE(tables);
    FREE(clears);
    FREE(evictions);
#undef FREE
    clkv_free(batch, sizeof *batch);
}

void clkv_batch_destroy(clkv_batch **out)
{
    if (!out || !*out) return;
    clkv_batch *batch = *out;
    clkv_manager *m = batch->manager;
    *out = NULL;
    clkv_manager_lock(m);
    if (batch->reserved) clkv_batch_rollback_locked(batch);
    clkv_batch_drop_entries(batch);
    if (batch->previous) batch->previous->next = batch->next;
    if (batch->next) batch->next->previous = batch->previous;
    if (m->batches == batch) m->batches = batch->next;
    free_batch(batch);
    m->references--;
    clkv_manager_unlock_last(m);
}

/* ---- the state that a cache attaches ---- */

void clkv_batch_set_device_state(clkv_batch *batch, void *state, void (*drop)(void *state))
{
    if (batch->drop_device_state && batch->device_state != state) batch->drop_device_state(batch->device_state);
    batch->device_state = state;
    batch->drop_device_state = drop;
    batch->may_commit = NULL;
    if (state) clkv_batch_mark_written(batch);
}

void clkv_batch_drop_device_states(clkv_manager *m)
{
    for (clkv_batch *batch = m->batches; batch; batch = batch->next) clkv_batch_set_device_state(batch, NULL, NULL);
}

/* ---- entries ---- */

int clkv_batch_grow(void *field, size_t *capacity, size_t need, size_t each)
{
    if (need <= *capacity) return 0;
    void *array;
    memcpy(&array, field, sizeof array);
    const int failed = clkv_grow(&array, capacity, need, each);
    memcpy(field, &array, sizeof array);
    return failed;
}

static clkv_status add_locked(clkv_batch *batch, clkv_sequence *seq, const uint32_t *tokens, uint32_t n,
                              uint32_t *entry)
{
    const clkv_manager *m = batch->manager;
    if (seq->manager != m) return CLKV_FAIL(CLKV_ERROR_INVALID, "the sequence belongs to another manager");
    if (batch->reserved) return CLKV_FAIL(CLKV_ERROR_STATE, "the batch is reserved");
    if (seq->batch)
        return CLKV_FAIL(CLKV_ERROR_BUSY, "the sequence is in %s open batch already",
                         seq->batch == batch ? "this" : "another");
    if (!tokens && !seq->no_prefix)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "tokens is NULL, but the sequence is findable by prefix");
    if (n > m->max_context - seq->length)
        return CLKV_FAIL(CLKV_ERROR_LIMIT, "%u tokens and %u new ones exceed max_context = %u", seq->length, n,
                         m->max_context);
    if (batch->n_entries == MAX_ENTRIES)
        return CLKV_FAIL(CLKV_ERROR_LIMIT, "the batch has %u entries", MAX_ENTRIES);
    const uint32_t most = m->max_batch_tokens ? m->max_batch_tokens : UINT32_MAX;
    if (n > most - batch->n_tokens)
        return CLKV_FAIL(CLKV_ERROR_LIMIT, "%u tokens and %u new ones exceed max_batch_tokens = %u",
                         batch->n_tokens, n, most);
    const size_t total = (size_t)batch->n_tokens + n;
    if (CLKV_BATCH_GROW(batch, entries, batch->n_entries + 1u) ||
        CLKV_BATCH_GROW(batch, parts, batch->n_entries + 1u) || CLKV_BATCH_GROW(batch, tokens, total))
        return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "a batch of %u entries and %zu tokens", batch->n_entries + 1, total);

    if (tokens) memcpy(batch->tokens + batch->n_tokens, tokens, n * sizeof *tokens);
    batch->entries[batch->n_entries] = (clkv_batch_entry){seq, seq->row, n, batch->n_tokens, seq->length + n};
    batch->parts[batch->n_entries] = (clkv_batch_part){
        .accept = n, .copied_from = CLKV_NO_BLOCK, .has_tokens = tokens != NULL};
    if (entry) *entry = batch->n_entries;
    batch->n_entries++;
    batch->n_tokens += n;
    seq->batch = batch;
    return CLKV_OK;
}

clkv_status clkv_batch_add(clkv_batch *batch, clkv_sequence *seq, const uint32_t *tokens, uint32_t n,
                           uint32_t *entry)
{
    if (!batch || !seq) return CLKV_FAIL(CLKV_ERROR_INVALID, "%s is NULL", batch ? "sequence" : "batch");
    if (n == 0) return CLKV_FAIL(CLKV_ERROR_INVALID, "no new tokens");
    clkv_manager_lock(batch->manager);
    const clkv_status status = add_locked(batch, seq, tokens, n, entry);
    clkv_manager_unlock(batch->manager);
    return CLKV_PUBLIC(status);
}

clkv_status clkv_batch_pop(clkv_batch *batch)
{
    if (!batch) return CLKV_FAIL(CLKV_ERROR_INVALID, "batch is NULL");
    clkv_status status = CLKV_OK;
    clkv_manager_lock(batch->manager);
    if (batch->reserved || batch->n_entries == 0) {
        status = CLKV_FAIL(CLKV_ERROR_STATE, "the batch is %s", batch->reserved ? "reserved" : "empty");
    } else {
        drop_last_entry(batch);
    }
    clkv_manager_unlock(batch->manager);
    return CLKV_PUBLIC(status);
}

clkv_status clkv_batch_clear(clkv_batch *batch)
{
    if (!batch) return CLKV_FAIL(CLKV_ERROR_INVALID, "batch is NULL");
    clkv_status status = CLKV_OK;
    clkv_manager_lock(batch->manager);
    if (batch->reserved) {
        status = CLKV_FAIL(CLKV_ERROR_STATE, "the batch is reserved: commit or roll back first");
    } else {
        clkv_batch_drop_entries(batch);
        clkv_batch_set_device_state(batch, NULL, NULL);
    }
    clkv_manager_unlock(batch->manager);
    return CLKV_PUBLIC(status);
}

/* ---- queries ---- */

uint32_t clkv_batch_tokens(const clkv_batch *batch)
{
    return batch ? batch->n_tokens : 0;
}

clkv_status clkv_batch_get_entries(const clkv_batch *batch, const clkv_batch_entry **entries, uint32_t *n)
{
    if (!batch) return CLKV_FAIL(CLKV_ERROR_INVALID, "batch is NULL");
    if (entries) *entries = batch->entries;
    if (n) *n = batch->n_entries;
    return CLKV_OK;
}

/* Checks that a group exists and that the batch is reserved, so that its lists are valid. */
static clkv_status check_reserved(const clkv_batch *batch, uint32_t group)
{
    if (!batch) return CLKV_FAIL(CLKV_ERROR_INVALID, "batch is NULL");
    if (!batch->reserved) return CLKV_FAIL(CLKV_ERROR_STATE, "the batch is not reserved");
    return clkv_blocks_check_group(group);
}

/* Counts the question where to write as writing. */
static clkv_status expect_writes(clkv_batch *batch, uint32_t group)
{
    const clkv_status status = check_reserved(batch, group);
    if (status != CLKV_OK) return status;
    clkv_manager_lock(batch->manager);
    clkv_batch_mark_written(batch);
    clkv_manager_unlock(batch->manager);
    return CLKV_OK;
}

clkv_status clkv_batch_get_slots(clkv_batch *batch, uint32_t group, const uint32_t **slots, uint32_t *n)
{
    const clkv_status status = expect_writes(batch, group);
    if (status != CLKV_OK) return CLKV_PUBLIC(status);
    if (slots) *slots = batch->slots;
    if (n) *n = batch->n_tokens;
    return CLKV_OK;
}

clkv_status clkv_batch_get_copies(clkv_batch *batch, uint32_t group, const clkv_block_copy **copies, uint32_t *n)
{
    const clkv_status status = expect_writes(batch, group);
    if (status != CLKV_OK) return CLKV_PUBLIC(status);
    if (copies) *copies = batch->copies;
    if (n) *n = batch->n_copies;
    return CLKV_OK;
}

clkv_status clkv_batch_get_positions(const clkv_batch *batch, const int32_t **positions, uint32_t *n)
{
    const clkv_status status = check_reserved(batch, 0);
    if (status != CLKV_OK) return CLKV_PUBLIC(status);
    if (positions) *positions = batch->positions;
    if (n) *n = batch->n_tokens;
    return CLKV_OK;
}

const char *clkv_batch_validate(const clkv_batch *batch)
{
    const clkv_manager *m = batch->manager;
    uint32_t tokens = 0;
    for (uint32_t i = 0; i < batch->n_entries; i++) {
        const clkv_batch_entry *e = &batch->entries[i];
        if (e->sequence->batch != batch) return "batch: a sequence does not know its batch";
        if (e->sequence->reserved != batch->reserved)
            return "batch: a sequence does not know whether it is reserved";
        if (e->first != tokens || e->row != e->sequence->row) return "batch: an entry is out of place";
        tokens += e->new_tokens;
        if (!batch->reserved) continue;
        if (e->context != e->sequence->length + e->new_tokens) return "batch: a context has a wrong length";
        for (uint32_t k = 0; k < e->new_tokens; k++) {
            const uint32_t p = e->sequence->length + k, slot = batch->slots[e->first + k];
            const uint32_t block = slot >> m->shift;
            if (batch->positions[e->first + k] != (int32_t)p) return "batch: a token has a wrong position";
            if (block != e->sequence->table[p >> m->shift] ||
                (slot & (m->block_size - 1)) != (p & (m->block_size - 1)))
                return "batch: a slot is not where the table says";
            if (clkv_pool_refs(m->pool, block) != 1) return "batch: a slot is in a shared block";
            if (clkv_blocks_is_registered(m, block) && !clkv_blocks_is_hidden(m, block))
                return "batch: a slot is in a findable block";
        }
    }
    if (tokens != batch->n_tokens) return "batch: the number of tokens is wrong";
    if (!batch->reserved && (batch->n_fresh || batch->n_evicted || batch->n_copies || batch->device_state))
        return "batch: not reserved, but something is left of a reservation";
    for (uint32_t i = 0; i < batch->n_fresh; i++) {
        if (clkv_pool_refs(m->pool, batch->fresh[i]) != 1) return "batch: a fresh block has not one reference";
        const int evicted = i >= batch->n_fresh - batch->n_evicted;
        if (evicted != clkv_blocks_is_hidden(m, batch->fresh[i])) return "batch: hidden and evicted blocks differ";
        if (evicted != clkv_blocks_is_registered(m, batch->fresh[i]))
            return "batch: registered and evicted blocks differ";
    }
    return NULL;
}
