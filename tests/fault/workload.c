/* workload.c: see workload.h. Numbers of sequences and lengths are chosen so that every path is taken: the
 * transcript's length says so (the test of it is in test_calls.c). SPDX-License-Identifier: Apache-2.0 */
#include "workload.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    LAYERS = 2, HEADS = 4, KV_HEADS = 2, HEAD_DIM = 16, BLOCK_SIZE = 4, BLOCKS = 48, MAX_CONTEXT = 128,
    MAX_TOKENS = 96, /* of a batch */
};

/* ---- what the caller of the library does for itself ---- */

static void record(workload *w, const void *data, size_t bytes)
{
    if (w->bytes + bytes > w->capacity) {
        w->capacity = 2 * (w->bytes + bytes);
        w->transcript = realloc(w->transcript, w->capacity);
        ck_assert_ptr_nonnull(w->transcript);
    }
    memcpy(w->transcript + w->bytes, data, bytes);
    w->bytes += bytes;
}

/* In [-1, 1), a function of what it belongs to alone: equal tokens at equal positions have equal keys. */
static float value_of(uint32_t kind, uint32_t token, uint32_t position, uint32_t element)
{
    uint32_t x = kind * 0x9e3779b9u ^ token * 0x85ebca6bu ^ position * 0xc2b2ae35u ^ element * 0x27d4eb2fu;
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    x ^= x >> 16;
    return (float)(x >> 8) / 8388608.0f - 1.0f;
}

static uint32_t token_of(uint32_t text, size_t position)
{
    return text * 100003u + (uint32_t)position * 7u + 1u;
}

static cl_mem make_buffer(const workload *w, size_t floats)
{
    cl_int err;
    cl_mem mem = clCreateBuffer(clkv_device_context(w->device), CL_MEM_READ_WRITE, floats * sizeof(float), NULL, &err);
    ck_assert_int_eq(err, CL_SUCCESS);
    return mem;
}

static void make_buffers(workload *w)
{
    if (w->q) return;
    w->q = make_buffer(w, MAX_TOKENS * HEADS * HEAD_DIM);
    w->o = make_buffer(w, MAX_TOKENS * HEADS * HEAD_DIM);
    w->lse = make_buffer(w, MAX_TOKENS * HEADS);
    w->k = make_buffer(w, MAX_CONTEXT * KV_HEADS * HEAD_DIM);
    w->v = make_buffer(w, MAX_CONTEXT * KV_HEADS * HEAD_DIM);
}

static cl_device_id first_device(void)
{
    cl_platform_id platform;
    cl_device_id id;
    ck_assert_int_eq(clGetPlatformIDs(1, &platform, NULL), CL_SUCCESS);
    ck_assert_int_eq(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &id, NULL), CL_SUCCESS);
    return id;
}

int workload_has_out_of_order(void)
{
    cl_command_queue_properties properties;
    ck_assert_int_eq(clGetDeviceInfo(first_device(), CL_DEVICE_QUEUE_PROPERTIES, sizeof properties, &properties, NULL),
                     CL_SUCCESS);
    return (properties & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE) != 0;
}

void workload_begin(workload *w)
{
    if (!w->out_of_order) return;
    cl_int err;
    w->id = first_device();
    w->context = clCreateContext(NULL, 1, &w->id, NULL, NULL, &err);
    ck_assert_int_eq(err, CL_SUCCESS);
    w->queue = clCreateCommandQueue(w->context, w->id, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE, &err);
    ck_assert_int_eq(err, CL_SUCCESS);
}

void workload_end(workload *w)
{
    if (w->last) clReleaseEvent(w->last);
    cl_mem mems[] = { w->q, w->k, w->v, w->o, w->lse };
    for (size_t i = 0; i < sizeof mems / sizeof *mems; i++)
        if (mems[i]) clReleaseMemObject(mems[i]);
    if (w->queue) clReleaseCommandQueue(w->queue);
    if (w->context) clReleaseContext(w->context);
    free(w->transcript);
    *w = (workload){ .out_of_order = w->out_of_order, .no_tables = w->no_tables, .select = w->select };
}

static void write_floats(const workload *w, cl_mem mem, const float *values, size_t n)
{
    ck_assert_int_eq(clEnqueueWriteBuffer(clkv_device_queue(w->device), mem, CL_TRUE, 0, n * sizeof *values, values,
                                          0, NULL, NULL),
                     CL_SUCCESS);
}

static void record_floats(workload *w, cl_mem mem, size_t n)
{
    static float values[MAX_CONTEXT * HEADS * HEAD_DIM];
    ck_assert_uint_le(n, sizeof values / sizeof *values);
    ck_assert_int_eq(clEnqueueReadBuffer(clkv_device_queue(w->device), mem, CL_TRUE, 0, n * sizeof *values, values, 0,
                                         NULL, NULL),
                     CL_SUCCESS);
    record(w, values, n * sizeof *values);
}

/* Q, K or V of the batch's tokens; which ids they have is known by the sequence's user data. */
static void fill_tensor(const workload *w, cl_mem mem, uint32_t kind, uint32_t heads)
{
    static float values[MAX_TOKENS * HEADS * HEAD_DIM];
    const clkv_batch_entry *entries;
    uint32_t n, per_token = heads * HEAD_DIM;
    clkv_batch_get_entries(w->batch, &entries, &n);
    ck_assert_uint_le(clkv_batch_tokens(w->batch), MAX_TOKENS);
    for (uint32_t e = 0; e < n; e++) {
        const uint32_t text = (uint32_t)clkv_sequence_user_data(entries[e].sequence);
        for (uint32_t i = 0; i < entries[e].new_tokens; i++) {
            const uint32_t position = entries[e].context - entries[e].new_tokens + i;
            float *out = values + (size_t)(entries[e].first + i) * per_token;
            for (uint32_t j = 0; j < per_token; j++) out[j] = value_of(kind, token_of(text, position), position, j);
        }
    }
    write_floats(w, mem, values, (size_t)clkv_batch_tokens(w->batch) * per_token);
}

/* ---- steps ---- */

/* Runs an operation after the last one's event, and keeps its own. */
#define AFTER_LAST(w, call)                                                                                        \
    do {                                                                                                           \
        const cl_uint n_wait = (w)->last != NULL;                                                                  \
        const cl_event *wait = n_wait ? &(w)->last : NULL;                                                         \
        cl_event event = NULL;                                                                                     \
        const clkv_status status_ = (call);                                                                        \
        if (status_ != CLKV_OK) {                                                                                  \
            ck_assert_ptr_null(event);                                                                             \
            return status_;                                                                                        \
        }                                                                                                          \
        ck_assert_ptr_nonnull(event);                                                                              \
        (w)->superseded = (w)->last;                                                                               \
        (w)->last = event;                                                                                         \
        return CLKV_OK;                                                                                            \
    } while (0)

static clkv_status open_device(workload *w, const workload_step *step)
{
    (void)step;
    const clkv_device_params params = { .size = sizeof params, .select = w->select, .context = w->context,
                                        .device = w->id, .queue = w->queue };
    return clkv_device_open(&w->device, &params);
}

static clkv_status create_cache(workload *w, const workload_step *step)
{
    (void)step;
    clkv_cache_params p = CLKV_PARAMS_INIT(clkv_cache_params);
    p.layers = LAYERS;
    p.heads = HEADS;
    p.kv_heads = KV_HEADS;
    p.head_dim = HEAD_DIM;
    p.blocks = BLOCKS;
    p.block_size = BLOCK_SIZE;
    p.max_context = MAX_CONTEXT;
    p.max_sequences = WORKLOAD_SEQUENCES;
    p.max_slab_bytes = clkv_cache_block_bytes(&p) * (BLOCKS / 2);
    p.growth = CLKV_GROWTH_AT_ONCE; /* test_growth.c has the other way */
    p.compile = CLKV_COMPILE_LATER; /* a step for each operation: all at once would have hundreds of calls */
    const clkv_status st = clkv_cache_create(&w->cache, w->device, &p);
    if (st == CLKV_OK) w->manager = clkv_cache_manager(w->cache);
    return st;
}

/* Compiles the kernels of operations a. */
static clkv_status warm_up(workload *w, const workload_step *step)
{
    clkv_warm_up_params p = CLKV_PARAMS_INIT(clkv_warm_up_params);
    p.operations = step->a;
    return clkv_cache_warm_up(w->cache, &p);
}

static clkv_status fill_cache(workload *w, const workload_step *step)
{
    return clkv_cache_fill(w->cache, (uint8_t)step->a);
}

static clkv_status create_batch(workload *w, const workload_step *step)
{
    (void)step;
    return clkv_batch_create(&w->batch, w->manager);
}

/* Sequence a with the first b tokens of text c as its prompt. */
static clkv_status create_sequence(workload *w, const workload_step *step)
{
    uint32_t prompt[MAX_CONTEXT];
    for (uint32_t i = 0; i < step->b; i++) prompt[i] = token_of(step->c, i);
    const clkv_key salt = { .kind = CLKV_KEY_SALT, .data = "tenant", .bytes = 6 };
    const clkv_sequence_params params = { .size = sizeof params, .tokens = prompt, .n_tokens = step->b, .keys = &salt,
                                          .n_keys = 1, .user_data = step->c };
    return clkv_sequence_create(&w->sequences[step->a], w->manager, &params, &w->matched);
}

static clkv_status fork_sequence(workload *w, const workload_step *step)
{
    return clkv_sequence_fork(&w->sequences[step->b], w->sequences[step->a], 0);
}

static clkv_status truncate_sequence(workload *w, const workload_step *step)
{
    return clkv_sequence_truncate(w->sequences[step->a], step->b);
}

static clkv_status destroy_sequence(workload *w, const workload_step *step)
{
    clkv_sequence_destroy(&w->sequences[step->a]);
    return CLKV_OK;
}

static clkv_status preempt_sequence(workload *w, const workload_step *step)
{
    return clkv_sequence_preempt(w->sequences[step->a]);
}

/* Sequence a looks the first b tokens of text c up again. */
static clkv_status resume_sequence(workload *w, const workload_step *step)
{
    uint32_t tokens[MAX_CONTEXT];
    for (uint32_t i = 0; i < step->b; i++) tokens[i] = token_of(step->c, i);
    return clkv_sequence_resume(w->sequences[step->a], tokens, step->b, &w->matched);
}

static clkv_status clear(workload *w, const workload_step *step)
{
    (void)step;
    return clkv_batch_clear(w->batch);
}

/* The next tokens of sequence a, until it has b of them. */
static clkv_status add(workload *w, const workload_step *step)
{
    uint32_t tokens[MAX_CONTEXT], n = 0;
    clkv_sequence *s = w->sequences[step->a];
    for (size_t i = clkv_sequence_length(s); i < step->b; i++)
        tokens[n++] = token_of((uint32_t)clkv_sequence_user_data(s), i);
    return clkv_batch_add(w->batch, s, tokens, n, NULL);
}

static clkv_status reserve(workload *w, const workload_step *step)
{
    (void)step;
    return clkv_batch_reserve(w->batch);
}

static clkv_status upload(workload *w, const workload_step *step)
{
    const clkv_upload_params params = { .size = sizeof params, .parts = step->a };
    AFTER_LAST(w, clkv_cache_upload(w->cache, w->batch, &params, n_wait, wait, &event));
}

static clkv_status append(workload *w, const workload_step *step)
{
    const clkv_append_params params = { .size = sizeof params, .layer = step->a, .k = { .mem = w->k },
                                        .v = { .mem = w->v } };
    AFTER_LAST(w, clkv_append(w->cache, w->batch, &params, n_wait, wait, &event));
}

static clkv_status attend(workload *w, const workload_step *step)
{
    const clkv_attention_params params = { .size = sizeof params, .layer = step->a, .q = { .mem = w->q },
                                           .o = { .mem = w->o }, .lse = { .mem = w->lse } };
    AFTER_LAST(w, clkv_attention(w->cache, w->batch, &params, n_wait, wait, &event));
}

static clkv_status accept(workload *w, const workload_step *step)
{
    return clkv_batch_accept(w->batch, step->a, step->b);
}

static clkv_status commit(workload *w, const workload_step *step)
{
    (void)step;
    return clkv_batch_commit(w->batch);
}

/* Positions [b, c) of sequence a. */
static clkv_status gather(workload *w, const workload_step *step)
{
    const clkv_gather_params params = { .size = sizeof params, .layer = 1, .first = step->b,
                                        .count = step->c - step->b, .k = { .mem = w->k },
                                        .v = { .mem = w->v } };
    AFTER_LAST(w, clkv_gather(w->cache, w->sequences[step->a], &params, n_wait, wait, &event));
}

/* Into blocks that nobody has used yet. */
static clkv_status copy(workload *w, const workload_step *step)
{
    const clkv_block_copy copies[2] = { { 0, step->a }, { 1, step->b } };
    AFTER_LAST(w, clkv_copy_blocks(w->cache, 0, copies, 2, n_wait, wait, &event));
}

static clkv_status stats(workload *w, const workload_step *step)
{
    (void)step;
    clkv_stats s = CLKV_PARAMS_INIT(clkv_stats);
    return clkv_cache_get_stats(w->cache, &s);
}

static clkv_status destroy_batch(workload *w, const workload_step *step)
{
    (void)step;
    clkv_batch_destroy(&w->batch);
    return CLKV_OK;
}

static clkv_status destroy_cache(workload *w, const workload_step *step)
{
    (void)step;
    clkv_cache_destroy(&w->cache);
    clkv_batch_destroy(&w->batch);
    for (int i = 0; i < WORKLOAD_SEQUENCES; i++) clkv_sequence_destroy(&w->sequences[i]);
    w->manager = NULL;
    return CLKV_OK;
}

static clkv_status close_device(workload *w, const workload_step *step)
{
    (void)step;
    clkv_device_close(&w->device);
    return CLKV_OK;
}

#define PASS(parts)                                                                                                \
    { "reserve", reserve, 0, 0, 0 }, { "upload", upload, parts, 0, 0 }, { "append", append, 0, 0, 0 },             \
        { "attention", attend, 0, 0, 0 }, { "append", append, 1, 0, 0 }, { "attention", attend, 1, 0, 0 }
#define COMMIT { "commit", commit, 0, 0, 0 }, { "clear", clear, 0, 0, 0 }
#define ADD(sequence, length) { "add", add, sequence, length, 0 }

const workload_step workload_steps[] = {
    { "open", open_device, 0, 0, 0 },
    { "create cache", create_cache, 0, 0, 0 },
    { "warm up", warm_up, CLKV_OP_UPLOAD | CLKV_OP_COPY, 0, 0 },
    { "warm up", warm_up, CLKV_OP_APPEND | CLKV_OP_GATHER, 0, 0 },
    { "warm up", warm_up, CLKV_OP_ATTENTION, 0, 0 },
    { "fill", fill_cache, 0xff, 0, 0 },
    { "create batch", create_batch, 0, 0, 0 },
    { "create sequence", create_sequence, 0, 42, 1 },
    /* prefill in two chunks, the second one split */
    ADD(0, 30), PASS(1), COMMIT,
    ADD(0, 43), PASS(3), COMMIT,
    { "copy", copy, BLOCKS - 1, BLOCKS - 2, 0 },
    /* the same prompt finds ten blocks; decode beside prefill */
    { "create sequence", create_sequence, 1, 42, 1 },
    ADD(1, 46), ADD(0, 44), PASS(0), COMMIT,
    /* a fork of a partial tail, and both go on: copy-on-write */
    { "fork", fork_sequence, 1, 2, 0 },
    ADD(1, 47), ADD(2, 47), PASS(2), COMMIT,
    { "gather", gather, 2, 0, 47 },
    /* four drafts, two of them right; then two tokens too many */
    ADD(0, 49), PASS(1), { "accept", accept, 0, 3, 0 }, COMMIT,
    { "truncate", truncate_sequence, 0, 45, 0 },
    { "gather", gather, 0, 3, 45 },
    { "stats", stats, 0, 0, 0 },
    /* enough other text to evict what is left of these */
    { "destroy sequence", destroy_sequence, 1, 0, 0 },
    { "preempt", preempt_sequence, 2, 0, 0 },
    { "create sequence", create_sequence, 3, 90, 2 },
    ADD(3, 90), PASS(0), COMMIT,
    { "create sequence", create_sequence, 4, 50, 3 },
    ADD(4, 50), ADD(3, 92), PASS(4), COMMIT,
    { "destroy sequence", destroy_sequence, 3, 0, 0 },
    { "resume", resume_sequence, 2, 47, 1 },
    ADD(2, 48), PASS(0), COMMIT,
    { "gather", gather, 2, 8, 48 },
    { "destroy batch", destroy_batch, 0, 0, 0 },
    { "destroy cache", destroy_cache, 0, 0, 0 },
    { "close", close_device, 0, 0, 0 },
};
const size_t workload_n_steps = sizeof workload_steps / sizeof *workload_steps;

/* ---- looking ---- */

static void look_at_sequences(workload *w)
{
    for (uint32_t i = 0; i < WORKLOAD_SEQUENCES; i++) {
        if (!w->sequences[i]) continue;
        const uint32_t *table;
        size_t n;
        const uint64_t length = clkv_sequence_length(w->sequences[i]);
        clkv_sequence_get_table(w->sequences[i], 0, &table, &n);
        record(w, &length, sizeof length);
        if (!w->no_tables) record(w, table, n * sizeof *table);
    }
}

void workload_look(workload *w, const workload_step *step)
{
    if (w->superseded) clReleaseEvent(w->superseded);
    w->superseded = NULL;
    if (step->run == create_cache) make_buffers(w);
    if (step->run == reserve) { /* what is appended and asked for is ready before the pass */
        clFinish(clkv_device_queue(w->device));
        fill_tensor(w, w->q, 0, HEADS);
        fill_tensor(w, w->k, 1, KV_HEADS);
        fill_tensor(w, w->v, 2, KV_HEADS);
    }
    if (step->run == create_sequence || step->run == resume_sequence) record(w, &w->matched, sizeof w->matched);
    if (step->run == attend) {
        clFinish(clkv_device_queue(w->device));
        record_floats(w, w->o, (size_t)clkv_batch_tokens(w->batch) * HEADS * HEAD_DIM);
        record_floats(w, w->lse, (size_t)clkv_batch_tokens(w->batch) * HEADS);
    }
    if (step->run == gather) {
        clFinish(clkv_device_queue(w->device));
        record_floats(w, w->k, (size_t)(step->c - step->b) * KV_HEADS * HEAD_DIM);
        record_floats(w, w->v, (size_t)(step->c - step->b) * KV_HEADS * HEAD_DIM);
    }
    if (w->manager) {
        ck_valid(clkv_manager_validate(w->manager));
        look_at_sequences(w);
    }
    /* The caller's objects go before the device, as they should. */
    if (step->run == destroy_cache) {
        workload end = *w;
        end.queue = NULL;
        end.context = NULL;
        end.transcript = NULL;
        workload_end(&end);
        w->last = NULL;
        w->q = w->k = w->v = w->o = w->lse = NULL;
    }
}

typedef struct text {
    char *bytes;
    size_t n, capacity;
} text;

static void say(text *t, const char *format, ...)
{
    va_list args;
    if (t->capacity - t->n < 4096) {
        t->capacity += 65536;
        t->bytes = realloc(t->bytes, t->capacity);
        ck_assert_ptr_nonnull(t->bytes);
    }
    va_start(args, format);
    t->n += (size_t)vsnprintf(t->bytes + t->n, t->capacity - t->n, format, args);
    va_end(args);
}

char *workload_state(const workload *w, int but_for_rollback)
{
    text t = { 0 };
    say(&t, "device %d cache %d batch %d\n", w->device != NULL, w->cache != NULL, w->batch != NULL);
    if (!w->manager) return t.bytes;
    clkv_stats s = CLKV_PARAMS_INIT(clkv_stats);
    ck_ok(clkv_manager_get_stats(w->manager, &s));
    s.host_bytes = 0; /* tables may have grown for nothing */
    if (but_for_rollback) s.blocks_peak_used = s.batches_rolled_back = 0;
    char line[2048];
    clkv_stats_json(&s, line, sizeof line);
    say(&t, "%s\n", line);
    for (uint32_t i = 0; i < WORKLOAD_SEQUENCES; i++) {
        if (!w->sequences[i]) continue;
        const uint32_t *table;
        size_t n;
        clkv_sequence_get_table(w->sequences[i], 0, &table, &n);
        say(&t, "sequence %u: %zu tokens:", (unsigned)i, clkv_sequence_length(w->sequences[i]));
        for (size_t j = 0; j < n; j++) say(&t, " %u", (unsigned)table[j]);
        say(&t, "\n");
    }
    if (!w->batch) return t.bytes;
    const clkv_batch_entry *entries;
    uint32_t n;
    clkv_batch_get_entries(w->batch, &entries, &n);
    for (uint32_t i = 0; i < n; i++)
        say(&t, "entry %u: row %u, %u new at %u, context %u\n", (unsigned)i, (unsigned)entries[i].row,
            (unsigned)entries[i].new_tokens, (unsigned)entries[i].first, (unsigned)entries[i].context);
    return t.bytes;
}
