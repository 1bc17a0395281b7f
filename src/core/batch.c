/* batch.c: building, reserving and committing a batch. SPDX-License-Identifier: Apache-2.0 */
#include "core/batch.h"

#include "core/error.h"
#include "core/memory.h"
#include "core/pool.h"

#include <string.h>

#define MAX_ENTRIES 65535u

/* ---- life ---- */

clkv_status clkv_batch_create(clkv_manager *m, clkv_batch **out)
{
    if (!m || !out) return CLKV_FAIL(CLKV_ERROR_INVALID, "%s is NULL", m ? "out" : "manager");
    clkv_batch *batch = clkv_alloc(sizeof *batch);
    if (!batch) return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "a batch");
    batch->manager = m;
    clkv_manager_lock(m);
    batch->next = m->batches;
    if (m->batches) m->batches->previous = batch;
    m->batches = batch;
    clkv_manager_unlock(m);
    *out = batch;
    return CLKV_OK;
}

void clkv_batch_free(clkv_batch *batch)
{
    clkv_batch_set_device_state(batch, NULL, NULL);
    clkv_free(batch->entries, batch->entries_capacity * sizeof *batch->entries);
    clkv_free(batch->parts, batch->parts_capacity * sizeof *batch->parts);
    clkv_free(batch->tokens, batch->tokens_capacity * sizeof *batch->tokens);
    clkv_free(batch->slots, batch->slots_capacity * sizeof *batch->slots);
    clkv_free(batch->fresh, batch->fresh_capacity * sizeof *batch->fresh);
    clkv_free(batch->copies, batch->copies_capacity * sizeof *batch->copies);
    clkv_free(batch, sizeof *batch);
}

void clkv_batch_set_device_state(clkv_batch *batch, void *state, void (*drop)(void *state))
{
    if (batch->drop_device_state && batch->device_state != state) batch->drop_device_state(batch->device_state);
    batch->device_state = state;
    batch->drop_device_state = drop;
    batch->may_commit = NULL;
    if (state) clkv_batch_mark_written(batch);
}

/* The last entry leaves. A sequence destroyed meanwhile goes with it. */
static void drop_last_entry(clkv_batch *batch)
{
    const clkv_batch_entry *entry = &batch->entries[--batch->n_entries];
    batch->n_tokens = entry->first;
    entry->sequence->batch = NULL;
    if (entry->sequence->dead) clkv_sequence_free(entry->sequence);
}

static void drop_entries(clkv_batch *batch)
{
    while (batch->n_entries) drop_last_entry(batch);
}

/* What a reservation holds beside blocks. */
static void end_reservation(clkv_batch *batch)
{
    for (uint32_t i = batch->n_fresh - batch->n_evicted; i < batch->n_fresh; i++)
        clkv_manager_hide(batch->manager, batch->fresh[i], 0);
    batch->n_fresh = batch->n_evicted = batch->n_copies = 0;
    batch->reserved = batch->written = 0;
    clkv_batch_set_device_state(batch, NULL, NULL);
}

/* ---- entries ---- */

/* Room in an array of the batch; `field` is the address of its pointer. */
static int grow(void *field, size_t *capacity, size_t need, size_t each)
{
    if (need <= *capacity) return 0;
    void *array;
    memcpy(&array, field, sizeof array);
    const int failed = clkv_grow(&array, capacity, need, each);
    memcpy(field, &array, sizeof array);
    return failed;
}

#define GROW(batch, array, need) grow(&(batch)->array, &(batch)->array##_capacity, (need), sizeof *(batch)->array)

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
    if (n > UINT32_MAX - batch->n_tokens)
        return CLKV_FAIL(CLKV_ERROR_LIMIT, "the batch has %u tokens already", batch->n_tokens);
    const size_t total = (size_t)batch->n_tokens + n;
    if (GROW(batch, entries, batch->n_entries + 1u) || GROW(batch, parts, batch->n_entries + 1u) ||
        GROW(batch, tokens, total))
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
    return status;
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
    return status;
}

clkv_status clkv_batch_clear(clkv_batch *batch)
{
    if (!batch) return CLKV_FAIL(CLKV_ERROR_INVALID, "batch is NULL");
    clkv_status status = CLKV_OK;
    clkv_manager_lock(batch->manager);
    if (batch->reserved) {
        status = CLKV_FAIL(CLKV_ERROR_STATE, "the batch is reserved: commit or roll back first");
    } else {
        drop_entries(batch);
        clkv_batch_set_device_state(batch, NULL, NULL);
    }
    clkv_manager_unlock(batch->manager);
    return status;
}

/* ---- reserve ---- */

static uint32_t blocks_needed(const clkv_sequence *seq, uint32_t new_tokens)
{
    return clkv_sequence_blocks_for(seq->manager, (uint64_t)seq->length + new_tokens) - seq->n_blocks +
           (uint32_t)clkv_sequence_tail_is_shared(seq);
}

static uint64_t all_blocks_needed(const clkv_batch *batch)
{
    uint64_t need = 0;
    for (uint32_t i = 0; i < batch->n_entries; i++) {
        const clkv_batch_entry *e = &batch->entries[i];
        if (!e->sequence->dead) need += blocks_needed(e->sequence, e->new_tokens);
    }
    return need;
}

/* Whether every sequence can still take its tokens: it may have changed since it was added. */
static clkv_status check_entries(const clkv_batch *batch)
{
    const uint32_t max_context = batch->manager->max_context;
    for (uint32_t i = 0; i < batch->n_entries; i++) {
        const clkv_batch_entry *e = &batch->entries[i];
        const clkv_sequence *seq = e->sequence;
        if (seq->dead) return CLKV_FAIL(CLKV_ERROR_STATE, "entry %u's sequence was destroyed: clear the batch", i);
        if (e->new_tokens > max_context - seq->length)
            return CLKV_FAIL(CLKV_ERROR_LIMIT, "entry %u: %u tokens and %u new ones exceed max_context = %u", i,
                             seq->length, e->new_tokens, max_context);
    }
    return CLKV_OK;
}

/* Everything that can fail for want of host memory, before any block is taken. */
static clkv_status prepare(clkv_batch *batch, uint64_t need)
{
    const clkv_manager *m = batch->manager;
    for (uint32_t i = 0; i < batch->n_entries; i++) {
        const clkv_batch_entry *e = &batch->entries[i];
        clkv_sequence *seq = e->sequence;
        const size_t entries = clkv_sequence_blocks_for(m, (uint64_t)seq->length + e->new_tokens);
        const clkv_status status =
            entries <= seq->table_capacity ? CLKV_OK : clkv_sequence_reserve_table(seq, entries);
        if (status != CLKV_OK) return status;
    }
    if (GROW(batch, slots, batch->n_tokens) || GROW(batch, fresh, (size_t)need) ||
        GROW(batch, copies, batch->n_entries))
        return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "the reservation of a batch of %u tokens", batch->n_tokens);
    return CLKV_OK;
}

/* Puts an entry's fresh blocks into its sequence's table and writes its slots. */
static uint32_t place_entry(clkv_batch *batch, uint32_t index, uint32_t next_fresh)
{
    const clkv_manager *m = batch->manager;
    clkv_batch_entry *e = &batch->entries[index];
    clkv_batch_part *part = &batch->parts[index];
    clkv_sequence *seq = e->sequence;
    part->accept = e->new_tokens;
    part->copied_from = CLKV_NO_BLOCK;
    e->context = seq->length + e->new_tokens;
    if (clkv_sequence_tail_is_shared(seq)) {
        part->tail = seq->n_blocks - 1;
        part->copied_from = seq->table[part->tail];
        seq->table[part->tail] = batch->fresh[next_fresh++];
        clkv_sequence_unsync(seq, part->tail);
        batch->copies[batch->n_copies++] = (clkv_block_copy){part->copied_from, seq->table[part->tail]};
    }
    const uint32_t end = clkv_sequence_blocks_for(m, e->context);
    if (end > seq->n_blocks) clkv_sequence_unsync(seq, seq->n_blocks);
    part->synced = seq->synced;
    for (uint32_t i = seq->n_blocks; i < end; i++) seq->table[i] = batch->fresh[next_fresh++];
    uint32_t *slot = batch->slots + e->first;
    for (uint32_t p = seq->length; p < e->context; p++)
        *slot++ = seq->table[p >> m->shift] << m->shift | (p & (m->block_size - 1));
    return next_fresh;
}

static clkv_status reserve_locked(clkv_batch *batch)
{
    clkv_manager *m = batch->manager;
    if (batch->reserved) return CLKV_FAIL(CLKV_ERROR_STATE, "the batch is reserved already");
    clkv_status status = check_entries(batch);
    if (status != CLKV_OK) return status;
    clkv_manager_expire_pins(m);
    const uint64_t need = all_blocks_needed(batch);
    const uint32_t available = clkv_pool_available(m->pool);
    if (need > available) {
        m->counters.reservations_refused++;
        return CLKV_FAIL(CLKV_ERROR_NO_BLOCKS, "%llu blocks needed, %u available", (unsigned long long)need,
                         available);
    }
    status = prepare(batch, need);
    if (status != CLKV_OK) return status;
    m->reserving = batch;
    status = clkv_pool_allocate(m->pool, (uint32_t)need, batch->fresh);
    m->reserving = NULL;
    if (status != CLKV_OK) return status;
    batch->n_fresh = (uint32_t)need;
    for (uint32_t i = batch->n_fresh - batch->n_evicted; i < batch->n_fresh; i++)
        clkv_manager_hide(m, batch->fresh[i], 1);
    uint32_t next = 0;
    for (uint32_t i = 0; i < batch->n_entries; i++) next = place_entry(batch, i, next);
    batch->reserved = 1;
    return CLKV_OK;
}

clkv_status clkv_batch_reserve(clkv_batch *batch)
{
    if (!batch) return CLKV_FAIL(CLKV_ERROR_INVALID, "batch is NULL");
    clkv_manager_lock(batch->manager);
    const clkv_status status = reserve_locked(batch);
    clkv_manager_unlock(batch->manager);
    return status;
}

uint32_t clkv_batch_missing(clkv_batch *batch)
{
    if (!batch) return 0;
    clkv_manager_lock(batch->manager);
    uint64_t missing = 0;
    if (!batch->reserved) {
        const uint64_t need = all_blocks_needed(batch), available = clkv_pool_available(batch->manager->pool);
        missing = need > available ? need - available : 0;
    }
    clkv_manager_unlock(batch->manager);
    return missing < UINT32_MAX ? (uint32_t)missing : UINT32_MAX;
}

/* Tokens of a sequence in blocks that nobody else uses, or `limit` as soon as there are that many. Counted
 * from the tail, where the blocks of its own are. */
static uint64_t work_lost(const clkv_sequence *seq, uint64_t limit)
{
    const clkv_manager *m = seq->manager;
    uint64_t work = 0;
    uint32_t tokens = seq->length - ((seq->n_blocks - 1) << m->shift); /* in the last block */
    for (uint32_t i = seq->n_blocks; i-- > seq->first_block && work < limit;) {
        if (clkv_pool_refs(m->pool, seq->table[i]) == 1) work += tokens;
        tokens = m->block_size;
    }
    return work;
}

clkv_sequence *clkv_batch_victim(clkv_batch *batch)
{
    if (!batch) return NULL;
    clkv_manager *m = batch->manager;
    clkv_manager_lock(m);
    const clkv_sequence *oldest = m->oldest;
    while (oldest && oldest->dead) oldest = oldest->younger;
    clkv_sequence *victim = NULL;
    uint64_t least = UINT64_MAX;
    for (clkv_sequence *seq = m->youngest; seq && seq != oldest; seq = seq->older) {
        if (seq->dead || seq->n_blocks == seq->first_block) continue;
        if (seq->batch && seq->batch->reserved) continue;
        const uint64_t work = work_lost(seq, least);
        if (work < least) {
            least = work;
            victim = seq;
        }
    }
    clkv_manager_unlock(m);
    return victim;
}

uint32_t clkv_batch_list_uncleared(const clkv_batch *batch, uint32_t *out)
{
    const clkv_uncleared *u = &batch->manager->uncleared;
    uint32_t n = u->n;
    if (out && n) memcpy(out, u->list, n * sizeof *out);
    if (!clkv_uncleared_is_on(u) || batch->written) return n;
    for (uint32_t i = batch->n_fresh - batch->n_evicted; i < batch->n_fresh; i++) {
        if (clkv_uncleared_has(u, batch->fresh[i])) continue;
        if (out) out[n] = batch->fresh[i];
        n++;
    }
    return n;
}

void clkv_batch_unclear(const clkv_batch *batch)
{
    for (uint32_t i = 0; i < batch->n_fresh; i++) clkv_uncleared_add(&batch->manager->uncleared, batch->fresh[i]);
}

void clkv_batch_mark_written(clkv_batch *batch)
{
    clkv_uncleared *u = &batch->manager->uncleared;
    if (!batch->written && clkv_uncleared_is_on(u)) {
        for (uint32_t i = batch->n_fresh - batch->n_evicted; i < batch->n_fresh; i++)
            clkv_uncleared_add(u, batch->fresh[i]);
    }
    batch->written = 1;
}

/* ---- the end of a reservation ---- */

clkv_status clkv_batch_accept(clkv_batch *batch, uint32_t entry, uint32_t n)
{
    if (!batch) return CLKV_FAIL(CLKV_ERROR_INVALID, "batch is NULL");
    clkv_status status = CLKV_OK;
    clkv_manager_lock(batch->manager);
    if (!batch->reserved) {
        status = CLKV_FAIL(CLKV_ERROR_STATE, "the batch is not reserved");
    } else if (entry >= batch->n_entries) {
        status = CLKV_FAIL(CLKV_ERROR_INVALID, "entry %u of %u", entry, batch->n_entries);
    } else if (n > batch->entries[entry].new_tokens) {
        status = CLKV_FAIL(CLKV_ERROR_INVALID, "entry %u has %u new tokens, %u cannot be accepted", entry,
                           batch->entries[entry].new_tokens, n);
    } else {
        batch->parts[entry].accept = n;
    }
    clkv_manager_unlock(batch->manager);
    return status;
}

static clkv_status commit_entry(clkv_batch *batch, uint32_t index)
{
    clkv_manager *m = batch->manager;
    const clkv_batch_entry *e = &batch->entries[index];
    const clkv_batch_part *part = &batch->parts[index];
    clkv_sequence *seq = e->sequence;
    const uint32_t end = clkv_sequence_blocks_for(m, e->context);
    const clkv_status status =
        clkv_sequence_extend(seq, part->has_tokens ? batch->tokens + e->first : NULL, part->accept);
    for (uint32_t i = end; i-- > seq->n_blocks;) clkv_pool_release(m->pool, seq->table[i]);
    clkv_sequence_unsync(seq, seq->n_blocks);
    if (part->copied_from != CLKV_NO_BLOCK) {
        uint32_t done_with = part->copied_from;
        if (part->accept) {
            m->counters.copies_on_write++;
        } else {
            /* Nothing was written after all: the shared tail stays. */
            done_with = seq->table[part->tail];
            seq->table[part->tail] = part->copied_from;
            clkv_sequence_unsync(seq, part->tail);
        }
        clkv_pool_release(m->pool, done_with);
    }
    clkv_sequence_slide(seq);
    m->counters.tokens_committed += part->accept;
    return status;
}

/* What the blocks held that the reservation took from the cache is lost. */
static void drop_evicted(const clkv_batch *batch)
{
    clkv_manager *m = batch->manager;
    if (batch->n_evicted == 0) return; /* an empty batch has no list of blocks either */
    const uint32_t *evicted = batch->fresh + batch->n_fresh - batch->n_evicted;
    const uint32_t n = batch->n_evicted, ahead = n < CLKV_PREFIX_AHEAD ? n : CLKV_PREFIX_AHEAD;
    for (uint32_t i = 0; i < ahead; i++) clkv_prefix_prefetch(m->prefix, evicted[i]);
    for (uint32_t i = 0; i < n; i++) {
        clkv_prefix_prefetch(m->prefix, i + ahead < n ? evicted[i + ahead] : CLKV_NO_BLOCK);
        clkv_manager_drop(m, evicted[i]);
    }
}

clkv_status clkv_batch_commit(clkv_batch *batch)
{
    if (!batch) return CLKV_FAIL(CLKV_ERROR_INVALID, "batch is NULL");
    clkv_manager *m = batch->manager;
    clkv_status status = CLKV_OK;
    clkv_manager_lock(m);
    if (!batch->reserved) status = CLKV_FAIL(CLKV_ERROR_STATE, "the batch is not reserved");
    if (status == CLKV_OK && batch->may_commit) status = batch->may_commit(batch->device_state);
    if (status != CLKV_OK) {
        clkv_manager_unlock(m);
        return CLKV_PUBLIC(status);
    }
    drop_evicted(batch);
    for (uint32_t i = 0; i < batch->n_entries; i++) {
        const clkv_status each = commit_entry(batch, i);
        if (each != CLKV_OK) status = each;
    }
    end_reservation(batch);
    drop_entries(batch);
    m->counters.batches_committed++;
    clkv_manager_unlock(m);
    return status;
}

static void rollback_locked(clkv_batch *batch)
{
    clkv_manager *m = batch->manager;
    for (uint32_t i = 0; i < batch->n_entries; i++) {
        const clkv_batch_part *part = &batch->parts[i];
        clkv_sequence *seq = batch->entries[i].sequence;
        /* What was sent since then is not believed in either: a pass that failed on the device ends here. */
        clkv_sequence_unsync(seq, part->synced);
        if (part->copied_from != CLKV_NO_BLOCK) seq->table[part->tail] = part->copied_from;
    }
    if (batch->written) drop_evicted(batch);
    clkv_pool_undo(m->pool, batch->fresh, batch->n_fresh, batch->written ? 0 : batch->n_evicted, m->pins.priority);
    if (batch->written && clkv_uncleared_is_on(&m->uncleared)) clkv_batch_unclear(batch);
    end_reservation(batch);
    m->counters.batches_rolled_back++;
}

clkv_status clkv_batch_rollback(clkv_batch *batch)
{
    if (!batch) return CLKV_FAIL(CLKV_ERROR_INVALID, "batch is NULL");
    clkv_status status = CLKV_OK;
    clkv_manager_lock(batch->manager);
    if (batch->reserved) {
        rollback_locked(batch);
    } else {
        status = CLKV_FAIL(CLKV_ERROR_STATE, "the batch is not reserved");
    }
    clkv_manager_unlock(batch->manager);
    return status;
}

void clkv_batch_destroy(clkv_batch **out)
{
    if (!out || !*out) return;
    clkv_batch *batch = *out;
    clkv_manager *m = batch->manager;
    *out = NULL;
    clkv_manager_lock(m);
    if (batch->reserved) rollback_locked(batch);
    drop_entries(batch);
    if (batch->previous) batch->previous->next = batch->next;
    if (batch->next) batch->next->previous = batch->previous;
    if (m->batches == batch) m->batches = batch->next;
    clkv_batch_free(batch);
    clkv_manager_unlock(m);
}

/* ---- looking at it ---- */

uint32_t clkv_batch_tokens(const clkv_batch *batch)
{
    return batch ? batch->n_tokens : 0;
}

void clkv_batch_entries(const clkv_batch *batch, const clkv_batch_entry **entries, uint32_t *n)
{
    if (entries) *entries = batch ? batch->entries : NULL;
    if (n) *n = batch ? batch->n_entries : 0;
}

/* Whoever asks where to write may write. */
static void expect_writes(clkv_batch *batch)
{
    if (!batch || !batch->reserved) return;
    clkv_manager_lock(batch->manager);
    clkv_batch_mark_written(batch);
    clkv_manager_unlock(batch->manager);
}

void clkv_batch_slots(clkv_batch *batch, const uint32_t **slots, uint32_t *n)
{
    expect_writes(batch);
    if (slots) *slots = batch ? batch->slots : NULL;
    if (n) *n = batch && batch->reserved ? batch->n_tokens : 0;
}

void clkv_batch_copies(clkv_batch *batch, const clkv_block_copy **copies, uint32_t *n)
{
    expect_writes(batch);
    if (copies) *copies = batch ? batch->copies : NULL;
    if (n) *n = batch ? batch->n_copies : 0;
}

clkv_batch_table clkv_batch_get_table(const clkv_batch *batch, uint32_t entry)
{
    const clkv_batch_entry *e = &batch->entries[entry];
    const clkv_sequence *seq = e->sequence;
    return (clkv_batch_table){seq->table, clkv_sequence_blocks_for(batch->manager, e->context), seq->synced,
                              seq->first_block > 0};
}

void clkv_batch_set_synced(clkv_batch *batch, uint32_t entry)
{
    const clkv_batch_entry *e = &batch->entries[entry];
    e->sequence->synced = clkv_sequence_blocks_for(batch->manager, e->context);
}

void clkv_batch_unsync(clkv_batch *batch, uint32_t entry)
{
    clkv_sequence_unsync(batch->entries[entry].sequence, batch->parts[entry].synced);
}

const char *clkv_batch_validate(const clkv_batch *batch)
{
    const clkv_manager *m = batch->manager;
    uint32_t tokens = 0;
    for (uint32_t i = 0; i < batch->n_entries; i++) {
        const clkv_batch_entry *e = &batch->entries[i];
        if (e->sequence->batch != batch) return "batch: a sequence does not know its batch";
        if (e->first != tokens || e->row != e->sequence->row) return "batch: an entry is out of place";
        tokens += e->new_tokens;
        if (!batch->reserved) continue;
        if (e->context != e->sequence->length + e->new_tokens) return "batch: a context has a wrong length";
        for (uint32_t k = 0; k < e->new_tokens; k++) {
            const uint32_t p = e->sequence->length + k, slot = batch->slots[e->first + k];
            const uint32_t block = slot >> m->shift;
            if (block != e->sequence->table[p >> m->shift] ||
                (slot & (m->block_size - 1)) != (p & (m->block_size - 1)))
                return "batch: a slot is not where the table says";
            if (clkv_pool_refs(m->pool, block) != 1) return "batch: a slot is in a shared block";
            if (m->prefix && clkv_prefix_has(m->prefix, block) && !clkv_manager_is_hidden(m, block))
                return "batch: a slot is in a findable block";
        }
    }
    if (tokens != batch->n_tokens) return "batch: the number of tokens is wrong";
    if (!batch->reserved && (batch->n_fresh || batch->n_evicted || batch->n_copies || batch->device_state))
        return "batch: not reserved, but something is left of a reservation";
    for (uint32_t i = 0; i < batch->n_fresh; i++) {
        if (clkv_pool_refs(m->pool, batch->fresh[i]) != 1) return "batch: a fresh block has not one reference";
        const int evicted = i >= batch->n_fresh - batch->n_evicted;
        if (evicted != clkv_manager_is_hidden(m, batch->fresh[i])) return "batch: hidden and evicted blocks differ";
        if (evicted != (m->prefix && clkv_prefix_has(m->prefix, batch->fresh[i])))
            return "batch: registered and evicted blocks differ";
    }
    return NULL;
}
