/* growth.c: the device side of a pool that grows: opens slabs, and gives them back, after compaction where that helps.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cache/state.h"

#include "core/compact.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/params.h"
#include "device/device.h"

#include <string.h>

/* ---- hooks of the block manager ---- */

/* Without the manager's lock: core/growth.h. */
static clkv_status open_slab(void *user, uint32_t slab)
{
    clkv_cache *cache = user;
    clkv_status st = clkv_device_check(cache->device);
    if (st != CLKV_OK) return st;
    clkv_mutex_lock(&cache->lock);
    st = clkv_cache_done(cache, clkv_slabs_open(&cache->ops.slabs, slab, &cache->ops.stream));
    clkv_mutex_unlock(&cache->lock);
    return st;
}

/* The cache is locked, since only functions of this file close slabs. */
static void close_slab(void *user, uint32_t slab)
{
    clkv_cache *cache = user;
    clkv_slabs_close(&cache->ops.slabs, slab);
}

clkv_growth_hooks clkv_cache_growth_hooks(clkv_cache *cache)
{
    const clkv_slabs *slabs = &cache->ops.slabs;
    const uint32_t open = (uint32_t)__builtin_popcount(slabs->open);
    return (clkv_growth_hooks){slabs->blocks_per_slab, open, open_slab, close_slab, cache};
}

void clkv_cache_give_back(clkv_cache *cache)
{
    if (cache->params.spare_slabs < cache->ops.slabs.n)
        clkv_growth_close_empty(cache->manager, cache->params.spare_slabs);
}

/* ---- shrink ---- */

/* Frees as many cached blocks as must go, so that the rest fits n slabs. */
static clkv_status drop_cached(clkv_cache *cache, uint32_t n)
{
    clkv_manager *m = cache->manager;
    clkv_pool_counts c = CLKV_PARAMS_INIT(clkv_pool_counts);
    clkv_pool_get_counts(m->pool, &c);
    const uint64_t room = (uint64_t)n * cache->ops.slabs.blocks_per_slab, taken = (uint64_t)c.used + c.cached;
    if (taken <= room) return CLKV_OK;
    const uint64_t excess = taken - room;
    const uint32_t most = excess < c.cached ? (uint32_t)excess : c.cached;
    const clkv_status st = clkv_blocks_reserve_found(m, most);
    if (st == CLKV_OK) clkv_blocks_drop(m, m->found, clkv_pool_drop_cached(m->pool, most, m->found));
    return st;
}

/* Enqueues the copies of a compaction. */
static clkv_status copy_moves(clkv_cache *cache, const clkv_compaction *c, const clkv_events *events)
{
    const size_t bytes = c->n * sizeof *c->moves;
    const clkv_events none = { 0 };
    clkv_ring_slot *slot = NULL;
    clkv_status st = clkv_ring_acquire(&cache->ring, bytes, &slot);
    if (st != CLKV_OK) return st;
    memcpy(slot->host, c->moves, bytes);
    st = clkv_ring_submit(&cache->ring, slot, bytes, events->n_wait, events->wait, NULL);
    if (st == CLKV_OK) st = clkv_ops_copy(&cache->ops, slot, 0, c->n, &none);
    clkv_ring_release(&cache->ring, slot);
    return st;
}

/* Keeps the moves for the caller. */
static clkv_status keep_moves(clkv_cache *cache, uint32_t n)
{
    void *moves = cache->moves;
    if (clkv_grow(&moves, &cache->moves_capacity, n, sizeof *cache->moves))
        return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "a list of %u moves", (unsigned)n);
    cache->moves = moves;
    return CLKV_OK;
}

/* Moves blocks so that at most n slabs have any, as far as max_moves allows. */
static clkv_status compact(clkv_cache *cache, uint32_t n, uint32_t max_moves, const clkv_events *events)
{
    clkv_compaction c;
    clkv_status st = clkv_compact_plan(cache->manager, n, max_moves, &c);
    if (st != CLKV_OK) return st;
    st = keep_moves(cache, c.n);
    if (st == CLKV_OK && c.n) st = copy_moves(cache, &c, events);
    if (st == CLKV_OK && c.n) {
        memcpy(cache->moves, c.moves, c.n * sizeof *c.moves);
        cache->n_moves = c.n;
        clkv_compact_apply(cache->manager, &c);
    }
    clkv_compact_free(&c);
    return st;
}

/* Empty slabs are closed before anything moves into them. Blocks that are to be cleared are cleared before their memory
 * goes, and before a block moves to their place. */
static clkv_status shrink(clkv_cache *cache, const clkv_shrink_params *p, const clkv_events *events)
{
    const clkv_slabs *slabs = &cache->ops.slabs;
    const uint64_t keep = p->keep_bytes / slabs->slab_bytes;
    const int all = p->keep_bytes >= cache->params.memory_bytes; /* the last slab may be smaller than the others */
    const uint32_t n = all || keep >= slabs->n ? slabs->n : keep ? (uint32_t)keep : 1;
    const clkv_events first = { .n_wait = events->n_wait, .wait = events->wait };
    cache->n_moves = 0;
    clkv_status st = clkv_cache_clear(cache, &first);
    if (st != CLKV_OK) return st;
    clkv_growth_close_down_to(cache->manager, n);
    if ((uint32_t)__builtin_popcount(slabs->open) > n) {
        if (p->cached == CLKV_CACHED_EVICT) st = drop_cached(cache, n);
        if (st == CLKV_OK && cache->params.clear_freed) st = clkv_cache_clear(cache, &(clkv_events){ 0 });
        if (st == CLKV_OK) st = compact(cache, n, p->max_moves ? p->max_moves : UINT32_MAX, &first);
    }
    if (st == CLKV_OK) st = clkv_cache_clear(cache, events); /* with the wait list: the others may not have run */
    if (st == CLKV_OK) clkv_growth_close_down_to(cache->manager, n);
    return st;
}

static clkv_status check_shrink(const clkv_cache *cache, const clkv_shrink_params *p)
{
    if (p->cached != CLKV_CACHED_KEEP && p->cached != CLKV_CACHED_EVICT)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "cached is %d: none of clkv_cached", (int)p->cached);
    if (cache->params.growth == CLKV_GROWTH_AT_ONCE)
        return CLKV_FAIL(CLKV_ERROR_STATE, "the cache was created with CLKV_GROWTH_AT_ONCE");
    return clkv_device_check(cache->device);
}

clkv_status clkv_cache_shrink(clkv_cache *cache, const clkv_shrink_params *params, const clkv_block_copy **moves,
                              uint32_t *n_moves, cl_uint n_wait, const cl_event *wait, cl_event *event)
{
    if (moves) *moves = NULL;
    if (n_moves) *n_moves = 0;
    clkv_shrink_params own = CLKV_PARAMS_INIT(clkv_shrink_params);
    clkv_status st = params ? CLKV_PARAMS_READ(own, params) : CLKV_OK;
    if (st == CLKV_OK) st = cache ? check_shrink(cache, &own) : CLKV_FAIL(CLKV_ERROR_INVALID, "cache is NULL");
    if (st != CLKV_OK) return CLKV_PUBLIC(st);
    cl_event last = NULL; /* also when none is wanted: only a command looks at the wait list */
    const clkv_events events = { .n_wait = n_wait, .wait = wait, .event = event || n_wait ? &last : NULL };
    clkv_mutex_lock(&cache->lock);
    clkv_manager_lock(cache->manager);
    st = clkv_cache_done(cache, shrink(cache, &own, &events));
    if (moves) *moves = cache->moves;
    if (n_moves) *n_moves = cache->n_moves;
    clkv_manager_unlock(cache->manager);
    clkv_mutex_unlock(&cache->lock);
    if (st == CLKV_OK && event) {
        *event = last;
    } else {
        clkv_event_release(&last);
    }
    return CLKV_PUBLIC(st);
}
