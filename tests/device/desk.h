/* desk.h: a cache with a batch, and short ways to let stories (story.h) grow in it, for tests of what lies where.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TESTS_DESK_H
#define CLKV_TESTS_DESK_H

#include "../leftovers.h"
#include "raw.h"
#include "story.h"
#include "targets.h"
#include "warm_up.h"

typedef struct desk {
    clkv_device *device;
    clkv_cache *cache;
    clkv_manager *manager;
    clkv_batch *batch;
} desk;

/* The params have the size of the pool; the model is the stories'. Every slab that is there is filled with 0xff. */
static inline void desk_open(desk *d, clkv_device *device, clkv_cache_params params, uint32_t operations)
{
    story_shape(&params);
    params.compile = CLKV_COMPILE_LATER;
    *d = (desk){.device = device};
    ck_ok(clkv_cache_create(&d->cache, device, &params));
    warm_up_for(d->cache, operations | CLKV_OP_UPLOAD | CLKV_OP_APPEND | CLKV_OP_GATHER, 0, 0);
    ck_ok(clkv_cache_fill(d->cache, 0xff));
    d->manager = clkv_cache_manager(d->cache);
    ck_ok(clkv_batch_create(&d->batch, d->manager));
}

static inline void desk_close(desk *d)
{
    ck_valid(clkv_manager_validate(d->manager));
    destroy_leftovers(d->manager);
    clkv_cache_destroy(&d->cache);
}

static inline cl_mem buffer_of(const desk *d, float *data, size_t floats)
{
    cl_int err = CL_SUCCESS;
    cl_mem mem =
        clCreateBuffer(clkv_device_context(d->device), CL_MEM_COPY_HOST_PTR, floats * sizeof *data, data, &err);
    ck_assert_int_eq(err, CL_SUCCESS);
    return mem;
}

static inline void reserve(desk *d, story *s, uint32_t n)
{
    ck_ok(clkv_batch_add(d->batch, s->sequence, s->tokens + s->n, n, NULL));
    ck_ok(clkv_batch_reserve(d->batch));
}

/* Uploads a reserved batch of one story and appends its n tokens in every layer. */
static inline void write(desk *d, const story *s, uint32_t n)
{
    static float k[STORY_TOKENS * STORY_KV_HEADS * STORY_DIM], v[STORY_TOKENS * STORY_KV_HEADS * STORY_DIM_V];
    ck_ok(clkv_cache_upload(d->cache, d->batch, NULL, 0, NULL, NULL));
    for (uint32_t layer = 0; layer < STORY_LAYERS; layer++) {
        story_rows(s, s->n, n, layer, k, v);
        clkv_append_params params = CLKV_PARAMS_INIT(clkv_append_params);
        params.layer = layer;
        params.k.mem = buffer_of(d, k, (size_t)n * STORY_KV_HEADS * STORY_DIM);
        params.v.mem = buffer_of(d, v, (size_t)n * STORY_KV_HEADS * STORY_DIM_V);
        ck_ok(clkv_append(d->cache, d->batch, &params, 0, NULL, NULL));
        clReleaseMemObject(params.k.mem);
        clReleaseMemObject(params.v.mem);
    }
}

static inline void grow(desk *d, story *s, uint32_t n)
{
    reserve(d, s, n);
    write(d, s, n);
    ck_ok(clkv_batch_commit(d->batch));
    s->n += n;
}

/* A story of its own, begun with n tokens. */
static inline story begin_story(desk *d, uint32_t number, uint32_t n, int no_prefix)
{
    story s = {.n = 0};
    for (uint32_t i = 0; i < STORY_TOKENS; i++) s.tokens[i] = number * 1000 + i;
    clkv_sequence_params params = CLKV_PARAMS_INIT(clkv_sequence_params);
    params.tokens = s.tokens;
    params.n_tokens = STORY_TOKENS;
    params.prefix = no_prefix ? CLKV_PREFIX_OFF : CLKV_PREFIX_ON;
    size_t have = 0;
    ck_ok(clkv_sequence_create(&s.sequence, d->manager, &params, &have));
    s.n = (uint32_t)have;
    if (n > have) grow(d, &s, n - (uint32_t)have);
    return s;
}

/* Everything of a story is where it should be. */
static inline void check_story(const desk *d, const story *s)
{
    enum { K = STORY_TOKENS * STORY_KV_HEADS * STORY_DIM, V = STORY_TOKENS * STORY_KV_HEADS * STORY_DIM_V };
    static float k[K], v[V], right_k[K], right_v[V];
    const size_t nk = (size_t)s->n * STORY_KV_HEADS * STORY_DIM, nv = (size_t)s->n * STORY_KV_HEADS * STORY_DIM_V;
    for (uint32_t layer = 0; layer < STORY_LAYERS; layer++) {
        clkv_gather_params params = CLKV_PARAMS_INIT(clkv_gather_params);
        params.layer = layer;
        params.k.mem = buffer_of(d, k, nk);
        params.v.mem = buffer_of(d, v, nv);
        ck_ok(clkv_gather(d->cache, s->sequence, &params, 0, NULL, NULL));
        raw_read(d->device, params.k.mem, k, nk * sizeof *k);
        raw_read(d->device, params.v.mem, v, nv * sizeof *v);
        clReleaseMemObject(params.k.mem);
        clReleaseMemObject(params.v.mem);
        story_rows(s, 0, s->n, layer, right_k, right_v);
        ck_assert_mem_eq(k, right_k, nk * sizeof *k);
        ck_assert_mem_eq(v, right_v, nv * sizeof *v);
    }
}

#endif
