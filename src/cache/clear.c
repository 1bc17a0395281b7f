/* clear.c: clears freed blocks without an upload. SPDX-License-Identifier: Apache-2.0 */
#include "cache/state.h"

#include "core/blocks.h"
#include "core/error.h"
#include "core/log.h"
#include "device/device.h"

#include <string.h>

clkv_status clkv_cache_clear(clkv_cache *cache, const clkv_events *events)
{
    clkv_uncleared *u = &cache->manager->uncleared;
    if (u->n == 0)
        return clkv_stream_launch(&cache->ops.stream, "clkv_clear", NULL, 0, 1, events->n_wait, events->wait,
                                  events->event);
    const size_t bytes = u->n * sizeof *u->list;
    const clkv_events after = { .event = events->event };
    clkv_ring_slot *slot = NULL;
    clkv_status st = clkv_ring_acquire(&cache->ring, bytes, &slot);
    if (st != CLKV_OK) return st;
    memcpy(slot->host, u->list, bytes);
    st = clkv_ring_submit(&cache->ring, slot, bytes, events->n_wait, events->wait, NULL);
    if (st == CLKV_OK) st = clkv_ops_clear(&cache->ops, slot, 0, u->n, &after);
    clkv_ring_release(&cache->ring, slot);
    if (st != CLKV_OK) return st;
    cache->blocks_cleared += u->n;
    clkv_uncleared_drop_last(u, u->n);
    return CLKV_OK;
}

void clkv_cache_clear_all(clkv_cache *cache)
{
    const clkv_events none = { 0 };
    clkv_blocks_unclear_all(cache->manager);
    if (clkv_cache_clear(cache, &none) != CLKV_OK)
        clkv_log(CLKV_LOG_ERROR, "cache: blocks could not be cleared: %s", clkv_last_error()->message);
}

static clkv_status clear_freed(clkv_cache *cache, const clkv_events *events)
{
    if (!cache) return CLKV_FAIL(CLKV_ERROR_INVALID, "cache is NULL");
    if (!cache->params.clear_freed) return CLKV_FAIL(CLKV_ERROR_STATE, "the cache was made without clear_freed");
    clkv_status st = clkv_device_check(cache->device);
    if (st != CLKV_OK) return st;
    clkv_mutex_lock(&cache->lock);
    clkv_manager_lock(cache->manager);
    st = clkv_cache_done(cache, clkv_cache_clear(cache, events));
    clkv_manager_unlock(cache->manager);
    clkv_mutex_unlock(&cache->lock);
    return st;
}

clkv_status clkv_cache_clear_freed(clkv_cache *cache, cl_uint n_wait, const cl_event *wait, cl_event *event)
{
    const clkv_events events = { .n_wait = n_wait, .wait = wait, .event = event };
    return CLKV_PUBLIC(clear_freed(cache, &events));
}
