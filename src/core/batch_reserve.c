/* batch_reserve.c: reserves the blocks of a batch, and ends a reservation. SPDX-License-Identifier: Apache-2.0 */
#include "core/batch.h"

#include "core/error.h"
#include "core/growth.h"
#include "core/pool.h"
#include "core/prefix.h"

/* ---- reserve ---- */

static uint32_t blocks_needed(const clkv_sequence *seq, uint32_t new_tokens)
{
    return clkv_blocks_for(seq->manager, (uint64_t)seq->length + new_tokens) - seq->n_blocks +
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

/* Checks that every sequence can still take its tokens, since it may have changed after it was added. */
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

/* Does everything that can fail for lack of host memory, before any block is taken. */
static clkv_status prepare(clkv_batch *batch, uint64_t need)
{
    const clkv_manager *m = batch->manager;
    for (uint32_t i = 0; i < batch->n_entries; i++) {
        const clkv_batch_entry *e = &batch->entries[i];
        clkv_sequence *seq = e->sequence;
        const size_t entries = clkv_blocks_for(m, (uint64_t)seq->length + e->new_tokens);
        const clkv_status status =
            entries <= seq->table_capacity ? CLKV_OK : clkv_sequence_reserve_table(seq, entries);
        if (status != CLKV_OK) return status;
    }
    if (CLKV_BATCH_GROW(batch, slots, batch->n_tokens) || CLKV_BATCH_GROW(batch, positions, batch->n_tokens) ||
        CLKV_BATCH_GROW(batch, fresh, (size_t)need) || CLKV_BATCH_GROW(batch, copies, batch->n_entries))
        return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "the reservation of a batch of %u tokens", batch->n_tokens);
    return CLKV_OK;
}

/* Puts the fresh blocks of an entry into the table of its sequence, and writes its slots. */
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
    const uint32_t end = clkv_blocks_for(m, e->context);
    if (end > seq->n_blocks) clkv_sequence_unsync(seq, seq->n_blocks);
    part->synced = seq->synced;
    for (uint32_t i = seq->n_blocks; i < end; i++) seq->table[i] = batch->fresh[next_fresh++];
    uint32_t *slot = batch->slots + e->first;
    int32_t *position = batch->positions + e->first;
    for (uint32_t p = seq->length; p < e->context; p++) {
        *position++ = (int32_t)p;
        *slot++ = seq->table[p >> m->shift] << m->shift | (p & (m->block_size - 1));
    }
    seq->reserved = 1;
    return next_fresh;
}

static void hide_evicted(const clkv_batch *batch, int hidden)
{
    if (batch->n_evicted == 0) return; /* an empty batch may have no array */
    const uint32_t *evicted = clkv_batch_evicted(batch);
    for (uint32_t i = 0; i < batch->n_evicted; i++) clkv_blocks_hide(batch->manager, evicted[i], hidden);
}

static clkv_status reserve_locked(clkv_batch *batch)
{
    clkv_manager *m = batch->manager;
    if (batch->reserved) return CLKV_FAIL(CLKV_ERROR_STATE, "the batch is reserved already");
    clkv_status status = check_entries(batch);
    if (status != CLKV_OK) return status;
    clkv_blocks_expire_pins(m);
    uint64_t need = all_blocks_needed(batch);
    if (!clkv_growth_has_room(m, need)) {
        status = clkv_growth_make_room(m, need);
        if (status == CLKV_OK) status = check_entries(batch); /* the manager was unlocked */
        if (status != CLKV_OK) return status;
        need = all_blocks_needed(batch);
    }
    const uint32_t available = clkv_pool_available(m->pool);
    if (need > available) {
        m->counters.reservations_refused++;
        return CLKV_FAIL(CLKV_ERROR_NO_BLOCKS, "%llu blocks needed, %u available", (unsigned long long)need,
                         available);
    }
    status = prepare(batch, need);
    if (status != CLKV_OK) return status;
    m->evicted = 0;
    status = clkv_pool_allocate(m->pool, (uint32_t)need, batch->fresh);
    if (status != CLKV_OK) return status;
    batch->n_fresh = (uint32_t)need;
    batch->n_evicted = m->evicted;
    hide_evicted(batch, 1);
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
    return CLKV_PUBLIC(status);
}

uint32_t clkv_batch_missing(clkv_batch *batch)
{
    if (!batch) return 0;
    clkv_manager_lock(batch->manager);
    uint64_t missing = 0;
    if (!batch->reserved) {
        const uint64_t need = all_blocks_needed(batch), available = clkv_growth_available(batch->manager);
        missing = need > available ? need - available : 0;
    }
    clkv_manager_unlock(batch->manager);
    return missing < UINT32_MAX ? (uint32_t)missing : UINT32_MAX;
}

static clkv_status list_evictions(clkv_batch *batch)
{
    const clkv_manager *m = batch->manager;
    if (!batch->reserved) return CLKV_FAIL(CLKV_ERROR_STATE, "the batch is not reserved");
    if (CLKV_BATCH_GROW(batch, evictions, batch->n_evicted))
        return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "a list of %u evicted blocks", batch->n_evicted);
    for (uint32_t i = 0; i < batch->n_evicted; i++) {
        clkv_eviction *e = &batch->evictions[i];
        *e = (clkv_eviction){.block = clkv_batch_evicted(batch)[i]};
        clkv_prefix_hashes(m->prefix, e->block, &e->hash, &e->parent_hash);
        e->depth = clkv_prefix_depth(m->prefix, clkv_prefix_node_of(m->prefix, e->block)) - 1;
    }
    batch->n_evictions = batch->n_evicted;
    return CLKV_OK;
}

clkv_status clkv_batch_get_evictions(clkv_batch *batch, const clkv_eviction **evictions, uint32_t *n)
{
    if (!batch) return CLKV_FAIL(CLKV_ERROR_INVALID, "batch is NULL");
    clkv_manager_lock(batch->manager);
    const clkv_status status = list_evictions(batch);
    clkv_manager_unlock(batch->manager);
    if (status != CLKV_OK) return CLKV_PUBLIC(status);
    if (evictions) *evictions = batch->evictions;
    if (n) *n = batch->n_evictions;
    return CLKV_OK;
}

/* The number of tokens of a sequence in blocks that only this sequence uses; counting stops at `limit`. It counts
 * from the tail, where these blocks are. */
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
    while (oldest && (oldest->dead || oldest->kept)) oldest = oldest->younger;
    clkv_sequence *victim = NULL;
    uint64_t least = UINT64_MAX;
    for (clkv_sequence *seq = m->youngest; seq && seq != oldest; seq = seq->older) {
        if (seq->dead || seq->kept || seq->n_blocks == seq->first_block) continue;
        if (seq->reserved) continue;
        const uint64_t work = work_lost(seq, least);
        if (work < least) {
            least = work;
            victim = seq;
        }
    }
    clkv_manager_unlock(m);
    return victim;
}

/* ---- clearing ---- */

void clkv_batch_unclear(const clkv_batch *batch)
{
    for (uint32_t i = 0; i < batch->n_fresh; i++) clkv_uncleared_add(&batch->manager->uncleared, batch->fresh[i]);
}

void clkv_batch_mark_written(clkv_batch *batch)
{
    clkv_uncleared *u = &batch->manager->uncleared;
    if (!batch->written && batch->n_evicted && clkv_uncleared_is_on(u)) {
        const uint32_t *evicted = clkv_batch_evicted(batch);
        for (uint32_t i = 0; i < batch->n_evicted; i++) clkv_uncleared_add(u, evicted[i]);
    }
    batch->written = 1;
}

/* ---- the end of a reservation ---- */

/* Ends everything of a reservation except its blocks. */
static void end_reservation(clkv_batch *batch)
{
    hide_evicted(batch, 0);
    batch->n_fresh = batch->n_evicted = batch->n_evictions = batch->n_copies = 0;
    batch->reserved = batch->written = 0;
    clkv_batch_set_device_state(batch, NULL, NULL);
}

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
    return CLKV_PUBLIC(status);
}

static clkv_status commit_entry(clkv_batch *batch, uint32_t index)
{
    clkv_manager *m = batch->manager;
    const clkv_batch_entry *e = &batch->entries[index];
    const clkv_batch_part *part = &batch->parts[index];
    clkv_sequence *seq = e->sequence;
    const uint32_t end = clkv_blocks_for(m, e->context);
    const clkv_status status =
        clkv_sequence_extend(seq, part->has_tokens ? batch->tokens + e->first : NULL, part->accept);
    for (uint32_t i = end; i-- > seq->n_blocks;) clkv_pool_release(m->pool, seq->table[i]);
    clkv_sequence_unsync(seq, seq->n_blocks);
    if (part->copied_from != CLKV_NO_BLOCK) {
        uint32_t done_with = part->copied_from;
        if (part->accept) {
            m->counters.copies_on_write++;
        } else {
            /* No token was accepted, so nothing was written: the shared tail stays. */
            done_with = seq->table[part->tail];
            seq->table[part->tail] = part->copied_from;
            clkv_sequence_unsync(seq, part->tail);
        }
        clkv_pool_release(m->pool, done_with);
    }
    clkv_sequence_slide(seq);
    seq->reserved = 0;
    m->counters.tokens_committed += part->accept;
    return status;
}

/* Drops the blocks that the reservation took from the cache, since their content is lost. */
static void drop_evicted(const clkv_batch *batch)
{
    if (batch->n_evicted) clkv_blocks_drop(batch->manager, clkv_batch_evicted(batch), batch->n_evicted);
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
    clkv_batch_drop_entries(batch);
    m->counters.batches_committed++;
    clkv_manager_unlock(m);
    return CLKV_PUBLIC(status);
}

void clkv_batch_rollback_locked(clkv_batch *batch)
{
    clkv_manager *m = batch->manager;
    for (uint32_t i = 0; i < batch->n_entries; i++) {
        const clkv_batch_part *part = &batch->parts[i];
        clkv_sequence *seq = batch->entries[i].sequence;
        /* The entries that were sent since the reservation count as not sent: the pass may have failed on the
         * device. */
        clkv_sequence_unsync(seq, part->synced);
        seq->reserved = 0;
        if (part->copied_from != CLKV_NO_BLOCK) seq->table[part->tail] = part->copied_from;
    }
    if (batch->written) drop_evicted(batch);
    clkv_pool_undo(m->pool, batch->fresh, batch->n_fresh, batch->written ? 0 : batch->n_evicted, m->pins.priority);
    if (batch->written && clkv_uncleared_is_on(&m->uncleared)) clkv_batch_unclear(batch);
    end_reservation(batch);
    for (uint32_t i = 0; i < batch->n_entries; i++)
        if (batch->entries[i].sequence->dead) clkv_sequence_release_all(batch->entries[i].sequence);
    m->counters.batches_rolled_back++;
}

clkv_status clkv_batch_rollback(clkv_batch *batch)
{
    if (!batch) return CLKV_FAIL(CLKV_ERROR_INVALID, "batch is NULL");
    clkv_status status = CLKV_OK;
    clkv_manager_lock(batch->manager);
    if (batch->reserved) {
        clkv_batch_rollback_locked(batch);
    } else {
        status = CLKV_FAIL(CLKV_ERROR_STATE, "the batch is not reserved");
    }
    clkv_manager_unlock(batch->manager);
    return CLKV_PUBLIC(status);
}
