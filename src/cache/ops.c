/* ops.c: the public operations: check the arguments, lock the cache, and enqueue.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cache/state.h"

#include "cache/tensor.h"
#include "core/blocks.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/params.h"
#include "device/device.h"

#include <clkv/append.h>
#include <clkv/attention.h>
#include <clkv/copy.h>
#include <clkv/gather.h>

#include <math.h>
#include <string.h>

/* Checks K and V of an append or a gather; in a gather one of them may be absent. */
static clkv_status check_pair(const clkv_cache *cache, clkv_tensor *k, clkv_tensor *v, uint32_t tokens, int writes)
{
    const clkv_cache_params *p = &cache->params;
    const clkv_tensor_use k_use = { "k", tokens, p->kv_heads, p->head_dim, .writes = writes };
    const clkv_tensor_use v_use = { "v", tokens, p->kv_heads, p->head_dim_v, .writes = writes };
    clkv_buffer_facts k_facts, v_facts;
    const int want_k = !writes || k->mem, want_v = !writes || v->mem;
    clkv_status st = want_k ? clkv_tensor_check(k, &k_facts, &k_use, cache->device) : CLKV_OK;
    if (st == CLKV_OK && want_v) st = clkv_tensor_check(v, &v_facts, &v_use, cache->device);
    if (st != CLKV_OK || !want_k || !want_v) return st;
    if (k->type != v->type) return CLKV_FAIL(CLKV_ERROR_UNSUPPORTED, "k and v are of different types");
    return writes ? clkv_tensor_check_apart(k, &k_facts, &k_use, v, &v_facts, &v_use) : CLKV_OK;
}

static clkv_status check_layer(const clkv_cache *cache, uint32_t layer)
{
    if (layer >= cache->params.layers)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "layer %u of %u", (unsigned)layer, (unsigned)cache->params.layers);
    return CLKV_OK;
}

static clkv_status append(clkv_cache *cache, clkv_batch *batch, const clkv_append_params *params,
                          const clkv_events *events)
{
    clkv_append_params p;
    clkv_status st = CLKV_PARAMS_READ(p, params);
    if (st != CLKV_OK) return st;
    if (!cache || !batch) return CLKV_FAIL(CLKV_ERROR_INVALID, "%s is NULL", cache ? "batch" : "cache");
    if ((st = clkv_device_check(cache->device)) != CLKV_OK) return st;
    clkv_mutex_lock(&cache->lock);
    clkv_upload *upload = NULL;
    st = clkv_cache_upload_of(cache, batch, &upload);
    if (st == CLKV_OK) st = check_layer(cache, p.layer);
    if (st == CLKV_OK) st = check_pair(cache, &p.k, &p.v, upload->packed.n_tokens, 0);
    if (st == CLKV_OK) {
        clkv_cache_begin(cache, upload);
        st = clkv_ops_append(&cache->ops, &upload->packed, p.layer, &p.k, &p.v, events);
    }
    if (st == CLKV_OK) clkv_cache_note_append(upload, p.layer);
    clkv_cache_done(cache, st);
    clkv_mutex_unlock(&cache->lock);
    return st;
}

clkv_status clkv_append(clkv_cache *cache, clkv_batch *batch, const clkv_append_params *params, cl_uint n_wait,
                        const cl_event *wait, cl_event *event)
{
    const clkv_events events = { .n_wait = n_wait, .wait = wait, .event = event };
    return CLKV_PUBLIC(append(cache, batch, params, &events));
}

/* Checks Q, O and, if wanted, the log-sum-exp. */
static clkv_status check_triple(const clkv_cache *cache, clkv_attention_params *a, uint32_t tokens)
{
    const clkv_cache_params *p = &cache->params;
    const clkv_tensor_use q_use = { "q", tokens, p->heads, p->head_dim, .writes = 0 };
    const clkv_tensor_use o_use = { "o", tokens, p->heads, p->head_dim_v, .writes = 1 };
    const clkv_tensor_use lse_use = { "lse", tokens, p->heads, 1, .writes = 1, .only_f32 = 1 };
    clkv_buffer_facts q, o, lse;
    clkv_status st = clkv_tensor_check(&a->q, &q, &q_use, cache->device);
    if (st == CLKV_OK) st = clkv_tensor_check(&a->o, &o, &o_use, cache->device);
    if (st == CLKV_OK) st = clkv_tensor_check_apart(&a->o, &o, &o_use, &a->q, &q, &q_use);
    if (st != CLKV_OK || !a->lse.mem) return st;
    st = clkv_tensor_check(&a->lse, &lse, &lse_use, cache->device);
    if (st == CLKV_OK) st = clkv_tensor_check_apart(&a->lse, &lse, &lse_use, &a->q, &q, &q_use);
    if (st == CLKV_OK) st = clkv_tensor_check_apart(&a->lse, &lse, &lse_use, &a->o, &o, &o_use);
    return st;
}

static clkv_status attention(clkv_cache *cache, clkv_batch *batch, const clkv_attention_params *params,
                             clkv_events *events)
{
    clkv_attention_params p;
    clkv_status st = CLKV_PARAMS_READ(p, params);
    if (st != CLKV_OK) return st;
    if (!cache || !batch) return CLKV_FAIL(CLKV_ERROR_INVALID, "%s is NULL", cache ? "batch" : "cache");
    if (!isfinite(p.scale)) return CLKV_FAIL(CLKV_ERROR_INVALID, "scale is not finite");
    if ((st = clkv_device_check(cache->device)) != CLKV_OK) return st;
    events->first = p.first_event;
    if (p.scale == 0.0f) p.scale = 1.0f / sqrtf((float)cache->params.head_dim);
    clkv_mutex_lock(&cache->lock);
    clkv_upload *upload = NULL;
    st = clkv_cache_upload_of(cache, batch, &upload);
    if (st == CLKV_OK) st = check_layer(cache, p.layer);
    if (st == CLKV_OK) st = check_triple(cache, &p, upload->packed.n_tokens);
    if (st == CLKV_OK) {
        clkv_cache_begin(cache, upload);
        st = clkv_ops_attention(&cache->ops, &upload->packed, p.layer, p.scale, &p.q, &p.o, &p.lse, events);
    }
    clkv_cache_done(cache, st);
    clkv_mutex_unlock(&cache->lock);
    return st;
}

clkv_status clkv_attention(clkv_cache *cache, clkv_batch *batch, const clkv_attention_params *params,
                           cl_uint n_wait, const cl_event *wait, cl_event *event)
{
    clkv_events events = { .n_wait = n_wait, .wait = wait, .event = event };
    return CLKV_PUBLIC(attention(cache, batch, params, &events));
}

/* Checks copies with two bits per block of the pool: the block is a source, the block is a target. */
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

/* In the place of a slab that is closed is another one. */
static clkv_status check_open(const clkv_cache *cache, const clkv_block_copy *copies, uint32_t n)
{
    const clkv_slabs *slabs = &cache->ops.slabs;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t from = copies[i].from, to = copies[i].to;
        const int open = slabs->open >> from / slabs->blocks_per_slab & slabs->open >> to / slabs->blocks_per_slab & 1;
        if (!open)
            return CLKV_FAIL(CLKV_ERROR_STATE, "copy %u, of block %u to %u: the memory of a block is not there", (unsigned)i,
                             (unsigned)from, (unsigned)to);
    }
    return CLKV_OK;
}

static clkv_status copy_blocks(clkv_cache *cache, uint32_t group, const clkv_block_copy *copies, uint32_t n,
                               const clkv_events *events)
{
    if (!cache || (n && !copies)) return CLKV_FAIL(CLKV_ERROR_INVALID, "%s is NULL", cache ? "copies" : "cache");
    clkv_status st = clkv_device_check(cache->device);
    if (st == CLKV_OK) st = clkv_blocks_check_group(group);
    if (st == CLKV_OK) st = check_copies(cache, copies, n);
    if (st != CLKV_OK) return st;
    const clkv_events after = { .event = events->event };
    const size_t bytes = n * sizeof *copies;
    clkv_mutex_lock(&cache->lock);
    if ((st = check_open(cache, copies, n)) != CLKV_OK) {
        /* nothing is enqueued */
    } else if (n == 0) {
        st = clkv_stream_launch(&cache->ops.stream, "clkv_copy", NULL, 0, 1, events->n_wait, events->wait,
                                events->event);
    } else {
        clkv_ring_slot *slot = NULL;
        st = clkv_ring_acquire(&cache->ring, bytes, &slot);
        if (st == CLKV_OK) {
            memcpy(slot->host, copies, bytes);
            st = clkv_ring_submit(&cache->ring, slot, bytes, events->n_wait, events->wait, NULL);
        }
        if (st == CLKV_OK) st = clkv_ops_copy(&cache->ops, slot, 0, n, &after);
        clkv_ring_release(&cache->ring, slot);
    }
    clkv_cache_done(cache, st);
    clkv_mutex_unlock(&cache->lock);
    return st;
}

clkv_status clkv_copy_blocks(clkv_cache *cache, uint32_t group, const clkv_block_copy *copies, uint32_t n,
                             cl_uint n_wait, const cl_event *wait, cl_event *event)
{
    const clkv_events events = { .n_wait = n_wait, .wait = wait, .event = event };
    return CLKV_PUBLIC(copy_blocks(cache, group, copies, n, &events));
}

/* Sets the range that is asked for, and checks that the sequence has it. */
static clkv_status check_range(const clkv_sequence *sequence, const clkv_gather_params *params, uint32_t *n)
{
    const size_t length = clkv_sequence_length(sequence);
    if (params->first > length || params->count > length - params->first)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "positions [%u, %llu) of %zu", (unsigned)params->first,
                         (unsigned long long)params->first + params->count, length);
    *n = params->count ? params->count : (uint32_t)(length - params->first);
    return CLKV_OK;
}

static clkv_status gather(clkv_cache *cache, const clkv_sequence *sequence, const clkv_gather_params *params,
                          clkv_events *events)
{
    clkv_gather_params p;
    clkv_status st = CLKV_PARAMS_READ(p, params);
    if (st != CLKV_OK) return st;
    if (!cache || !sequence) return CLKV_FAIL(CLKV_ERROR_INVALID, "%s is NULL", cache ? "sequence" : "cache");
    if (!p.k.mem && !p.v.mem) return CLKV_FAIL(CLKV_ERROR_INVALID, "neither k nor v is wanted");
    if ((st = clkv_device_check(cache->device)) != CLKV_OK) return st;
    uint32_t n = 0, row = 0;
    clkv_mutex_lock(&cache->lock);
    st = check_range(sequence, &p, &n);
    if (st == CLKV_OK) st = check_layer(cache, p.layer);
    if (st == CLKV_OK) st = check_pair(cache, &p.k, &p.v, n, 1);
    if (st == CLKV_OK) st = clkv_cache_sync_row(cache, sequence, &row, &events->after);
    if (st == CLKV_OK) st = clkv_ops_gather(&cache->ops, row, p.layer, p.first, n, &p.k, &p.v, events);
    clkv_event_release(&events->after);
    clkv_cache_done(cache, st);
    clkv_mutex_unlock(&cache->lock);
    return st;
}

clkv_status clkv_gather(clkv_cache *cache, const clkv_sequence *sequence, const clkv_gather_params *params,
                        cl_uint n_wait, const cl_event *wait, cl_event *event)
{
    clkv_events events = { .n_wait = n_wait, .wait = wait, .event = event };
    return CLKV_PUBLIC(gather(cache, sequence, params, &events));
}
