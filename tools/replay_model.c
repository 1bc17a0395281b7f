/* replay_model.c: see replay_model.h. Up to SLOTS steps are under way; a step that finds its slot taken waits
 * for the step that took it, and looks at the rows which that one sampled.
 *
 *   step n ──▶ slots[n % SLOTS]: staging of ids and positions, sampled rows, event at the end of the step
 *
 * q, k, v and o are one buffer each: the queue is in order, so a later step overwrites them only when an
 * earlier one is through. SPDX-License-Identifier: Apache-2.0 */
#include "replay_model.h"

#include "exit.h"
#include "replay_rows.h"
#include "replay_scheduler.h"

#include <clkv/append.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    SLOTS = 4,          /* steps under way */
    SAMPLES = 2,        /* rows compared in a step that is checked */
    CHECKED_FIRST = 64, /* these steps are checked each, */
    CHECKED_EVERY = 64, /* later ones every so often */
    GROUP_SIZE = 64,    /* work-items; fixed, since some compilers build once per size */
};

/* A row of O, of one layer and the query heads of one KV head. */
typedef struct sample {
    float *got, *wanted; /* [group][head_dim] */
} sample;

typedef struct slot {
    cl_uint2 *staging;   /* (token id, position) of the step's tokens */
    cl_event done;       /* NULL = not in use */
    sample samples[SAMPLES];
    uint32_t n_samples;
} slot;

struct replay_model {
    replay_model_params params;
    cl_context context;      /* all of these belong to the cache's device */
    cl_command_queue queue;
    cl_program program;
    cl_kernel make_qkv;
    cl_mem tokens, q, k, v, o;
    slot slots[SLOTS];
    replay_rows *rows;       /* the reference; NULL without check */
    uint64_t steps, random;
    uint64_t rows_checked;
    double max_abs_error;
};

/* One work-item per element of Q, K and V. The arithmetic is the same as in replay_rows.c, and exact. */
static const char source[] =
    "uint mix(uint x)\n"
    "{\n"
    "    x ^= x >> 16; x *= 0x7feb352du; x ^= x >> 15; x *= 0x846ca68bu; x ^= x >> 16;\n"
    "    return x;\n"
    "}\n"
    "__kernel void make_qkv(__global const uint2 *tokens, uint n, uint layer, uint seed,\n"
    "                       __global float *q, __global float *k, __global float *v)\n"
    "{\n"
    "    uint i = (uint)get_global_id(0), row = HEADS + 2 * KV_HEADS;\n"
    "    uint token = i / (row * HEAD_DIM), element = i % (row * HEAD_DIM), head = element / HEAD_DIM;\n"
    "    if (token >= n) return;\n"
    "    uint base = mix(tokens[token].x ^ mix(tokens[token].y ^ mix(layer ^ seed)));\n"
    "    float x = (float)((int)(mix(base ^ mix(element)) >> 21) - 1024) * 0.0009765625f;\n"
    "    uint dim = element % HEAD_DIM;\n"
    "    if (head < HEADS) q[(token * HEADS + head) * HEAD_DIM + dim] = 8.0f * x;\n"
    "    else if (head < HEADS + KV_HEADS) k[(token * KV_HEADS + head - HEADS) * HEAD_DIM + dim] = x;\n"
    "    else v[(token * KV_HEADS + head - HEADS - KV_HEADS) * HEAD_DIM + dim] = x;\n"
    "}\n";

static int fail_driver(cl_int error, const char *call)
{
    return tool_fail(error == CL_MEM_OBJECT_ALLOCATION_FAILURE ? EXIT_USAGE : EXIT_CHECK, "%s failed: %d", call,
                     (int)error);
}

static int build_program(replay_model *m)
{
    const replay_shape *shape = &m->params.shape;
    cl_device_id device = clkv_device_id(clkv_cache_device(m->params.cache));
    const char *text = source;
    char options[96], log[1024] = "";
    cl_int error;
    m->program = clCreateProgramWithSource(m->context, 1, &text, NULL, &error);
    if (error) return fail_driver(error, "clCreateProgramWithSource");
    snprintf(options, sizeof options,
             "-cl-std=CL1.2 -DHEADS=%" PRIu32 "u -DKV_HEADS=%" PRIu32 "u -DHEAD_DIM=%" PRIu32 "u",
             shape->heads, shape->kv_heads, shape->head_dim);
    error = clBuildProgram(m->program, 1, &device, options, NULL, NULL);
    if (error) {
        clGetProgramBuildInfo(m->program, device, CL_PROGRAM_BUILD_LOG, sizeof log - 1, log, NULL);
        return tool_fail(EXIT_NO_DEVICE, "the device's compiler refuses the model's kernel: clBuildProgram gave %d: %s",
                         (int)error, log);
    }
    m->make_qkv = clCreateKernel(m->program, "make_qkv", &error);
    return error ? fail_driver(error, "clCreateKernel") : 0;
}

static int create_buffers(replay_model *m)
{
    const replay_shape *shape = &m->params.shape;
    size_t row = (size_t)m->params.batch_tokens * shape->head_dim * sizeof(float);
    const struct { cl_mem *buffer; size_t bytes; } wanted[] = {
        { &m->tokens, m->params.batch_tokens * sizeof(cl_uint2) },
        { &m->q, row * shape->heads }, { &m->k, row * shape->kv_heads },
        { &m->v, row * shape->kv_heads }, { &m->o, row * shape->heads },
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        cl_int error;
        *wanted[i].buffer = clCreateBuffer(m->context, CL_MEM_READ_WRITE, wanted[i].bytes, NULL, &error);
        if (error)
            return tool_fail(EXIT_USAGE,
                             "the device gives no buffer of %zu bytes for the model's tensors (%d); use a smaller "
                             "--chunk", wanted[i].bytes, (int)error);
    }
    return 0;
}

static int create_slots(replay_model *m)
{
    const replay_shape *shape = &m->params.shape;
    size_t row = (size_t)(shape->heads / shape->kv_heads) * shape->head_dim;
    for (size_t i = 0; i < SLOTS; i++) {
        slot *s = &m->slots[i];
        bool good = (s->staging = malloc(m->params.batch_tokens * sizeof *s->staging)) != NULL;
        for (size_t j = 0; j < SAMPLES && m->params.check; j++) {
            s->samples[j].got = malloc(row * sizeof(float));
            s->samples[j].wanted = malloc(row * sizeof(float));
            good = good && s->samples[j].got && s->samples[j].wanted;
        }
        if (!good) return tool_fail(EXIT_CHECK, "out of memory for the model");
    }
    return 0;
}

int replay_model_create(replay_model **out, const replay_model_params *params)
{
    const replay_shape *shape = &params->shape;
    replay_model *m = calloc(1, sizeof *m);
    int code = 0;
    if (!m) return tool_fail(EXIT_CHECK, "out of memory for the model");
    m->params = *params;
    m->random = params->seed | 1;
    m->context = clkv_device_context(clkv_cache_device(params->cache));
    m->queue = clkv_device_queue(clkv_cache_device(params->cache));
    if ((uint64_t)params->batch_tokens * (shape->heads + 2 * shape->kv_heads) * shape->head_dim > UINT32_MAX)
        code = tool_fail(EXIT_USAGE, "--chunk %" PRIu32 " is too large for this shape", params->batch_tokens);
    if (!code) code = build_program(m);
    if (!code) code = create_buffers(m);
    if (!code) code = create_slots(m);
    if (!code && params->check) {
        m->rows = replay_rows_create(shape->heads, shape->kv_heads, shape->head_dim, (uint32_t)params->seed,
                                     params->context);
        if (!m->rows) code = tool_fail(EXIT_CHECK, "out of memory for the reference");
    }
    if (code) replay_model_destroy(&m);
    else *out = m;
    return code;
}

void replay_model_destroy(replay_model **model)
{
    replay_model *m = *model;
    if (!m) return;
    clFinish(m->queue);
    for (size_t i = 0; i < SLOTS; i++) {
        slot *s = &m->slots[i];
        if (s->done) clReleaseEvent(s->done);
        for (size_t j = 0; j < SAMPLES; j++) {
            free(s->samples[j].got);
            free(s->samples[j].wanted);
        }
        free(s->staging);
    }
    const cl_mem buffers[] = { m->tokens, m->q, m->k, m->v, m->o };
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        if (buffers[i]) clReleaseMemObject(buffers[i]);
    if (m->make_qkv) clReleaseKernel(m->make_qkv);
    if (m->program) clReleaseProgram(m->program);
    replay_rows_destroy(&m->rows);
    free(m);
    *model = NULL;
}

/* xorshift64*: the choice of the rows that are compared. */
static uint32_t pick(replay_model *m, uint32_t below)
{
    m->random ^= m->random >> 12;
    m->random ^= m->random << 25;
    m->random ^= m->random >> 27;
    return (uint32_t)((m->random * UINT64_C(0x2545f4914f6cdd1d)) >> 33) % below;
}

/* Waits for the step that holds the slot, and compares what it sampled. */
static int settle(replay_model *m, slot *s)
{
    const replay_shape *shape = &m->params.shape;
    size_t n = (size_t)(shape->heads / shape->kv_heads) * shape->head_dim;
    if (!s->done) return 0;
    cl_int error = clWaitForEvents(1, &s->done);
    clReleaseEvent(s->done);
    s->done = NULL;
    if (error) return fail_driver(error, "clWaitForEvents");
    for (uint32_t i = 0; i < s->n_samples; i++) {
        double worst = replay_rows_error(s->samples[i].got, s->samples[i].wanted, n);
        if (worst > m->max_abs_error) m->max_abs_error = worst;
        m->rows_checked++;
    }
    s->n_samples = 0;
    return 0;
}

/* Sends the step's token ids and positions. */
static int send_tokens(replay_model *m, slot *s, const clkv_batch_entry *entries, uint32_t n)
{
    uint32_t tokens = 0;
    for (uint32_t e = 0; e < n; e++) {
        const replay_job *job = (const replay_job *)(uintptr_t)clkv_sequence_user_data(entries[e].sequence);
        uint32_t before = entries[e].context - entries[e].new_tokens;
        for (uint32_t i = 0; i < entries[e].new_tokens; i++)
            s->staging[entries[e].first + i] = (cl_uint2){ .s = { job->history[before + i], before + i } };
        tokens += entries[e].new_tokens;
    }
    cl_int error = clEnqueueWriteBuffer(m->queue, m->tokens, CL_FALSE, 0, tokens * sizeof *s->staging,
                                        s->staging, 0, NULL, NULL);
    return error ? fail_driver(error, "clEnqueueWriteBuffer") : 0;
}

static int make_tensors(replay_model *m, uint32_t layer, uint32_t tokens)
{
    const replay_shape *shape = &m->params.shape;
    cl_uint n = tokens, at = layer, seed = (cl_uint)m->params.seed;
    const struct { size_t bytes; const void *value; } args[] = {
        { sizeof(cl_mem), &m->tokens }, { sizeof n, &n }, { sizeof at, &at }, { sizeof seed, &seed },
        { sizeof(cl_mem), &m->q }, { sizeof(cl_mem), &m->k }, { sizeof(cl_mem), &m->v },
    };
    for (cl_uint i = 0; i < sizeof args / sizeof *args; i++) {
        cl_int error = clSetKernelArg(m->make_qkv, i, args[i].bytes, args[i].value);
        if (error) return fail_driver(error, "clSetKernelArg");
    }
    size_t items = (size_t)tokens * (shape->heads + 2 * shape->kv_heads) * shape->head_dim, group = GROUP_SIZE;
    items = (items + group - 1) / group * group;
    cl_int error = clEnqueueNDRangeKernel(m->queue, m->make_qkv, 1, NULL, &items, &group, 0, NULL, NULL);
    return error ? fail_driver(error, "clEnqueueNDRangeKernel") : 0;
}

/* Reads a row of this layer's O back, and computes what it should be while the device works. */
static int take_sample(replay_model *m, slot *s, uint32_t layer, const clkv_batch_entry *entries, uint32_t n)
{
    const replay_shape *shape = &m->params.shape;
    const clkv_batch_entry *entry = &entries[pick(m, n)];
    const replay_job *job = (const replay_job *)(uintptr_t)clkv_sequence_user_data(entry->sequence);
    uint32_t row = pick(m, entry->new_tokens), kv_head = pick(m, shape->kv_heads);
    uint32_t position = entry->context - entry->new_tokens + row, group = shape->heads / shape->kv_heads;
    sample *taken = &s->samples[s->n_samples];
    size_t at = ((size_t)(entry->first + row) * shape->heads + (size_t)kv_head * group) * shape->head_dim;
    cl_int error = clEnqueueReadBuffer(m->queue, m->o, CL_FALSE, at * sizeof(float),
                                       (size_t)group * shape->head_dim * sizeof(float), taken->got, 0, NULL, NULL);
    if (error) return fail_driver(error, "clEnqueueReadBuffer");
    clFlush(m->queue);
    clkv_status status = replay_rows_compute(m->rows, job->history, position, layer, kv_head, taken->wanted);
    if (status) return tool_fail_status(status, "the reference");
    s->n_samples++;
    return 0;
}

static int run_layers(replay_model *m, slot *s, clkv_batch *batch, const clkv_batch_entry *entries, uint32_t n)
{
    clkv_append_params append = CLKV_PARAMS_INIT(clkv_append_params);
    clkv_attention_params attention = CLKV_PARAMS_INIT(clkv_attention_params);
    bool check = m->params.check && (m->steps < CHECKED_FIRST || m->steps % CHECKED_EVERY == 0);
    uint32_t sampled[SAMPLES];
    for (uint32_t i = 0; i < SAMPLES; i++) sampled[i] = check ? pick(m, m->params.shape.layers) : UINT32_MAX;
    append.k.mem = m->k;
    append.v.mem = m->v;
    attention.q.mem = m->q;
    attention.o.mem = m->o;
    for (uint32_t layer = 0; layer < m->params.shape.layers; layer++) {
        int code = make_tensors(m, layer, clkv_batch_tokens(batch));
        if (code) return code;
        append.layer = attention.layer = layer;
        clkv_status status = clkv_append(m->params.cache, batch, &append, 0, NULL, NULL);
        if (status) return tool_fail_status(status, "append, step %" PRIu64, m->steps + 1);
        status = clkv_attention(m->params.cache, batch, &attention, 0, NULL, NULL);
        if (status) return tool_fail_status(status, "attention, step %" PRIu64, m->steps + 1);
        for (uint32_t i = 0; i < SAMPLES && !code; i++)
            if (sampled[i] == layer) code = take_sample(m, s, layer, entries, n);
        if (code) return code;
    }
    return 0;
}

int replay_model_step(void *user, clkv_batch *batch)
{
    replay_model *m = user;
    slot *s = &m->slots[m->steps % SLOTS];
    const clkv_batch_entry *entries;
    uint32_t n;
    int code = settle(m, s);
    if (code) return code;
    clkv_batch_get_entries(batch, &entries, &n);
    clkv_status status = clkv_cache_upload(m->params.cache, batch, NULL, 0, NULL, NULL);
    if (status) return tool_fail_status(status, "upload, step %" PRIu64, m->steps + 1);
    code = send_tokens(m, s, entries, n);
    if (!code) code = run_layers(m, s, batch, entries, n);
    if (code) return code;
    cl_int error = clEnqueueMarkerWithWaitList(m->queue, 0, NULL, &s->done);
    if (error) return fail_driver(error, "clEnqueueMarkerWithWaitList");
    clFlush(m->queue);
    m->steps++;
    return 0;
}

int replay_model_finish(void *user)
{
    replay_model *m = user;
    cl_int error = clFinish(m->queue);
    int code = error ? fail_driver(error, "clFinish") : 0;
    for (size_t i = 0; i < SLOTS; i++) {
        int settled = settle(m, &m->slots[i]);
        if (!code) code = settled;
    }
    return code;
}

void replay_model_check(const replay_model *model, uint64_t *rows, double *max_abs_error)
{
    *rows = model->rows_checked;
    *max_abs_error = model->max_abs_error;
}
