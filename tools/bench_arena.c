/* bench_arena.c: see bench_arena.h. SPDX-License-Identifier: Apache-2.0 */
#include "bench_arena.h"

#include "clock.h"
#include "compiling.h"
#include "exit.h"
#include "random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FILL_TOKENS 1024u /* of a batch that fills a sequence */
#define SAMPLES     4u    /* rows compared with the C twin */

static size_t k_width(const bench_shape *s)
{
    return (size_t)s->kv_heads * s->head_dim;
}

static size_t v_width(const bench_shape *s)
{
    return (size_t)s->kv_heads * s->head_dim_v;
}

static float *random_floats(random_state *random, size_t n, float scale, int half)
{
    float *x = malloc(n * sizeof *x);
    for (size_t i = 0; x && i < n; i++) {
        x[i] = scale * random_signed(random);
        if (half) x[i] = clkv_ref_float(clkv_ref_half(x[i]));
    }
    return x;
}

int bench_noise_create(bench_noise *noise, clkv_device *device, const bench_shape *shape)
{
    const uint32_t tokens = shape->batch * shape->queries;
    random_state random = random_seed(1);
    noise->rows = tokens > 2 * FILL_TOKENS ? tokens : 2 * FILL_TOKENS;
    const size_t k_n = noise->rows * k_width(shape), v_n = noise->rows * v_width(shape);
    const size_t q_n = (size_t)tokens * shape->heads * shape->head_dim;
    const size_t o_n = (size_t)tokens * shape->heads * shape->head_dim_v;
    noise->k = random_floats(&random, k_n, 1.0f, shape->k_type == CLKV_F16);
    noise->v = random_floats(&random, v_n, 1.0f, shape->v_type == CLKV_F16);
    noise->q = random_floats(&random, q_n, 4.0f, 0); /* so that some keys weigh more than others */
    if (!noise->k || !noise->v || !noise->q)
        return tool_fail(EXIT_CHECK, "out of memory for keys, values and queries");
    const cl_context context = clkv_device_context(device);
    const cl_mem_flags in = CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR;
    cl_int err;
    noise->k_mem = clCreateBuffer(context, in, k_n * sizeof(float), noise->k, &err);
    if (err == CL_SUCCESS) noise->v_mem = clCreateBuffer(context, in, v_n * sizeof(float), noise->v, &err);
    if (err == CL_SUCCESS) noise->q_mem = clCreateBuffer(context, in, q_n * sizeof(float), noise->q, &err);
    if (err == CL_SUCCESS)
        noise->o_mem = clCreateBuffer(context, CL_MEM_WRITE_ONLY, o_n * sizeof(float), NULL, &err);
    if (err == CL_SUCCESS) return 0;
    return tool_fail(EXIT_CHECK, "no buffers for keys, values, queries and results: OpenCL error %d", err);
}

void bench_noise_destroy(bench_noise *noise)
{
    cl_mem *const mems[] = {&noise->k_mem, &noise->v_mem, &noise->q_mem, &noise->o_mem};
    for (size_t i = 0; i < sizeof mems / sizeof *mems; i++)
        if (*mems[i]) clReleaseMemObject(*mems[i]);
    free(noise->k);
    free(noise->v);
    free(noise->q);
    memset(noise, 0, sizeof *noise);
}

/* The row of noise that holds the token at `position` of a sequence. The last `queries` tokens are the
 * table's first rows, sequence by sequence; what came before was appended in fills of FILL_TOKENS. */
static uint32_t noise_row(const bench_shape *shape, const bench_noise *noise, uint32_t sequence, uint32_t position)
{
    const uint32_t history = shape->context - shape->queries;
    if (position >= history) return sequence * shape->queries + position - history;
    const uint32_t fill = position / FILL_TOKENS;
    return (sequence * 131 + fill * 17) % (noise->rows - FILL_TOKENS + 1) + position % FILL_TOKENS;
}

/* The same rows into every layer. */
static int enqueue_append(bench_arena *a, uint32_t first_row)
{
    clkv_append_params params = {
        .size = sizeof params,
        .k = {.mem = a->noise->k_mem, .offset = first_row * k_width(a->shape)},
        .v = {.mem = a->noise->v_mem, .offset = first_row * v_width(a->shape)},
    };
    clkv_status status = CLKV_OK;
    for (; params.layer < a->shape->layers && status == CLKV_OK; params.layer++)
        status = clkv_append(a->cache, a->batch, &params, 0, NULL, NULL);
    return status == CLKV_OK ? 0 : tool_fail_status(status, "append");
}

/* Sequence after sequence, so that in order of first use each gets neighbouring blocks. */
static int fill_sequence(bench_arena *a, uint32_t sequence)
{
    const uint32_t history = a->shape->context - a->shape->queries;
    clkv_status status;
    for (uint32_t at = 0; at < history; at += FILL_TOKENS) {
        const uint32_t n = history - at < FILL_TOKENS ? history - at : FILL_TOKENS;
        if ((status = clkv_batch_add(a->batch, a->sequences[sequence], NULL, n, NULL)) != CLKV_OK ||
            (status = clkv_batch_reserve(a->batch)) != CLKV_OK ||
            (status = clkv_cache_upload(a->cache, a->batch, NULL, 0, NULL, NULL)) != CLKV_OK)
            return tool_fail_status(status, "filling sequence %u", sequence);
        const int code = enqueue_append(a, noise_row(a->shape, a->noise, sequence, at));
        if (code) return code;
        if ((status = clkv_batch_commit(a->batch)) != CLKV_OK || (status = clkv_batch_clear(a->batch)) != CLKV_OK)
            return tool_fail_status(status, "filling sequence %u", sequence);
    }
    return 0;
}

static int make_cache(bench_arena *a, clkv_device *device, int shuffled)
{
    const bench_shape *s = a->shape;
    const uint64_t blocks = (uint64_t)s->batch * ((s->context + s->block_size - 1) / s->block_size);
    if (blocks > INT32_MAX) return tool_fail(EXIT_USAGE, "%llu blocks are too many", (unsigned long long)blocks);
    const uint32_t tokens = s->batch * s->queries;
    const clkv_cache_params params = {
        .size = sizeof params,
        .layers = s->layers,
        .heads = s->heads,
        .kv_heads = s->kv_heads,
        .head_dim = s->head_dim,
        .head_dim_v = s->head_dim_v,
        .k_type = s->k_type,
        .v_type = s->v_type,
        .blocks = (uint32_t)blocks,
        .block_size = s->block_size,
        .max_sequences = s->batch,
        .max_context = s->context,
        .shuffle_seed = shuffled ? 1 : 0,
        .prefix = CLKV_PREFIX_OFF,
        .max_batch_tokens = tokens > FILL_TOKENS ? tokens : FILL_TOKENS,
        .compile = CLKV_COMPILE_LATER,
    };
    clkv_status status = clkv_cache_create(&a->cache, device, &params);
    if (status == CLKV_OK)
        status = compile_kernels(a->cache, CLKV_OP_UPLOAD | CLKV_OP_APPEND | CLKV_OP_ATTENTION);
    if (status == CLKV_OK) status = clkv_batch_create(&a->batch, clkv_cache_manager(a->cache));
    if (status != CLKV_OK) return tool_fail_status(status, "making a cache of %u blocks", params.blocks);
    a->sequences = calloc(s->batch, sizeof *a->sequences);
    if (!a->sequences) return tool_fail(EXIT_CHECK, "out of memory");
    const clkv_sequence_params sequence = {.size = sizeof sequence, .prefix = CLKV_PREFIX_OFF};
    for (uint32_t i = 0; i < s->batch; i++) {
        status = clkv_sequence_create(&a->sequences[i], clkv_cache_manager(a->cache), &sequence, NULL);
        if (status != CLKV_OK) return tool_fail_status(status, "making sequence %u", i);
    }
    return 0;
}

/* The batch whose attention is measured: `queries` new tokens of each sequence. */
static int upload_batch(bench_arena *a, cl_command_queue queue)
{
    const bench_shape *s = a->shape;
    const clkv_upload_params params = {
        .size = sizeof params, .visibility = s->causal ? CLKV_SEE_CAUSAL : CLKV_SEE_ALL, .parts = s->parts};
    clkv_status status = CLKV_OK;
    for (uint32_t i = 0; i < s->batch && status == CLKV_OK; i++)
        status = clkv_batch_add(a->batch, a->sequences[i], NULL, s->queries, NULL);
    if (status == CLKV_OK) status = clkv_batch_reserve(a->batch);
    if (status != CLKV_OK) return tool_fail_status(status, "reserving the batch");
    clFinish(queue);
    const double start = clock_seconds();
    status = clkv_cache_upload(a->cache, a->batch, &params, 0, NULL, NULL);
    if (status != CLKV_OK) return tool_fail_status(status, "uploading the batch");
    clFinish(queue);
    const double uploaded = clock_seconds();
    const int code = enqueue_append(a, 0);
    if (code) return code;
    const cl_int err = clFinish(queue);
    if (err != CL_SUCCESS) return tool_fail(EXIT_CHECK, "append: OpenCL error %d", err);
    a->upload_ms = (uploaded - start) * 1e3;
    a->append_ms = (clock_seconds() - uploaded) * 1e3;
    a->plan.size = sizeof a->plan;
    status = clkv_cache_get_plan_info(a->cache, a->batch, &a->plan);
    return status == CLKV_OK ? 0 : tool_fail_status(status, "asking for the plan");
}

int bench_arena_create(bench_arena *arena, clkv_device *device, const bench_shape *shape, const bench_noise *noise,
                       int shuffled)
{
    *arena = (bench_arena){.shape = shape, .noise = noise};
    int code = make_cache(arena, device, shuffled);
    for (uint32_t i = 0; i < shape->batch && !code; i++) code = fill_sequence(arena, i);
    return code ? code : upload_batch(arena, clkv_device_queue(device));
}

void bench_arena_destroy(bench_arena *arena)
{
    clkv_batch_destroy(&arena->batch);
    for (uint32_t i = 0; arena->sequences && i < arena->shape->batch; i++)
        clkv_sequence_destroy(&arena->sequences[i]);
    clkv_cache_destroy(&arena->cache);
    free(arena->sequences);
    memset(arena, 0, sizeof *arena);
}

double bench_arena_attention(bench_arena *arena)
{
    clkv_attention_params params = {
        .size = sizeof params, .q = {.mem = arena->noise->q_mem}, .o = {.mem = arena->noise->o_mem}};
    const cl_command_queue queue = clkv_device_queue(clkv_cache_device(arena->cache));
    const double start = clock_seconds();
    clkv_status status = CLKV_OK;
    for (; params.layer < arena->shape->layers && status == CLKV_OK; params.layer++)
        status = clkv_attention(arena->cache, arena->batch, &params, 0, NULL, NULL);
    if (status != CLKV_OK) {
        tool_fail_status(status, "attention");
        return -1;
    }
    const cl_int err = clFinish(queue);
    if (err == CL_SUCCESS) return (clock_seconds() - start) / arena->shape->layers;
    tool_fail(EXIT_CHECK, "attention: OpenCL error %d", err);
    return -1;
}

/* Compares one query of one sequence; k and v have room for its context. */
static double row_error(const bench_arena *a, uint32_t sequence, uint32_t query, float *k, float *v,
                        float *expected, float *got)
{
    const bench_shape *s = a->shape;
    const size_t o_row = (size_t)s->heads * s->head_dim_v;
    for (uint32_t p = 0; p < s->context; p++) {
        const uint32_t row = noise_row(s, a->noise, sequence, p);
        memcpy(k + p * k_width(s), a->noise->k + row * k_width(s), k_width(s) * sizeof(float));
        memcpy(v + p * v_width(s), a->noise->v + row * v_width(s), v_width(s) * sizeof(float));
    }
    const clkv_ref_attention_params params = {
        .size = sizeof params,
        .q_len = s->queries,
        .kv_len = s->context,
        .heads = s->heads,
        .kv_heads = s->kv_heads,
        .head_dim = s->head_dim,
        .head_dim_v = s->head_dim_v,
        .causal = s->causal,
        .q = a->noise->q + (size_t)sequence * s->queries * s->heads * s->head_dim,
        .k = k,
        .v = v,
        .o = expected,
        .row_first = query,
        .row_count = 1,
    };
    const clkv_status status = clkv_ref_attention(&params);
    if (status != CLKV_OK) {
        tool_fail_status(status, "the C twin");
        return -1;
    }
    const size_t at = ((size_t)sequence * s->queries + query) * o_row * sizeof(float);
    const cl_int err = clEnqueueReadBuffer(clkv_device_queue(clkv_cache_device(a->cache)), a->noise->o_mem, CL_TRUE,
                                           at, o_row * sizeof(float), got, 0, NULL, NULL);
    if (err != CL_SUCCESS) {
        tool_fail(EXIT_CHECK, "reading results: OpenCL error %d", err);
        return -1;
    }
    double worst = 0;
    for (size_t i = 0; i < o_row; i++) {
        const double diff = fabs((double)got[i] - expected[query * o_row + i]);
        if (!(diff <= worst)) worst = diff;
        if (isnan(worst)) break;
    }
    return worst;
}

double bench_arena_error(bench_arena *arena)
{
    const bench_shape *s = arena->shape;
    const size_t o_row = (size_t)s->heads * s->head_dim_v;
    float *k = malloc(s->context * k_width(s) * sizeof *k);
    float *v = malloc(s->context * v_width(s) * sizeof *v);
    float *expected = malloc(s->queries * o_row * sizeof *expected), *got = malloc(o_row * sizeof *got);
    double worst = 0;
    if (!k || !v || !expected || !got) {
        tool_fail(EXIT_CHECK, "out of memory for the comparison");
        worst = -1;
    }
    for (uint32_t i = 0; i < SAMPLES && worst >= 0; i++) { /* the first and the last of both, and between */
        const uint32_t sequence = (uint32_t)((uint64_t)(s->batch - 1) * i / (SAMPLES - 1));
        const uint32_t query = (uint32_t)((uint64_t)(s->queries - 1) * i / (SAMPLES - 1));
        const double error = row_error(arena, sequence, query, k, v, expected, got);
        if (error < 0 || !(error <= worst)) worst = error; /* NaN ends the loop and is the answer */
    }
    free(k);
    free(v);
    free(expected);
    free(got);
    return worst;
}
