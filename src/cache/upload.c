/* upload.c: sends a batch to the device in one packed write. Its lists, with the number of uints of each element:
 *
 *   positions × 1 (if asked for) │ items × 6 │ merges × 4 │ copies × 2 │ clears × 1 │ changes × 2 │ slots × 1
 *
 * A decode step of a sequence is 24 + 4 bytes for any context length: `changes` has only the entries of its block table
 * that the device does not have yet. `clears` are freed blocks (with clear_freed), which are zeroed before anything of
 * the batch is copied or appended.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cache/state.h"

#include "core/batch_view.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/params.h"
#include "device/device.h"
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

/* Called when the batch of an upload ends, perhaps with the manager locked. */
static void upload_is_over(void *state)
{
    clkv_upload *upload = state;
    clkv_watch_end_set(upload->cache->watch, &upload->failure);
    atomic_store(&upload->over, 1);
}

/* Puts the blocks of an upload that has failed on the device back on the list of blocks to clear. */
static void unclear_lost(const clkv_cache *cache, const clkv_packed *packed)
{
    if (!packed->slot || !packed->n_clears || !clkv_ring_failed(packed->slot)) return;
    const uint32_t *words = packed->slot->host;
    clkv_blocks_unclear_free(cache->manager, words + packed->clears_at, packed->n_clears);
}

/* Gets a record for a new upload. Releases the ring slots of uploads whose batches have ended. */
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
    if (!found) found = clkv_cache_new_upload(cache);
    if (found) clkv_cache_reset_upload(found);
    return found;
}

static clkv_status plan(clkv_cache *cache, clkv_packed *packed, const clkv_batch_view *view,
                        const clkv_upload_params *up)
{
    const clkv_tuning *t = &cache->ops.tuning;
    const clkv_plan_params params = {
        .kv_heads = cache->params.kv_heads,
        .block_size = cache->params.block_size,
        .tile_tokens = cache->ops.tile_tokens,
        .target_groups = cache->ops.compute_units * t->groups_per_unit,
        .min_split = t->min_split,
        .split_max_queries = t->split_max_queries,
        .rule = up->visibility == CLKV_SEE_ALL ? CLKV_RULE_ALL : CLKV_RULE_CAUSAL,
        .split_tokens = up->split_tokens,
        .parts = up->parts,
    };
    return clkv_plan_build(&packed->plan, &params, view->entries, view->n_entries);
}

/* Sets the length and the place of each list; the plan has been made. */
static void lay_out(clkv_packed *packed, const clkv_batch_view *view)
{
    packed->n_tokens = view->n_tokens;
    packed->n_copies = view->n_copies;
    packed->n_clears = view->n_clears;
    packed->n_changes = view->n_changes;
    uint32_t at = packed->has_positions ? packed->n_tokens : 0;
    packed->items_at = at;
    at += sizeof(clkv_plan_item) / sizeof(uint32_t) * packed->plan.n_items;
    packed->merges_at = at;
    at += sizeof(clkv_plan_merge) / sizeof(uint32_t) * packed->plan.n_merges;
    packed->copies_at = at;
    at += 2 * packed->n_copies;
    packed->clears_at = at;
    at += packed->n_clears;
    packed->changes_at = at;
    at += 2 * packed->n_changes;
    packed->slots_at = at;
    at += packed->n_tokens;
    packed->bytes = (size_t)(at ? at : 1) * sizeof(uint32_t); /* an empty batch sends one word, so that its write has an event */
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

/* A list of an empty batch may have no memory, and memcpy takes no NULL. */
static void put(uint32_t *to, const void *from, size_t bytes)
{
    if (bytes) memcpy(to, from, bytes);
}

static void pack(const clkv_cache *cache, const clkv_packed *packed, const clkv_batch_view *view)
{
    uint32_t *words = packed->slot->host;
    const clkv_plan *p = &packed->plan;
    if (packed->has_positions) put(words, view->positions, view->n_tokens * sizeof *view->positions);
    put(words + packed->items_at, p->items, p->n_items * sizeof *p->items);
    put(words + packed->merges_at, p->merges, p->n_merges * sizeof *p->merges);
    put(words + packed->copies_at, view->copies, view->n_copies * sizeof *view->copies);
    put(words + packed->clears_at, view->clears, view->n_clears * sizeof *view->clears);
    uint32_t *change = words + packed->changes_at;
    for (uint32_t i = 0; i < view->n_entries; i++) {
        const clkv_batch_table *t = &view->tables[i];
        change = write_changes(change, t->blocks, t->synced, t->n_blocks, view->entries[i].row * cache->ops.row_stride);
    }
    put(words + packed->slots_at, view->slots, view->n_tokens * sizeof *view->slots);
}

/* Packs and enqueues. After a failure some commands may have been enqueued, but the state of the host is as before,
 * and no block has been written: copies come last, and the batch is told which blocks were cleared before them. */
static clkv_status send(clkv_cache *cache, clkv_packed *packed, clkv_batch *batch, const clkv_batch_view *view,
                        const clkv_events *events)
{
    clkv_ops *ops = &cache->ops;
    pack(cache, packed, view);
    const int rows = packed->n_changes > 0, clears = packed->n_clears > 0, copies = packed->n_copies > 0;
    const int alone = !rows && !clears && !copies;
    cl_event first = NULL, scattered = NULL, cleared = NULL;
    clkv_status st = clkv_ring_submit(&cache->ring, packed->slot, packed->bytes, events->n_wait, events->wait,
                                      events->first ? &first : alone ? events->event : NULL);
    if (st == CLKV_OK && first && alone && events->event) st = clkv_event_share(first, events->event);
    const clkv_events rows_events = { .event = clears || copies ? &scattered : events->event };
    if (st == CLKV_OK && rows)
        st = clkv_ops_rows(ops, packed->slot, packed->changes_at, packed->n_changes, &rows_events);
    const clkv_events clear_events = { .event = copies ? &cleared : events->event, .after = scattered };
    if (st == CLKV_OK && clears) { /* before the copies, since the target of a copy may be on the list */
        st = clkv_ops_clear(ops, packed->slot, packed->clears_at, packed->n_clears, &clear_events);
        if (st == CLKV_OK) clkv_batch_mark_written(batch);
    }
    const clkv_events copy_events = { .event = events->event, .after = cleared ? cleared : scattered };
    if (st == CLKV_OK && copies)
        st = clkv_ops_copy(ops, packed->slot, packed->copies_at, packed->n_copies, &copy_events);
    if (st == CLKV_OK && events->first) {
        *events->first = first;
        first = NULL;
    }
    clkv_event_release(&first);
    clkv_event_release(&scattered);
    clkv_event_release(&cleared);
    return st;
}

/* If an earlier upload of the batch has not arrived, it may never arrive: its table changes will be sent again. */
static void forget_lost_upload(const clkv_cache *cache, clkv_batch *batch)
{
    clkv_upload *earlier = batch->device_state;
    if (!earlier || earlier->cache != cache || clkv_ring_arrived(earlier->packed.slot)) return;
    clkv_batch_unsync(batch);
    if (earlier->packed.n_clears && clkv_ring_failed(earlier->packed.slot)) clkv_batch_unclear(batch);
}

/* Checks that all kernels are compiled that any upload may need, so that the first upload fails or none does. The kernel
 * for rows comes first: the text then names CLKV_OP_UPLOAD, which compiles all of them. */
static clkv_status check_kernels(const clkv_cache *cache)
{
    clkv_kernel kernel;
    clkv_status st = clkv_ops_kernel(&cache->ops, CLKV_FAMILY_ROWS, CLKV_F32, CLKV_F32, &kernel);
    if (st == CLKV_OK) st = clkv_ops_kernel(&cache->ops, CLKV_FAMILY_COPY, CLKV_F32, CLKV_F32, &kernel);
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
    clkv_cache_begin(cache, holder);
    forget_lost_upload(cache, batch);
    clkv_batch_view view;
    clkv_status st = clkv_batch_get_view(batch, cache->manager, &view);
    if (st == CLKV_OK) st = check_kernels(cache);
    if (st == CLKV_OK) st = plan(cache, packed, &view, params);
    if (st == CLKV_OK) st = clkv_ops_reserve_parts(&cache->ops, packed->plan.n_parts);
    if (st != CLKV_OK) return st;
    packed->has_positions = params->positions == CLKV_POSITIONS_SEND;
    lay_out(packed, &view);
    st = clkv_ring_acquire(&cache->ring, packed->bytes, &packed->slot);
    if (st == CLKV_OK) st = send(cache, packed, batch, &view, events);
    if (st != CLKV_OK) {
        clkv_ring_release(&cache->ring, packed->slot);
        packed->slot = NULL;
        return st;
    }
    clkv_uncleared_drop_last(&cache->manager->uncleared, cache->manager->uncleared.n);
    cache->blocks_cleared += packed->n_clears;
    clkv_batch_set_synced(batch);
    atomic_store(&holder->over, 0);
    clkv_batch_set_device_state(batch, holder, upload_is_over);
    if (cache->params.commit == CLKV_COMMIT_STRICT) batch->may_commit = clkv_cache_may_commit;
    cache->uploaded_bytes += packed->bytes;
    cache->uploads++;
    clkv_cache_give_back(cache);
    return CLKV_OK;
}

static clkv_status check_params(const clkv_upload_params *p)
{
    const clkv_visibility v = p->visibility;
    if (v != CLKV_SEE_DEFAULT && v != CLKV_SEE_CAUSAL && v != CLKV_SEE_ALL)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "visibility is %d: none of clkv_visibility", (int)v);
    if (p->positions != CLKV_POSITIONS_NONE && p->positions != CLKV_POSITIONS_SEND)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "positions is %d: none of clkv_positions", (int)p->positions);
    return CLKV_OK;
}

clkv_status clkv_cache_upload(clkv_cache *cache, clkv_batch *batch, const clkv_upload_params *params, cl_uint n_wait,
                              const cl_event *wait, cl_event *event)
{
    clkv_upload_params own = CLKV_PARAMS_INIT(clkv_upload_params);
    clkv_status st = params ? CLKV_PARAMS_READ(own, params) : CLKV_OK;
    if (st == CLKV_OK) st = check_params(&own);
    if (st != CLKV_OK) return CLKV_PUBLIC(st);
    if (!cache || !batch) return CLKV_FAIL(CLKV_ERROR_INVALID, "%s is NULL", cache ? "batch" : "cache");
    if ((st = clkv_device_check(cache->device)) != CLKV_OK) return CLKV_PUBLIC(st);
    const clkv_events events = { .n_wait = n_wait, .wait = wait, .event = event, .first = own.first_event };
    clkv_mutex_lock(&cache->lock);
    clkv_manager_lock(cache->manager);
    st = clkv_cache_done(cache, upload(cache, batch, &own, &events));
    clkv_manager_unlock(cache->manager);
    clkv_mutex_unlock(&cache->lock);
    return CLKV_PUBLIC(st);
}

static clkv_status get_positions(clkv_cache *cache, const clkv_batch *batch, cl_mem *mem, size_t *offset)
{
    if (!cache || !batch || !mem || !offset)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "%s is NULL",
                         !cache ? "cache" : !batch ? "batch" : !mem ? "mem" : "offset");
    clkv_status st = clkv_device_check(cache->device);
    if (st != CLKV_OK) return st;
    clkv_mutex_lock(&cache->lock);
    clkv_upload *upload = NULL;
    st = clkv_cache_upload_of(cache, batch, &upload);
    if (st == CLKV_OK && !upload->packed.has_positions)
        st = CLKV_FAIL(CLKV_ERROR_STATE, "the batch was uploaded without its positions");
    if (st == CLKV_OK) {
        *mem = upload->packed.slot->mem;
        *offset = 0;
    }
    clkv_mutex_unlock(&cache->lock);
    return st;
}

clkv_status clkv_cache_get_positions(clkv_cache *cache, const clkv_batch *batch, cl_mem *mem, size_t *offset)
{
    return CLKV_PUBLIC(get_positions(cache, batch, mem, offset));
}

clkv_status clkv_cache_get_plan_info(clkv_cache *cache, const clkv_batch *batch, clkv_plan_info *info)
{
    if (!cache || !batch || !info)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "%s is NULL", !cache ? "cache" : !batch ? "batch" : "info");
    clkv_status st = clkv_device_check(cache->device);
    if (st != CLKV_OK) return CLKV_PUBLIC(st);
    clkv_mutex_lock(&cache->lock);
    clkv_upload *holder = NULL;
    clkv_plan_info all = CLKV_PARAMS_INIT(clkv_plan_info);
    st = clkv_cache_upload_of(cache, batch, &holder);
    if (st == CLKV_OK) {
        const clkv_plan *p = &holder->packed.plan;
        all.items = p->n_items;
        all.split_entries = p->n_split;
        all.parts = p->n_parts;
        all.chunk = p->chunk;
        all.uploaded_bytes = holder->packed.bytes;
    }
    clkv_mutex_unlock(&cache->lock);
    if (st == CLKV_OK) st = CLKV_PARAMS_WRITE(info, all);
    return CLKV_PUBLIC(st);
}

static clkv_status sync_row(clkv_cache *cache, clkv_sequence *sequence, cl_event *after)
{
    if (sequence->synced >= sequence->n_blocks) return CLKV_OK;
    const uint32_t n = sequence->n_blocks - sequence->synced;
    const size_t bytes = (size_t)n * 2 * sizeof(uint32_t);
    clkv_ring_slot *slot = NULL;
    clkv_status st = clkv_ring_acquire(&cache->ring, bytes, &slot);
    if (st != CLKV_OK) return st;
    write_changes(slot->host, sequence->table, sequence->synced, sequence->n_blocks,
                  sequence->row * cache->ops.row_stride);
    const clkv_events events = { .event = after };
    st = clkv_ring_submit(&cache->ring, slot, bytes, 0, NULL, NULL);
    if (st == CLKV_OK) st = clkv_ops_rows(&cache->ops, slot, 0, n, &events);
    clkv_ring_release(&cache->ring, slot);
    if (st != CLKV_OK) return st;
    sequence->synced = sequence->n_blocks;
    cache->uploaded_bytes += bytes;
    return CLKV_OK;
}

clkv_status clkv_cache_sync_row(clkv_cache *cache, const clkv_sequence *sequence, uint32_t *row, cl_event *after)
{
    /* `synced` is no visible property of a sequence, so clkv_gather takes a const sequence. */
    clkv_sequence *s = (clkv_sequence *)sequence;
    if (s->manager != cache->manager)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "the sequence belongs to another manager");
    clkv_manager_lock(cache->manager);
    *row = s->row;
    clkv_status st;
    if (s->reserved && !s->batch->device_state) {
        /* The table may contain the copy of a tail that has not been made yet. */
        st = CLKV_FAIL(CLKV_ERROR_BUSY, "the sequence is in a reserved batch that is not uploaded");
    } else {
        st = sync_row(cache, s, after);
    }
    clkv_manager_unlock(cache->manager);
    return st;
}
