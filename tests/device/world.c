/* world.c: a case brought to life; see world.h. SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include "content.h"
#include "warm_up.h"

#include "cache/state.h"

#include <clkv/ref.h>

#include <math.h>

/* Elements before and after the tensors: offsets must be honoured, and nothing written outside. */
enum { Q_OFFSET = 3, KV_OFFSET = 1, O_OFFSET = 5, LSE_OFFSET = 7, GUARD = 9 };

static void *allocate(size_t bytes)
{
    void *p = calloc(1, bytes ? bytes : 1);
    ck_assert_ptr_nonnull(p);
    return p;
}

static void make_host_data(world *w, uint32_t i, uint64_t *state)
{
    const test_case *c = w->c;
    const case_entry *e = &c->entries[i];
    const size_t per_k = (size_t)c->kv_heads * c->head_dim, per_v = (size_t)c->kv_heads * c->head_dim_v;
    w->k[i] = allocate(e->total * per_k * sizeof(float));
    w->v[i] = allocate(e->total * per_v * sizeof(float));
    w->k_in[i] = allocate(e->total * per_k * sizeof(float));
    w->v_in[i] = allocate(e->total * per_v * sizeof(float));
    w->q[i] = allocate((size_t)e->new_tokens * c->heads * c->head_dim * sizeof(float));
    w->tokens[i] = allocate(e->total * sizeof(uint32_t));
    content_fill(c, i, state, w->k_in[i], w->v_in[i], w->q[i]);
    for (uint32_t t = 0; t < e->total; t++) w->tokens[i][t] = (uint32_t)rng_next(state);
    if (e->from) { /* the history that it shares */
        memcpy(w->k_in[i], w->k_in[e->parent], e->shared * per_k * sizeof(float));
        memcpy(w->v_in[i], w->v_in[e->parent], e->shared * per_v * sizeof(float));
        memcpy(w->tokens[i], w->tokens[e->parent], e->shared * sizeof(uint32_t));
    }
    for (size_t j = 0; j < e->total * per_k; j++) w->k[i][j] = content_round(w->k_in[i][j], c->k_f16);
    for (size_t j = 0; j < e->total * per_v; j++) w->v[i][j] = content_round(w->v_in[i][j], c->v_f16);
}

/* A buffer with `before` elements, n values in the type asked for, and a guard; all else is NaN. */
static cl_mem make_buffer(const world *w, const float *values, size_t before, size_t n, int f16)
{
    const size_t all = before + n + GUARD, bytes = all * (f16 ? 2 : 4);
    void *host = allocate(bytes);
    memset(host, 0xff, bytes);
    for (size_t i = 0; values && i < n; i++) {
        if (f16)
            ((uint16_t *)host)[before + i] = clkv_ref_half(values[i]);
        else
            ((float *)host)[before + i] = values[i];
    }
    cl_int err;
    cl_mem mem =
        clCreateBuffer(clkv_device_context(clkv_cache_device(w->cache)), CL_MEM_COPY_HOST_PTR, bytes, host, &err);
    ck_assert_int_eq(err, CL_SUCCESS);
    free(host);
    return mem;
}

/* The n values, as float; what lies around them must still be NaN. */
static float *read_buffer(const world *w, cl_mem mem, size_t before, size_t n, int f16)
{
    const size_t all = before + n + GUARD, bytes = all * (f16 ? 2 : 4);
    void *host = allocate(bytes);
    float *values = allocate(n * sizeof(float));
    ck_assert_int_eq(clEnqueueReadBuffer(clkv_device_queue(clkv_cache_device(w->cache)), mem, CL_TRUE, 0, bytes,
                                         host, 0, NULL, NULL),
                     CL_SUCCESS);
    for (size_t i = 0; i < all; i++) {
        const float x = f16 ? clkv_ref_float(((uint16_t *)host)[i]) : ((float *)host)[i];
        if (i >= before && i < before + n)
            values[i - before] = x;
        else
            ck_assert_msg(isnan(x), "element %zu outside the tensor was written", i);
    }
    free(host);
    return values;
}

/* Enqueues the append of rows that lie one after the other on the host. */
static void append(world *w, const float *k, const float *v, size_t n_tokens)
{
    const test_case *c = w->c;
    clkv_append_params params = CLKV_PARAMS_INIT(clkv_append_params);
    params.layer = c->layer;
    params.k.type = params.v.type = c->in_f16 ? CLKV_F16 : CLKV_F32;
    params.k.mem = make_buffer(w, k, KV_OFFSET, n_tokens * c->kv_heads * c->head_dim, c->in_f16);
    params.v.mem = make_buffer(w, v, KV_OFFSET, n_tokens * c->kv_heads * c->head_dim_v, c->in_f16);
    params.k.offset = params.v.offset = KV_OFFSET;
    ck_ok(clkv_append(w->cache, w->batch, &params, 0, NULL, NULL));
    clReleaseMemObject(params.k.mem);
    clReleaseMemObject(params.v.mem);
}

/* Tokens [from, to) of an entry into the cache, for good. */
static void add_history(world *w, uint32_t i, uint32_t from, uint32_t to)
{
    const test_case *c = w->c;
    if (from == to) return;
    ck_ok(clkv_batch_clear(w->batch));
    ck_ok(clkv_batch_add(w->batch, w->sequences[i], w->tokens[i] + from, to - from, NULL));
    ck_ok(clkv_batch_reserve(w->batch));
    ck_ok(clkv_cache_upload(w->cache, w->batch, NULL, 0, NULL, NULL));
    append(w, w->k_in[i] + (size_t)from * c->kv_heads * c->head_dim,
           w->v_in[i] + (size_t)from * c->kv_heads * c->head_dim_v, to - from);
    ck_ok(clkv_batch_commit(w->batch));
}

static void make_sequence(world *w, uint32_t i)
{
    const case_entry *e = &w->c->entries[i];
    size_t have = 0;
    if (e->from == '<') {
        ck_ok(clkv_sequence_fork(&w->sequences[i], w->sequences[e->parent], 0));
        ck_ok(clkv_sequence_truncate(w->sequences[i], e->shared));
        have = e->shared;
    } else {
        clkv_sequence_params params = CLKV_PARAMS_INIT(clkv_sequence_params);
        params.tokens = e->from ? w->tokens[i] : NULL;
        params.n_tokens = e->from ? e->total : 0;
        ck_ok(clkv_sequence_create(&w->sequences[i], w->manager, &params, &have));
        ck_assert_uint_eq(have, e->from ? e->shared / w->c->block_size * w->c->block_size : 0);
    }
    add_history(w, i, (uint32_t)have, e->total - e->new_tokens);
}

static void fill_tile(unsigned char *tile, uint32_t bits, int f16, size_t n)
{
    const uint16_t half = (uint16_t)bits;
    for (size_t i = 0; i < n; i++)
        f16 ? memcpy(tile + 2 * i, &half, sizeof half) : memcpy(tile + 4 * i, &bits, sizeof bits);
}

/* A block in which every element is what unused slots hold. */
static void fill_block(const test_case *c, unsigned char *out)
{
    for (uint32_t i = 0; i < c->layers * c->kv_heads; i++) {
        const size_t k = (size_t)c->head_dim * c->block_size, v = (size_t)c->head_dim_v * c->block_size;
        fill_tile(out, content_rest(c, c->k_f16), c->k_f16, k);
        out += k * (c->k_f16 ? 2 : 4);
        fill_tile(out, content_rest(c, c->v_f16), c->v_f16, v);
        out += v * (c->v_f16 ? 2 : 4);
    }
}

/* Slots without a token, and block-table entries without a block, hold the worst there is. */
static void fill_rest(const world *w)
{
    const uint32_t nowhere = UINT32_MAX;
    const clkv_ops *ops = &w->cache->ops;
    const size_t slab_bytes = (size_t)ops->slabs.slab_bytes, block_bytes = slab_bytes / ops->slabs.blocks_per_slab;
    size_t bytes;
    cl_command_queue queue = clkv_device_queue(clkv_cache_device(w->cache));
    unsigned char *slab = allocate(slab_bytes);
    fill_block(w->c, slab);
    for (size_t at = block_bytes; at < slab_bytes; at += block_bytes) memcpy(slab + at, slab, block_bytes);
    for (uint32_t i = 0; i < ops->slabs.n; i++)
        ck_assert_int_eq(
            clEnqueueWriteBuffer(queue, ops->slabs.mem[i], CL_TRUE, 0, clkv_slabs_size(&ops->slabs, i), slab, 0, NULL, NULL),
            CL_SUCCESS);
    free(slab);
    ck_assert_int_eq(clGetMemObjectInfo(ops->rows, CL_MEM_SIZE, sizeof bytes, &bytes, NULL), CL_SUCCESS);
    ck_assert_int_eq(clEnqueueFillBuffer(queue, ops->rows, &nowhere, sizeof nowhere, 0,
                                         bytes / sizeof nowhere * sizeof nowhere, 0, NULL, NULL),
                     CL_SUCCESS);
    ck_assert_int_eq(clFinish(queue), CL_SUCCESS);
}

void world_open(world *w, const test_case *c, clkv_device *device)
{
    memset(w, 0, sizeof *w);
    w->c = c;
    w->scale = content_scale(c);
    uint32_t blocks = 3;
    for (uint32_t i = 0; i < c->n; i++) blocks += c->entries[i].total / c->block_size + 2;
    const uint32_t per_slab = (blocks + c->slabs - 1) / c->slabs;
    blocks = per_slab * c->slabs; /* exactly so many slabs, whatever the batch */
    clkv_cache_params params = CLKV_PARAMS_INIT(clkv_cache_params);
    params.layers = c->layers;
    params.heads = c->heads;
    params.kv_heads = c->kv_heads;
    params.head_dim = c->head_dim;
    params.head_dim_v = c->head_dim_v;
    params.k_type = c->k_f16 ? CLKV_F16 : CLKV_F32;
    params.v_type = c->v_f16 ? CLKV_F16 : CLKV_F32;
    params.blocks = blocks;
    params.block_size = c->block_size;
    params.shuffle_seed = c->seed;
    params.max_slab_bytes = clkv_cache_block_bytes(&params) * per_slab;
    params.growth = CLKV_GROWTH_AT_ONCE; /* fill_rest() fills them all */
    params.compile = CLKV_COMPILE_LATER;
    ck_ok(clkv_cache_create(&w->cache, device, &params));
    warm_up_for(w->cache, CLKV_OP_UPLOAD | CLKV_OP_APPEND | CLKV_OP_ATTENTION, type_bit(c->in_f16),
                type_bit(c->out_f16));
    fill_rest(w);
    w->manager = clkv_cache_manager(w->cache);
    ck_ok(clkv_batch_create(&w->batch, w->manager));
    uint64_t state = 0x9e3779b97f4a7c15u * (c->seed + 1u);
    for (uint32_t i = 0; i < c->n; i++) {
        make_host_data(w, i, &state);
        make_sequence(w, i);
    }
}

static void forget_results(world *w)
{
    for (uint32_t i = 0; i < CASE_ENTRIES; i++) {
        free(w->o[i]);
        free(w->lse[i]);
        w->o[i] = w->lse[i] = NULL;
    }
}

void world_close(world *w)
{
    clkv_batch_destroy(&w->batch);
    for (uint32_t i = 0; i < CASE_ENTRIES; i++) clkv_sequence_destroy(&w->sequences[i]);
    clkv_cache_destroy(&w->cache);
    forget_results(w);
    for (uint32_t i = 0; i < CASE_ENTRIES; i++) {
        free(w->k[i]);
        free(w->v[i]);
        free(w->k_in[i]);
        free(w->v_in[i]);
        free(w->q[i]);
        free(w->tokens[i]);
    }
}

void world_reserve(world *w, uint32_t which)
{
    ck_ok(clkv_batch_clear(w->batch));
    w->n_batch = 0;
    for (uint32_t i = 0; i < w->c->n; i++) {
        const case_entry *e = &w->c->entries[i];
        if (!(which >> i & 1)) continue;
        ck_ok(clkv_batch_add(w->batch, w->sequences[i], w->tokens[i] + e->total - e->new_tokens, e->new_tokens,
                             NULL));
        w->batch_of[w->n_batch++] = i;
    }
    ck_ok(clkv_batch_reserve(w->batch));
}

void world_rollback(world *w)
{
    ck_ok(clkv_batch_rollback(w->batch));
    ck_valid(clkv_manager_validate(w->manager));
}

void world_commit(world *w)
{
    ck_ok(clkv_batch_commit(w->batch));
    ck_valid(clkv_manager_validate(w->manager));
}

/* Rows of the batch's entries one after the other. `tail` takes the last new_tokens of each entry's total. */
static float *collect(const world *w, float *const *from, size_t per_token, int tail)
{
    float *all = allocate(clkv_batch_tokens(w->batch) * per_token * sizeof(float));
    size_t at = 0;
    for (uint32_t j = 0; j < w->n_batch; j++) {
        const case_entry *e = &w->c->entries[w->batch_of[j]];
        const float *src = from[w->batch_of[j]] + (tail ? (e->total - e->new_tokens) * per_token : 0);
        memcpy(all + at, src, e->new_tokens * per_token * sizeof(float));
        at += e->new_tokens * per_token;
    }
    return all;
}

static void attend(world *w)
{
    const test_case *c = w->c;
    const size_t n = clkv_batch_tokens(w->batch), per_o = (size_t)c->heads * c->head_dim_v;
    float *q = collect(w, w->q, (size_t)c->heads * c->head_dim, 0);
    clkv_attention_params params = CLKV_PARAMS_INIT(clkv_attention_params);
    params.layer = c->layer;
    params.scale = c->scale == 0.0f && w->scale == (float)(1 / sqrt(c->head_dim)) ? 0.0f : w->scale;
    params.q.type = c->in_f16 ? CLKV_F16 : CLKV_F32;
    params.o.type = c->out_f16 ? CLKV_F16 : CLKV_F32;
    params.q.mem = make_buffer(w, q, Q_OFFSET, n * c->heads * c->head_dim, c->in_f16);
    params.o.mem = make_buffer(w, NULL, O_OFFSET, n * per_o, c->out_f16);
    params.lse.mem = c->no_lse ? NULL : make_buffer(w, NULL, LSE_OFFSET, n * c->heads, 0);
    params.q.offset = Q_OFFSET;
    params.o.offset = O_OFFSET;
    params.lse.offset = LSE_OFFSET;
    ck_ok(clkv_attention(w->cache, w->batch, &params, 0, NULL, NULL));
    float *o = read_buffer(w, params.o.mem, O_OFFSET, n * per_o, c->out_f16);
    float *lse = c->no_lse ? NULL : read_buffer(w, params.lse.mem, LSE_OFFSET, n * c->heads, 0);
    forget_results(w);
    size_t at = 0;
    for (uint32_t j = 0; j < w->n_batch; j++) {
        const uint32_t i = w->batch_of[j], rows = c->entries[i].new_tokens;
        w->o[i] = allocate(rows * per_o * sizeof(float));
        memcpy(w->o[i], o + at * per_o, rows * per_o * sizeof(float));
        if (lse) {
            w->lse[i] = allocate(rows * c->heads * sizeof(float));
            memcpy(w->lse[i], lse + at * c->heads, rows * c->heads * sizeof(float));
        }
        at += rows;
    }
    clReleaseMemObject(params.q.mem);
    clReleaseMemObject(params.o.mem);
    if (params.lse.mem) clReleaseMemObject(params.lse.mem);
    free(q);
    free(o);
    free(lse);
}

void world_pass(world *w, uint32_t split_tokens, uint32_t parts, clkv_plan_info *info)
{
    clkv_upload_params params = CLKV_PARAMS_INIT(clkv_upload_params);
    params.visibility = w->c->non_causal ? CLKV_SEE_ALL : CLKV_SEE_CAUSAL;
    params.split_tokens = split_tokens;
    params.parts = parts;
    ck_ok(clkv_cache_upload(w->cache, w->batch, &params, 0, NULL, NULL));
    clkv_plan_info planned = CLKV_PARAMS_INIT(clkv_plan_info);
    ck_ok(clkv_cache_get_plan_info(w->cache, w->batch, &planned));
    w->chunk = planned.chunk;
    if (info) *info = planned;
    float *k = collect(w, w->k_in, (size_t)w->c->kv_heads * w->c->head_dim, 1);
    float *v = collect(w, w->v_in, (size_t)w->c->kv_heads * w->c->head_dim_v, 1);
    append(w, k, v, clkv_batch_tokens(w->batch));
    free(k);
    free(v);
    attend(w);
}

