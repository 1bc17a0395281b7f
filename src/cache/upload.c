/* upload.c: one packed write per batch. What goes into it, in uints:
 *
 *   entries (n + 1) × 4 │ items × 2 │ merges × 2 │ copies × 2 │ clears × 1 │ changes × 2 │ slots × 1
 *
 * A decode step of a sequence is 16 + 8 + 4 bytes, whatever its context length: only the entries of its
 * block table that the device does not have yet are in `changes`. `clears` are blocks that were freed (with
 * clear_freed): they are zeroed before anything of the batch is copied or appended.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cache/state.h"

#include "core/batch.h"
#include "core/error.h"
#include "core/manager.h"
#include "core/memory.h"
#include "core/sequence.h"
#include "ops/kernel.h"

#include <string.h>

clkv_status clkv_cache_upload_of(clkv_cache *cache, const clkv_batch *batch, clkv_upload **out)
{
    clkv_upload *upload = batch->device_state;
    if (!upload) return CLKV_FAIL(CLKV_ERROR_STATE, "the batch is not uploaded");
    if (upload->cache != cache) return CLKV_FAIL(CLKV_ERROR_INVALID, "the batch was uploaded to another cache");
    *out = upload;
    return CLKV_OK;
}

/* Called when the upload's batch ends, perhaps with the manager locked. */
static void upload_is_over(void *state)
{
    clkv_upload *upload = state;
    atomic_store(&upload->over, 1);
}

/* What an upload should have cleared that has failed on the device. */
static void unclear_lost(const clkv_cache *cache, const clkv_packed *packed)
{
    if (!packed->slot || !packed->n_clears || !clkv_ring_failed(packed->slot)) return;
    const uint32_t *words = packed->slot->host;
    clkv_manager_unclear_free(cache->manager, words + packed->clears_at, packed->n_clears);
}

/* The record of a new upload. Takes back what ended batches held. */
static clkv_upload *take_upload(clkv_cache *cache)
{
    clkv_upload *found = NULL;
    for (clkv_upload *p = cache->live; p; p = p->next) {
        if (!atomic_load(&p->over)) continue;
        unclear_lost(cache, &p->packed);
        clkv_ring_release(&cache->ring, p->packed.slot);
        p->packed.slot = NULL;
        found = p;
    }
    if (found) return found;
    clkv_upload *upload = clkv_alloc(sizeof *upload);
    if (!upload) return NULL;
    upload->cache = cache;
    atomic_init(&upload->over, 1);
    upload->next = cache->live;
    cache->live = upload;
    return upload;
}

static clkv_status plan(clkv_cache *cache, clkv_packed *packed, const clkv_batch *batch, const clkv_upload_params *up)
{
    const clkv_tuning *t = &cache->ops.tuning;
    clkv_device_info info = CLKV_PARAMS_INIT(clkv_device_info);
    clkv_status st = clkv_device_get_info(cache->device, &info);
    if (st != CLKV_OK) return st;
    const clkv_plan_params params = {
        .kv_heads = cache->params.kv_heads,
        .block_size = cache->params.block_size,
        .tile_tokens = cache->ops.tile_tokens,
        .target_groups = info.compute_units * t->groups_per_unit,
        .min_split = t->min_split,
        .split_max_queries = t->split_max_queries,
        .causal = !up->non_causal,
        .split_tokens = up->split_tokens,
        .parts = up->parts,
    };
    packed->causal = params.causal;
    return clkv_plan_build(&packed->plan, &params, batch->entries, batch->n_entries);
}

/* Where each list goes; the plan, counts of tokens, copies and changes are known. */
static void lay_out(clkv_packed *packed)
{
    uint32_t at = 0;
    packed->entries_at = at;
    at += 4 * (packed->plan.n_entries + 1);
    packed->items_at = at;
    at += 2 * packed->plan.n_items;
    packed->merges_at = at;
    at += 2 * packed->plan.n_merges;
    packed->copies_at = at;
    at += 2 * packed->n_copies;
    packed->clears_at = at;
    at += packed->n_clears;
    packed->changes_at = at;
    at += 2 * packed->n_changes;
    packed->slots_at = at;
    at += packed->n_tokens;
    packed->bytes = (size_t)at * sizeof(uint32_t);
}

/* Appends {index, block} for the entries [from, to) of a table; returns the end of the list. */
static uint32_t *write_changes(uint32_t *out, const uint32_t *table, uint32_t from, uint32_t to, uint32_t row_at)
{
    for (uint32_t i = from; i < to; i++) {
        *out++ = row_at + i;
        *out++ = table[i];
    }
    return out;
}

static void pack(const clkv_cache *cache, const clkv_packed *packed, const clkv_batch *batch)
{
    uint32_t *words = packed->slot->host;
    const clkv_plan *p = &packed->plan;
    memcpy(words + packed->entries_at, p->entries, (p->n_entries + 1) * sizeof *p->entries);
    memcpy(words + packed->items_at, p->items, p->n_items * sizeof *p->items);
    if (p->n_merges) memcpy(words + packed->merges_at, p->merges, p->n_merges * sizeof *p->merges);
    clkv_batch_list_uncleared(batch, words + packed->clears_at);
    if (packed->n_copies) memcpy(words + packed->copies_at, batch->copies, packed->n_copies * sizeof *batch->copies);
    uint32_t *change = words + packed->changes_at;
    for (uint32_t i = 0; i < p->n_entries; i++) {
        const clkv_batch_table t = clkv_batch_get_table(batch, i);
        change = write_changes(change, t.blocks, t.synced, t.n_blocks, p->entries[i].row * cache->ops.row_stride);
    }
    memcpy(words + packed->slots_at, batch->slots, packed->n_tokens * sizeof *batch->slots);
}

/* The batch is this cache's, reserved, and not too large; fills the packed upload's counts. */
static clkv_status count(const clkv_cache *cache, const clkv_batch *batch, clkv_packed *packed)
{
    if (batch->manager != cache->manager)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "the batch belongs to another manager");
    if (!clkv_batch_is_reserved(batch)) return CLKV_FAIL(CLKV_ERROR_STATE, "the batch is not reserved");
    packed->n_tokens = batch->n_tokens;
    packed->n_copies = batch->n_copies;
    if (packed->n_tokens > cache->params.max_batch_tokens)
        return CLKV_FAIL(CLKV_ERROR_LIMIT, "%u tokens in a batch, max_batch_tokens is %u", (unsigned)packed->n_tokens,
                         (unsigned)cache->params.max_batch_tokens);
    uint64_t changes = 0;
    for (uint32_t i = 0; i < batch->n_entries; i++) {
        const clkv_batch_table t = clkv_batch_get_table(batch, i);
        if (t.has_released)
            return CLKV_FAIL(CLKV_ERROR_UNSUPPORTED,
                             "entry %u: attention over a sliding window that has released blocks", (unsigned)i);
        changes += t.n_blocks - t.synced;
    }
    packed->n_changes = (uint32_t)changes;
    packed->n_clears = clkv_batch_list_uncleared(batch, NULL);
    return CLKV_OK;
}

/* Packs and enqueues. On failure the device may have some of it, but nothing on the host believes so, and no
 * block has been written: copies come last, and what is cleared before them is told to the batch. */
static clkv_status send(clkv_cache *cache, clkv_packed *packed, clkv_batch *batch, const clkv_events *events)
{
    clkv_ops *ops = &cache->ops;
    pack(cache, packed, batch);
    const int rows = packed->n_changes > 0, clears = packed->n_clears > 0, copies = packed->n_copies > 0;
    clkv_status st = clkv_ring_submit(&cache->ring, packed->slot, packed->bytes, events->n_wait, events->wait,
                                      rows || clears || copies ? NULL : events->event);
    cl_event scattered = NULL, cleared = NULL;
    const clkv_events rows_events = { .event = clears || copies ? &scattered : events->event };
    if (st == CLKV_OK && rows)
        st = clkv_ops_rows(ops, packed->slot, packed->changes_at, packed->n_changes, &rows_events);
    const clkv_events clear_events = { .event = copies ? &cleared : events->event, .after = scattered };
    if (st == CLKV_OK && clears) { /* before the copies: a target may be on the list */
        st = clkv_ops_clear(ops, packed->slot, packed->clears_at, packed->n_clears, &clear_events);
        if (st == CLKV_OK) clkv_batch_mark_written(batch);
    }
    const clkv_events copy_events = { .event = events->event, .after = cleared ? cleared : scattered };
    if (st == CLKV_OK && copies)
        st = clkv_ops_copy(ops, packed->slot, packed->copies_at, packed->n_copies, &copy_events);
    clkv_event_release(&scattered);
    clkv_event_release(&cleared);
    return st;
}

/* An earlier upload of the batch that has not arrived may never do so: its changes of tables are sent again. */
static void forget_lost_upload(const clkv_cache *cache, clkv_batch *batch)
{
    clkv_upload *earlier = batch->device_state;
    if (!earlier || earlier->cache != cache || clkv_ring_arrived(earlier->packed.slot)) return;
    for (uint32_t i = 0; i < batch->n_entries; i++) clkv_batch_unsync(batch, i);
    if (earlier->packed.n_clears && clkv_ring_failed(earlier->packed.slot)) clkv_batch_unclear(batch);
}

/* All that an upload may need, even if this one does not: an upload fails at once, or never for want of one. */
static clkv_status check_kernels(const clkv_cache *cache)
{
    clkv_kernel kernel;
    clkv_status st = clkv_ops_kernel(&cache->ops, CLKV_FAMILY_COPY, CLKV_F32, CLKV_F32, &kernel);
    if (st == CLKV_OK) st = clkv_ops_kernel(&cache->ops, CLKV_FAMILY_ROWS, CLKV_F32, CLKV_F32, &kernel);
    if (st == CLKV_OK && cache->params.clear_freed)
        st = clkv_ops_kernel(&cache->ops, CLKV_FAMILY_CLEAR, CLKV_F32, CLKV_F32, &kernel);
    return st;
}

static clkv_status upload(clkv_cache *cache, clkv_batch *batch, const clkv_upload_params *params,
                          const clkv_events *events)
{
    clkv_upload *holder = take_upload(cache);
    if (!holder) return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "%zu bytes", sizeof *holder);
    clkv_packed *packed = &holder->packed;
    forget_lost_upload(cache, batch);
    clkv_status st = count(cache, batch, packed);
    if (st == CLKV_OK) st = check_kernels(cache);
    if (st == CLKV_OK) st = plan(cache, packed, batch, params);
    if (st == CLKV_OK) st = clkv_ops_reserve_parts(&cache->ops, packed->plan.n_parts);
    if (st != CLKV_OK) return st;
    lay_out(packed);
    st = clkv_ring_acquire(&cache->ring, packed->bytes, &packed->slot);
    if (st == CLKV_OK) st = send(cache, packed, batch, events);
    if (st != CLKV_OK) {
        clkv_ring_release(&cache->ring, packed->slot);
        packed->slot = NULL;
        return st;
    }
    clkv_uncleared_drop_last(&cache->manager->uncleared, cache->manager->uncleared.n);
    cache->blocks_cleared += packed->n_clears;
    for (uint32_t i = 0; i < packed->plan.n_entries; i++) clkv_batch_set_synced(batch, i);
    atomic_store(&holder->over, 0);
    clkv_batch_set_device_state(batch, holder, upload_is_over);
    cache->uploaded_bytes += packed->bytes;
    cache->uploads++;
    return CLKV_OK;
}

clkv_status clkv_cache_upload(clkv_cache *cache, clkv_batch *batch, const clkv_upload_params *params, cl_uint n_wait,
                              const cl_event *wait, cl_event *event)
{
    const clkv_upload_params defaults = CLKV_PARAMS_INIT(clkv_upload_params);
    if (!params) params = &defaults;
    CLKV_CHECK_PARAMS(params, clkv_upload_params);
    if (!cache || !batch) return CLKV_FAIL(CLKV_ERROR_INVALID, "%s is NULL", cache ? "batch" : "cache");
    const clkv_events events = { .n_wait = n_wait, .wait = wait, .event = event };
    pthread_mutex_lock(&cache->lock);
    clkv_manager_lock(cache->manager);
    const clkv_status st = clkv_cache_done(cache, upload(cache, batch, params, &events));
    clkv_manager_unlock(cache->manager);
    pthread_mutex_unlock(&cache->lock);
    return st;
}

clkv_status clkv_cache_plan_info(clkv_cache *cache, const clkv_batch *batch, clkv_plan_info *info)
{
    CLKV_CHECK_PARAMS(info, clkv_plan_info);
    if (!cache || !batch) return CLKV_FAIL(CLKV_ERROR_INVALID, "%s is NULL", cache ? "batch" : "cache");
    pthread_mutex_lock(&cache->lock);
    clkv_upload *holder = NULL;
    const clkv_status st = clkv_cache_upload_of(cache, batch, &holder);
    if (st == CLKV_OK) {
        const clkv_plan *p = &holder->packed.plan;
        info->items = p->n_items;
        info->split_entries = 0;
        for (uint32_t i = 0; i < p->n_entries; i++) info->split_entries += p->entries[i].part_base != CLKV_PLAN_DIRECT;
        info->parts = p->n_parts;
        info->chunk = p->chunk;
        info->uploaded_bytes = holder->packed.bytes;
    }
    pthread_mutex_unlock(&cache->lock);
    return st;
}

static clkv_status sync_row(clkv_cache *cache, clkv_sequence *sequence)
{
    if (sequence->synced >= sequence->n_blocks) return CLKV_OK;
    const uint32_t n = sequence->n_blocks - sequence->synced;
    const size_t bytes = (size_t)n * 2 * sizeof(uint32_t);
    clkv_ring_slot *slot = NULL;
    clkv_status st = clkv_ring_acquire(&cache->ring, bytes, &slot);
    if (st != CLKV_OK) return st;
    write_changes(slot->host, sequence->table, sequence->synced, sequence->n_blocks,
                  sequence->row * cache->ops.row_stride);
    const clkv_events none = { 0 };
    st = clkv_ring_submit(&cache->ring, slot, bytes, 0, NULL, NULL);
    if (st == CLKV_OK) st = clkv_ops_rows(&cache->ops, slot, 0, n, &none);
    clkv_ring_release(&cache->ring, slot);
    if (st != CLKV_OK) return st;
    sequence->synced = sequence->n_blocks;
    cache->uploaded_bytes += bytes;
    return CLKV_OK;
}

clkv_status clkv_cache_sync_row(clkv_cache *cache, const clkv_sequence *sequence, uint32_t *row)
{
    /* What the device knows of a sequence is not part of its value: gather may take it as const. */
    clkv_sequence *s = (clkv_sequence *)sequence;
    if (s->manager != cache->manager)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "the sequence belongs to another manager");
    clkv_manager_lock(cache->manager);
    *row = s->row;
    clkv_status st;
    if (s->batch && clkv_batch_is_reserved(s->batch) && !s->batch->device_state) {
        /* Its table may show a copy of its tail that has not been made yet. */
        st = CLKV_FAIL(CLKV_ERROR_BUSY, "the sequence is in a reserved batch that is not uploaded");
    } else {
        st = sync_row(cache, s);
    }
    clkv_manager_unlock(cache->manager);
    return st;
}
