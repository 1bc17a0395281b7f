/* cache.c: creates a cache from a block manager, slabs and a stream, and destroys it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cache/state.h"

#include "core/batch.h"
#include "core/error.h"
#include "core/log.h"
#include "core/manager.h"
#include "core/memory.h"
#include "core/params.h"
#include "device/buffer.h"
#include "device/device.h"
#include "device/process.h"
#include "ops/kernel.h"

#include <string.h>

static clkv_status create_rows(clkv_cache *cache)
{
    const clkv_cache_params *p = &cache->params;
    cache->ops.row_stride = (p->max_context + p->block_size - 1) / p->block_size;
    cache->ops.rows_bytes = (size_t)cache->ops.row_stride * p->max_sequences * sizeof(cl_uint);
    return clkv_buffer_create(&cache->ops.rows, cache->device, cache->ops.rows_bytes, "block tables");
}

static clkv_status set_shape(clkv_cache *cache)
{
    const clkv_cache_params *p = &cache->params;
    clkv_ops *ops = &cache->ops;
    const clkv_shape shape = { p->layers, p->heads, p->kv_heads, p->head_dim, p->head_dim_v, p->block_size, p->k_type, p->v_type };
    ops->device = cache->device;
    ops->shape = shape;
    ops->tuning = *clkv_device_tuning(cache->device);
    ops->tile_tokens = clkv_ops_tile_tokens(ops);
    clkv_device_info info = CLKV_PARAMS_INIT(clkv_device_info);
    const clkv_status st = clkv_device_get_info(cache->device, &info);
    ops->compute_units = info.compute_units;
    return st;
}

/* Compiles the kernels, unless params.compile is CLKV_COMPILE_LATER. */
static clkv_status compile(clkv_cache *cache)
{
    clkv_warm_up_params all = CLKV_PARAMS_INIT(clkv_warm_up_params);
    if (cache->params.compile == CLKV_COMPILE_LATER) return CLKV_OK;
    all.on_progress = cache->params.on_progress;
    all.user = cache->params.user;
    return clkv_cache_compile(cache, &all);
}

/* The slabs, all or the first one, and the manager, which then knows them. */
static clkv_status create_blocks(clkv_cache *cache)
{
    const clkv_cache_params *p = &cache->params;
    const clkv_manager_params manager = clkv_cache_manager_params(p);
    const int grows = p->growth != CLKV_GROWTH_AT_ONCE;
    const clkv_status st = clkv_slabs_create(&cache->ops.slabs, cache->device, p->blocks, clkv_cache_block_bytes(p),
                                             p->max_slab_bytes, grows ? 1 : CLKV_POOL_SLABS);
    if (st != CLKV_OK) return st;
    const clkv_growth_hooks hooks = clkv_cache_growth_hooks(cache);
    return clkv_manager_create_growing(&cache->manager, &manager, grows && cache->ops.slabs.n > 1 ? &hooks : NULL);
}

static clkv_status create(clkv_cache **out, clkv_device *device, const clkv_cache_params *params)
{
    if (!out) return CLKV_FAIL(CLKV_ERROR_INVALID, "out is NULL");
    clkv_cache_params resolved;
    clkv_status st = clkv_cache_resolve(device, params, &resolved);
    if (st != CLKV_OK) return st;
    clkv_cache *cache = clkv_alloc(sizeof *cache);
    if (!cache) return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "%zu bytes", sizeof *cache);
    cache->device = clkv_device_ref(device);
    cache->params = resolved;
    if (clkv_mutex_init(&cache->lock) != 0) {
        st = CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "no mutex");
        goto fail;
    }
    cache->has_lock = 1;
    if ((st = set_shape(cache)) != CLKV_OK) goto fail;
    if ((st = clkv_programs_of(&cache->ops.programs, device)) != CLKV_OK) goto fail;
    clkv_stream_init(&cache->ops.stream, device);
    if ((st = clkv_watch_create(&cache->watch)) != CLKV_OK) goto fail;
    cache->ops.stream.watch = cache->watch;
    clkv_ring_init(&cache->ring, &cache->ops.stream);
    if ((st = create_blocks(cache)) != CLKV_OK) goto fail;
    if ((st = create_rows(cache)) != CLKV_OK) goto fail;
    if ((st = clkv_ops_reserve_parts(&cache->ops, 0)) != CLKV_OK) goto fail;
    if ((st = compile(cache)) != CLKV_OK) goto fail;
    clkv_log(CLKV_LOG_INFO, "cache: %u blocks of %u tokens, %llu bytes in %u slab%s, %llu bytes now",
             (unsigned)resolved.blocks, (unsigned)resolved.block_size, (unsigned long long)resolved.memory_bytes,
             (unsigned)cache->ops.slabs.n, cache->ops.slabs.n == 1 ? "" : "s",
             (unsigned long long)clkv_slabs_bytes(&cache->ops.slabs));
    *out = cache;
    return CLKV_OK;
fail:
    clkv_cache_destroy(&cache);
    return st;
}

clkv_status clkv_cache_create(clkv_cache **out, clkv_device *device, const clkv_cache_params *params)
{
    return CLKV_PUBLIC(create(out, device, params));
}

/* Detaches the uploads from the batches, which may outlive the cache. */
static void end_uploads(clkv_cache *c)
{
    clkv_manager_lock(c->manager);
    clkv_batch_drop_device_states(c->manager);
    if (c->ops.slabs.n && c->params.clear_freed && !clkv_process_forked()) clkv_cache_clear_all(c);
    clkv_manager_unlock(c->manager);
}

void clkv_cache_destroy(clkv_cache **cache)
{
    if (!cache || !*cache) return;
    clkv_cache *c = *cache;
    *cache = NULL;
    if (c->manager) end_uploads(c);
    if (c->ops.stream.queue) clkv_stream_finish(&c->ops.stream);
    clkv_manager_destroy(&c->manager);
    while (c->live) {
        clkv_upload *upload = c->live;
        c->live = upload->next;
        clkv_cache_free_upload(upload);
    }
    clkv_free(c->moves, c->moves_capacity * sizeof *c->moves);
    clkv_watch_destroy(&c->watch);
    clkv_ring_destroy(&c->ring);
    clkv_ops_free(&c->ops);
    clkv_slabs_destroy(&c->ops.slabs);
    if (c->has_lock) clkv_mutex_destroy(&c->lock);
    clkv_device_unref(c->device);
    clkv_free(c, sizeof *c);
}

clkv_manager *clkv_cache_manager(clkv_cache *cache)
{
    return cache ? cache->manager : NULL;
}

clkv_device *clkv_cache_device(clkv_cache *cache)
{
    return cache ? cache->device : NULL;
}

void clkv_cache_begin(clkv_cache *cache, clkv_upload *upload)
{
    cache->ops.stream.set = &upload->failure;
}

clkv_status clkv_cache_done(clkv_cache *cache, clkv_status st)
{
    cache->ops.stream.set = NULL;
    if (st == CLKV_ERROR_DEVICE_LOST && !cache->lost)
        clkv_log(CLKV_LOG_ERROR, "device lost: %s", clkv_last_error()->message);
    if (st == CLKV_ERROR_DEVICE_LOST || st == CLKV_OK) cache->lost = st != CLKV_OK;
    return st;
}

static clkv_status fill(clkv_cache *cache, uint8_t byte)
{
    if (!cache) return CLKV_FAIL(CLKV_ERROR_INVALID, "cache is NULL");
    clkv_status st = clkv_device_check(cache->device);
    if (st != CLKV_OK) return st;
    clkv_mutex_lock(&cache->lock);
    const clkv_slabs *slabs = &cache->ops.slabs;
    for (uint32_t i = 0; i < slabs->n && st == CLKV_OK; i++)
        if (slabs->open >> i & 1) st = clkv_stream_fill(&cache->ops.stream, slabs->mem[i], byte, clkv_slabs_size(slabs, i));
    clkv_cache_done(cache, st);
    clkv_mutex_unlock(&cache->lock);
    return st;
}

clkv_status clkv_cache_fill(clkv_cache *cache, uint8_t byte)
{
    return CLKV_PUBLIC(fill(cache, byte));
}

static clkv_status get_stats(clkv_cache *cache, clkv_stats *out)
{
    if (!cache) return CLKV_FAIL(CLKV_ERROR_INVALID, "cache is NULL");
    const clkv_status st = clkv_device_check(cache->device);
    if (st != CLKV_OK) return st;
    clkv_stats all;
    clkv_mutex_lock(&cache->lock);
    clkv_manager_lock(cache->manager);
    clkv_manager_stats_locked(cache->manager, &all);
    clkv_manager_unlock(cache->manager);
    all.device_bytes = clkv_slabs_bytes(&cache->ops.slabs) + clkv_ops_bytes(&cache->ops) +
                       clkv_ring_bytes(&cache->ring);
    all.uploaded_bytes = cache->uploaded_bytes;
    all.uploads = cache->uploads;
    all.blocks_cleared = cache->blocks_cleared;
    clkv_mutex_unlock(&cache->lock);
    return CLKV_PARAMS_WRITE(out, all);
}

clkv_status clkv_cache_get_stats(clkv_cache *cache, clkv_stats *out)
{
    return CLKV_PUBLIC(get_stats(cache, out));
}
