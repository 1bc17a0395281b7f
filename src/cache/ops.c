/* cache_ops.c: the public operations: checks what the caller hands in, locks, and enqueues.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cache/state.h"

#include "core/blocks.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/params.h"
#include "device/buffer.h"

#include <clkv/append.h>
#include <clkv/attention.h>
#include <clkv/copy.h>
#include <clkv/gather.h>

#include <math.h>
#include <string.h>

/* A tensor of n elements from its offset on: right type, buffer large enough. */
static clkv_status check_tensor(const char *name, clkv_tensor *t, uint64_t n)
{
    if (t->type == CLKV_TYPE_DEFAULT) t->type = CLKV_F32;
    if (t->type != CLKV_F32 && t->type != CLKV_F16)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "%s: type %d is neither CLKV_F32 nor CLKV_F16", name, (int)t->type);
    if (!t->mem) return CLKV_FAIL(CLKV_ERROR_INVALID, "%s is NULL", name);
    size_t bytes = 0;
    const clkv_status st = clkv_buffer_bytes(t->mem, &bytes, name);
    if (st != CLKV_OK) return st;
    const uint64_t room = bytes / (t->type == CLKV_F16 ? 2 : 4);
    if (t->offset > room || n > room - t->offset)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "%s: %llu elements from %zu on, but the buffer holds %llu", name,
                         (unsigned long long)n, t->offset, (unsigned long long)room);
    return CLKV_OK;
}

static clkv_status check_layer(const clkv_cache *cache, uint32_t layer)
{
    if (layer >= cache->params.layers)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "layer %u of %u", (unsigned)layer, (unsigned)cache->params.layers);
    return CLKV_OK;
}

clkv_status clkv_append(clkv_cache *cache, clkv_batch *batch, const clkv_append_params *params, cl_uint n_wait,
                        const cl_event *wait, cl_event *event)
{
    clkv_append_params own;
    clkv_status st = CLKV_PARAMS_READ(own, params);
    if (st != CLKV_OK) return CLKV_PUBLIC(st);
    params = &own;
    if (!cache || !batch) return CLKV_FAIL(CLKV_ERROR_INVALID, "%s is NULL", cache ? "batch" : "cache");
    clkv_tensor k = { params->k, params->k_offset, params->type };
    clkv_tensor v = { params->v, params->v_offset, params->type };
    const clkv_events events = { .n_wait = n_wait, .wait = wait, .event = event };
    const clkv_cache_params *p = &cache->params;
    pthread_mutex_lock(&cache->lock);
    clkv_upload *upload = NULL;
    st = clkv_cache_upload_of(cache, batch, &upload);
    if (st == CLKV_OK) st = check_layer(cache, params->layer);
    if (st == CLKV_OK) st = check_tensor("k", &k, (uint64_t)upload->packed.n_tokens * p->kv_heads * p->head_dim);
    if (st == CLKV_OK) st = check_tensor("v", &v, (uint64_t)upload->packed.n_tokens * p->kv_heads * p->head_dim_v);
    if (st == CLKV_OK) st = clkv_ops_append(&cache->ops, &upload->packed, params->layer, &k, &v, &events);
    clkv_cache_done(cache, st);
    pthread_mutex_unlock(&cache->lock);
    return CLKV_PUBLIC(st);
}

clkv_status clkv_attention(clkv_cache *cache, clkv_batch *batch, const clkv_attention_params *params,
                           cl_uint n_wait, const cl_event *wait, cl_event *event)
{
    clkv_attention_params own;
    clkv_status st = CLKV_PARAMS_READ(own, params);
    if (st != CLKV_OK) return CLKV_PUBLIC(st);
    params = &own;
    if (!cache || !batch) return CLKV_FAIL(CLKV_ERROR_INVALID, "%s is NULL", cache ? "batch" : "cache");
    if (!isfinite(params->scale)) return CLKV_FAIL(CLKV_ERROR_INVALID, "scale is not finite");
    clkv_tensor q = { params->q, params->q_offset, params->q_type };
    clkv_tensor o = { params->o, params->o_offset, params->o_type };
    clkv_tensor lse = { params->lse, params->lse_offset, CLKV_F32 };
    const clkv_events events = { .n_wait = n_wait, .wait = wait, .event = event };
    const clkv_cache_params *p = &cache->params;
    const float scale = params->scale != 0.0f ? params->scale : 1.0f / sqrtf((float)p->head_dim);
    pthread_mutex_lock(&cache->lock);
    clkv_upload *upload = NULL;
    st = clkv_cache_upload_of(cache, batch, &upload);
    if (st == CLKV_OK) st = check_layer(cache, params->layer);
    const uint64_t rows = st == CLKV_OK ? (uint64_t)upload->packed.n_tokens * p->heads : 0;
    if (st == CLKV_OK) st = check_tensor("q", &q, rows * p->head_dim);
    if (st == CLKV_OK) st = check_tensor("o", &o, rows * p->head_dim_v);
    if (st == CLKV_OK && lse.mem) st = check_tensor("lse", &lse, rows);
    if (st == CLKV_OK)
        st = clkv_ops_attention(&cache->ops, &upload->packed, params->layer, scale, &q, &o, &lse, &events);
    clkv_cache_done(cache, st);
    pthread_mutex_unlock(&cache->lock);
    return CLKV_PUBLIC(st);
}

/* Two bits per block of the pool: is a source, is a target. */
static clkv_status check_copies(const clkv_cache *cache, const clkv_block_copy *copies, uint32_t n)
{
    const uint32_t blocks = cache->params.blocks;
    for (uint32_t i = 0; i < n; i++) {
        if (copies[i].from >= blocks || copies[i].to >= blocks)
            return CLKV_FAIL(CLKV_ERROR_INVALID, "copy %u: block %u to %u, but there are %u", (unsigned)i,
                             (unsigned)copies[i].from, (unsigned)copies[i].to, (unsigned)blocks);
    }
    uint8_t *seen = clkv_alloc(blocks);
    if (!seen) return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "%u bytes", (unsigned)blocks);
    clkv_status st = CLKV_OK;
    for (uint32_t i = 0; i < n; i++) {
        seen[copies[i].from] |= 1;
        if (seen[copies[i].to] & 2)
            st = CLKV_FAIL(CLKV_ERROR_INVALID, "block %u is a target twice", (unsigned)copies[i].to);
        seen[copies[i].to] |= 2;
    }
    for (uint32_t i = 0; i < n && st == CLKV_OK; i++) {
        if (seen[copies[i].to] == 3)
            st = CLKV_FAIL(CLKV_ERROR_INVALID, "block %u is source and target", (unsigned)copies[i].to);
    }
    clkv_free(seen, blocks);
    return st;
}

clkv_status clkv_copy_blocks(clkv_cache *cache, uint32_t group, const clkv_block_copy *copies, uint32_t n,
                             cl_uint n_wait, const cl_event *wait, cl_event *event)
{
    if (!cache || (n && !copies)) return CLKV_FAIL(CLKV_ERROR_INVALID, "%s is NULL", cache ? "copies" : "cache");
    clkv_status st = clkv_blocks_check_group(group);
    if (st == CLKV_OK) st = check_copies(cache, copies, n);
    if (st != CLKV_OK) return CLKV_PUBLIC(st);
    const clkv_events after = { .event = event };
    pthread_mutex_lock(&cache->lock);
    if (n == 0) {
        st = clkv_stream_launch(&cache->ops.stream, "clkv_copy", NULL, 0, 1, n_wait, wait, event);
    } else {
        clkv_ring_slot *slot = NULL;
        st = clkv_ring_acquire(&cache->ring, n * sizeof *copies, &slot);
        if (st == CLKV_OK) {
            memcpy(slot->host, copies, n * sizeof *copies);
            st = clkv_ring_submit(&cache->ring, slot, n * sizeof *copies, n_wait, wait, NULL);
        }
        if (st == CLKV_OK) st = clkv_ops_copy(&cache->ops, slot, 0, n, &after);
        clkv_ring_release(&cache->ring, slot);
    }
    clkv_cache_done(cache, st);
    pthread_mutex_unlock(&cache->lock);
    return CLKV_PUBLIC(st);
}

/* The range that is asked for, and whether it is there. */
static clkv_status check_range(const clkv_sequence *sequence, const clkv_gather_params *params, uint32_t *n)
{
    const size_t length = clkv_sequence_length(sequence);
    if (params->first > length || params->count > length - params->first)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "positions [%u, %llu) of %zu", (unsigned)params->first,
                         (unsigned long long)params->first + params->count, length);
    *n = params->count ? params->count : (uint32_t)(length - params->first);
    return CLKV_OK;
}

clkv_status clkv_gather(clkv_cache *cache, const clkv_sequence *sequence, const clkv_gather_params *params,
                        cl_uint n_wait, const cl_event *wait, cl_event *event)
{
    clkv_gather_params own;
    clkv_status st = CLKV_PARAMS_READ(own, params);
    if (st != CLKV_OK) return CLKV_PUBLIC(st);
    params = &own;
    if (!cache || !sequence) return CLKV_FAIL(CLKV_ERROR_INVALID, "%s is NULL", cache ? "sequence" : "cache");
    const clkv_cache_params *p = &cache->params;
    clkv_tensor k = { params->k, params->k_offset, params->type };
    clkv_tensor v = { params->v, params->v_offset, params->type };
    if (!k.mem && !v.mem) return CLKV_FAIL(CLKV_ERROR_INVALID, "neither k nor v is wanted");
    const clkv_events events = { .n_wait = n_wait, .wait = wait, .event = event };
    uint32_t n = 0, row = 0;
    pthread_mutex_lock(&cache->lock);
    st = check_range(sequence, params, &n);
    if (st == CLKV_OK) st = check_layer(cache, params->layer);
    if (st == CLKV_OK && k.mem) st = check_tensor("k", &k, (uint64_t)n * p->kv_heads * p->head_dim);
    if (st == CLKV_OK && v.mem) st = check_tensor("v", &v, (uint64_t)n * p->kv_heads * p->head_dim_v);
    if (st == CLKV_OK) st = clkv_cache_sync_row(cache, sequence, &row);
    if (st == CLKV_OK) st = clkv_ops_gather(&cache->ops, row, params->layer, params->first, n, &k, &v, &events);
    clkv_cache_done(cache, st);
    pthread_mutex_unlock(&cache->lock);
    return CLKV_PUBLIC(st);
}
