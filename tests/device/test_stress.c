/* test_stress.c: several threads create, find, fork, truncate, append to, preempt and free sequences of one
 * cache, and of two, on one queue and on two; each sequence has a plain model, against which gather and
 * attention are held all the while, and everything once more at the end, when also nothing may be lost: no
 * block, no byte of host memory, no row; and with clear_freed nothing left of anybody.
 *
 *     test_stress [--seconds N] [--threads N] [--seed N]
 *
 * Without options 30 seconds with 4 threads, 4 where CLKV_TEST_GRID is not "full".
 * SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */
#include "open.h"
#include "raw.h"
#include "story.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

enum { BLOCK = 8, BLOCKS = 150 /* of all caches */, KEEP = 4, TEXTS = 6, CACHES = 2, MAX_THREADS = 32 };
enum { K_ROW = STORY_KV_HEADS * STORY_DIM, V_ROW = STORY_KV_HEADS * STORY_DIM_V };
enum { Q_ROW = STORY_HEADS * STORY_DIM, O_ROW = STORY_HEADS * STORY_DIM_V };

static double seconds;
static uint32_t n_threads = 4, seed = 1;

/* What one run looks like. */
static const struct setting {
    const char *name;
    uint32_t caches, queues;
    cl_command_queue_properties properties[CACHES]; /* of each queue */
    clkv_type types[CACHES];
    int clear_freed;
} settings[] = {
    {"one cache", 1, 1, {0}, {CLKV_F16}, 1},
    {"two caches, one queue", 2, 1, {0}, {CLKV_F32, CLKV_F16}, 0},
    {"two caches, two queues", 2, 2, {0, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE}, {CLKV_F16, CLKV_F32}, 1},
};

typedef struct worker {
    pthread_t thread;
    uint32_t index;
    uint64_t rng;
    clkv_cache *cache;
    clkv_manager *manager;
    clkv_device *device;
    cl_command_queue side; /* the caller's own, beside the cache's */
    clkv_batch *batch;
    story stories[KEEP];
    double until;
    uint64_t steps, refused, gathered, attended;
    char wrong[600]; /* what failed; empty: nothing did */
} worker;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* In a thread nothing may be asserted: a function returns 0 and says in `wrong` what it was. */
#define NEED(condition, ...)                                                                                       \
    do {                                                                                                           \
        if (!(condition)) {                                                                                        \
            if (!*w->wrong) snprintf(w->wrong, sizeof w->wrong, __VA_ARGS__);                                      \
            return 0;                                                                                              \
        }                                                                                                          \
    } while (0)
#define OK(call) NEED((call) == CLKV_OK, "%s: %s", #call, clkv_last_error()->message)
#define CL(call) NEED((call) == CL_SUCCESS, "%s", #call)

static uint32_t below(worker *w, uint32_t n)
{
    return rng_below(&w->rng, n);
}

/* ---- tensors ---- */

static cl_mem make_buffer(worker *w, size_t floats)
{
    cl_int err = CL_SUCCESS;
    cl_mem mem =
        clCreateBuffer(clkv_device_context(w->device), CL_MEM_READ_WRITE, floats * sizeof(float), NULL, &err);
    if (err != CL_SUCCESS) snprintf(w->wrong, sizeof w->wrong, "clCreateBuffer: %d", (int)err);
    return mem;
}

/* A buffer with these floats, written on the side queue; the event says when. */
static cl_mem send(worker *w, const float *data, size_t floats, cl_event *written)
{
    cl_mem mem = make_buffer(w, floats);
    if (mem && clEnqueueWriteBuffer(w->side, mem, CL_TRUE, 0, floats * sizeof(float), data, 0, NULL, written)) {
        snprintf(w->wrong, sizeof w->wrong, "clEnqueueWriteBuffer");
        clReleaseMemObject(mem);
        mem = NULL;
    }
    clFlush(w->side);
    return mem;
}

/* Reads on the side queue, after an event of the cache's. */
static int receive(worker *w, cl_mem mem, float *data, size_t floats, cl_event after)
{
    clFlush(clkv_device_queue(w->device));
    CL(clEnqueueReadBuffer(w->side, mem, CL_TRUE, 0, floats * sizeof(float), data, 1, &after, NULL));
    return 1;
}

/* ---- one sequence against its model ---- */

static int check_rows(worker *w, const story *s, uint32_t first, uint32_t n, uint32_t layer)
{
    float k[STORY_TOKENS * K_ROW], v[STORY_TOKENS * V_ROW], right_k[STORY_TOKENS * K_ROW],
        right_v[STORY_TOKENS * V_ROW];
    clkv_gather_params params = CLKV_PARAMS_INIT(clkv_gather_params);
    params.layer = layer;
    params.first = first;
    params.count = n;
    params.k.mem = make_buffer(w, (size_t)n * K_ROW);
    params.v.mem = make_buffer(w, (size_t)n * V_ROW);
    NEED(params.k.mem && params.v.mem, "no buffers");
    cl_event done = NULL;
    OK(clkv_gather(w->cache, s->sequence, &params, 0, NULL, &done));
    if (!receive(w, params.k.mem, k, (size_t)n * K_ROW, done) || !receive(w, params.v.mem, v, (size_t)n * V_ROW, done))
        return 0;
    clReleaseEvent(done);
    clReleaseMemObject(params.k.mem);
    clReleaseMemObject(params.v.mem);
    story_rows(s, first, n, layer, right_k, right_v);
    NEED(!memcmp(k, right_k, (size_t)n * K_ROW * sizeof *k) && !memcmp(v, right_v, (size_t)n * V_ROW * sizeof *v),
         "thread %u: layer %u of [%u, %u) of a sequence of %u tokens is not what was appended", w->index, layer,
         first, first + n, s->n);
    w->gathered += n;
    return 1;
}

static int check_all(worker *w, const story *s)
{
    NEED(clkv_sequence_length(s->sequence) == s->n, "a sequence has %zu tokens, not %u",
         clkv_sequence_length(s->sequence), s->n);
    for (uint32_t layer = 0; s->n && layer < STORY_LAYERS; layer++)
        if (!check_rows(w, s, 0, s->n, layer)) return 0;
    return 1;
}

/* The last query of a story that the batch has brought to n tokens, against the twin. */
static int check_attention(worker *w, const story *s, uint32_t layer, const float *q, const float *o)
{
    static _Thread_local float k[STORY_TOKENS * K_ROW], v[STORY_TOKENS * V_ROW];
    float right[O_ROW];
    story_rows(s, 0, s->n, layer, k, v);
    clkv_ref_attention_params params = CLKV_PARAMS_INIT(clkv_ref_attention_params);
    params.q_len = 1;
    params.kv_len = s->n;
    params.heads = STORY_HEADS;
    params.kv_heads = STORY_KV_HEADS;
    params.head_dim = STORY_DIM;
    params.head_dim_v = STORY_DIM_V;
    params.q = q;
    params.k = k;
    params.v = v;
    params.o = right;
    OK(clkv_ref_attention(&params));
    for (int i = 0; i < O_ROW; i++)
        NEED(fabsf(o[i] - right[i]) < 1e-4f, "thread %u: attention over %u tokens: [%d] is %g, not %g", w->index,
             s->n, i, (double)o[i], (double)right[i]);
    w->attended++;
    return 1;
}

/* ---- a step ---- */

/* The next tokens of a story: its text goes on, or it takes a way of its own. */
static void next_tokens(worker *w, story *s, uint32_t n)
{
    const int own = below(w, 4) == 0;
    for (uint32_t i = s->n; i < s->n + n; i++) s->tokens[i] = own ? (uint32_t)rng_next(&w->rng) : s->tokens[0] + i;
}

/* One layer of an uploaded batch: keys and values in, and perhaps queries through. `moved` are the stories as
 * they are with their new tokens, `was` their lengths without. */
static int run_layer(worker *w, uint32_t layer, const story *const *moved, const uint32_t *was, uint32_t n)
{
    static _Thread_local float k[STORY_TOKENS * 3 * K_ROW], v[STORY_TOKENS * 3 * V_ROW],
        q[STORY_TOKENS * 3 * Q_ROW], o[STORY_TOKENS * 3 * O_ROW];
    const uint32_t total = clkv_batch_tokens(w->batch);
    uint32_t row = 0;
    for (uint32_t i = 0; i < n; row += moved[i]->n - was[i], i++)
        story_rows(moved[i], was[i], moved[i]->n - was[i], layer, k + (size_t)row * K_ROW, v + (size_t)row * V_ROW);
    cl_event written[2];
    clkv_append_params append = CLKV_PARAMS_INIT(clkv_append_params);
    append.layer = layer;
    append.k.mem = send(w, k, (size_t)total * K_ROW, &written[0]);
    append.v.mem = send(w, v, (size_t)total * V_ROW, &written[1]);
    NEED(append.k.mem && append.v.mem, "no buffers");
    OK(clkv_append(w->cache, w->batch, &append, 2, written, NULL));
    clReleaseMemObject(append.k.mem);
    clReleaseMemObject(append.v.mem);
    clReleaseEvent(written[0]);
    clReleaseEvent(written[1]);
    if (below(w, 3)) return 1;

    for (size_t i = 0; i < (size_t)total * Q_ROW; i++) q[i] = (float)below(w, 1024) / 512.0f - 1.0f;
    clkv_attention_params params = CLKV_PARAMS_INIT(clkv_attention_params);
    params.layer = layer;
    params.q.mem = send(w, q, (size_t)total * Q_ROW, &written[0]);
    params.o.mem = make_buffer(w, (size_t)total * O_ROW);
    NEED(params.q.mem && params.o.mem, "no buffers");
    cl_event done = NULL;
    OK(clkv_attention(w->cache, w->batch, &params, 1, written, &done));
    if (!receive(w, params.o.mem, o, (size_t)total * O_ROW, done)) return 0;
    clReleaseEvent(written[0]);
    clReleaseEvent(done);
    clReleaseMemObject(params.q.mem);
    clReleaseMemObject(params.o.mem);
    for (uint32_t i = 0, end = 0; i < n; i++) {
        end += moved[i]->n - was[i];
        if (!check_attention(w, moved[i], layer, q + (size_t)(end - 1) * Q_ROW, o + (size_t)(end - 1) * O_ROW))
            return 0;
    }
    return 1;
}

/* The pool is full: one of the thread's own sequences gives way. Others' are not ours to touch. */
static int give_way(worker *w)
{
    w->refused++;
    (void)clkv_batch_missing(w->batch);
    (void)clkv_batch_victim(w->batch);
    OK(clkv_batch_clear(w->batch));
    story *s = &w->stories[below(w, KEEP)];
    if (!s->sequence) return 1;
    if (below(w, 2)) {
        clkv_sequence_destroy(&s->sequence);
        return 1;
    }
    OK(clkv_sequence_preempt(s->sequence));
    size_t have = 0;
    OK(clkv_sequence_resume(s->sequence, s->tokens, s->n, &have));
    s->n = (uint32_t)have;
    return 1;
}

/* Up to three sequences get new tokens. */
static int step(worker *w)
{
    static _Thread_local story moved[3];
    const story *list[3];
    story *of[3];
    uint32_t was[3], n = 0;
    for (uint32_t i = 0; i < KEEP && n < 3; i++) {
        story *s = &w->stories[i];
        if (!s->sequence || s->n == STORY_TOKENS || below(w, 3) == 0) continue;
        const uint32_t room = STORY_TOKENS - s->n, most = below(w, 3) ? 5 : 70;
        moved[n] = *s;
        const uint32_t more = 1 + below(w, most < room ? most : room);
        next_tokens(w, &moved[n], more);
        OK(clkv_batch_add(w->batch, s->sequence, moved[n].tokens + s->n, more, NULL));
        was[n] = s->n;
        moved[n].n += more;
        list[n] = &moved[n];
        of[n++] = s;
    }
    if (n == 0) return 1;
    const clkv_status st = clkv_batch_reserve(w->batch);
    if (st == CLKV_ERROR_NO_BLOCKS) return give_way(w);
    OK(st);
    w->steps++;
    const uint32_t end = below(w, 12);
    if (end == 0) {
        OK(clkv_batch_rollback(w->batch));
        OK(clkv_batch_clear(w->batch));
        return 1;
    }
    OK(clkv_cache_upload(w->cache, w->batch, NULL, 0, NULL, NULL));
    if (below(w, 16) == 0) OK(clkv_cache_upload(w->cache, w->batch, NULL, 0, NULL, NULL));
    for (uint32_t layer = 0; layer < STORY_LAYERS; layer++)
        if (!run_layer(w, layer, list, was, n)) return 0;
    if (end == 1) {
        OK(clkv_batch_rollback(w->batch));
        OK(clkv_batch_clear(w->batch));
        return 1;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t accepted = moved[i].n - was[i];
        if (end == 2) {
            accepted = below(w, accepted + 1);
            OK(clkv_batch_accept(w->batch, i, accepted));
        }
        moved[i].n = was[i] + accepted;
        *of[i] = moved[i];
    }
    OK(clkv_batch_commit(w->batch));
    return 1;
}

/* ---- everything else ---- */

static int create(worker *w, story *s)
{
    s->tenant = below(w, STORY_TENANTS);
    s->tokens[0] = 1000 * below(w, TEXTS);
    s->n = 1;
    for (uint32_t i = 1; i < STORY_TOKENS; i++) s->tokens[i] = s->tokens[0] + i;
    clkv_key key;
    clkv_sequence_params params = CLKV_PARAMS_INIT(clkv_sequence_params);
    params.tokens = s->tokens;
    params.n_tokens = 1 + below(w, STORY_TOKENS);
    params.n_keys = story_keys(s->tenant, &key);
    params.keys = &key;
    size_t have = 0;
    OK(clkv_sequence_create(&s->sequence, w->manager, &params, &have));
    NEED(have % BLOCK == 0 && have < params.n_tokens, "%zu of %zu tokens found", have, params.n_tokens);
    s->n = (uint32_t)have;
    return below(w, 2) || check_all(w, s);
}

static int look_around(worker *w)
{
    uint32_t text[STORY_TOKENS];
    clkv_key key;
    const size_t n_keys = story_keys(below(w, STORY_TENANTS), &key);
    const uint32_t first = 1000 * below(w, TEXTS);
    size_t found = 0;
    for (uint32_t i = 0; i < STORY_TOKENS; i++) text[i] = first + i;
    OK(clkv_manager_lookup(w->manager, &key, n_keys, text, STORY_TOKENS, &found));
    OK(clkv_manager_pin(w->manager, &key, n_keys, text, 40, below(w, 3), 20, NULL));
    clkv_stats stats = CLKV_PARAMS_INIT(clkv_stats);
    OK(clkv_cache_get_stats(w->cache, &stats));
    NEED(stats.blocks_free + stats.blocks_cached + stats.blocks_used == stats.blocks_total,
         "the counts of blocks do not add up");
    if (below(w, 8) == 0) {
        const char *broken = clkv_manager_validate(w->manager);
        NEED(!broken, "%s", broken);
    }
    return 1;
}

static int fork_one(worker *w, const story *s)
{
    story *to = &w->stories[below(w, KEEP)];
    if (to->sequence) return 1;
    story copy = *s;
    OK(clkv_sequence_fork(&copy.sequence, s->sequence, 0));
    *to = copy;
    return 1;
}

static int act(worker *w)
{
    story *s = &w->stories[below(w, KEEP)];
    if (!s->sequence) return create(w, s);
    switch (below(w, 20)) {
    case 0: clkv_sequence_destroy(&s->sequence); return 1;
    case 1: return fork_one(w, s);
    case 2:
        s->n = below(w, s->n + 1);
        OK(clkv_sequence_truncate(s->sequence, s->n));
        return 1;
    case 3: return look_around(w);
    case 4: return check_all(w, s);
    case 5: {
        if (!s->n) return 1;
        const uint32_t first = below(w, s->n);
        return check_rows(w, s, first, 1 + below(w, s->n - first), below(w, STORY_LAYERS));
    }
    default: return step(w);
    }
}

static void *work(void *arg)
{
    worker *w = arg;
    if (clkv_batch_create(&w->batch, w->manager)) snprintf(w->wrong, sizeof w->wrong, "no batch");
    while (!*w->wrong && (now() < w->until || !w->steps)) act(w); /* at least one step, however busy the machine */
    if (w->batch && *w->wrong) clkv_batch_rollback(w->batch);
    clkv_batch_destroy(&w->batch);
    return NULL;
}

/* ---- a run, and its audit ---- */

static atomic_size_t live_bytes;

static void *counting_resize(void *user, void *p, size_t old_bytes, size_t new_bytes)
{
    (void)user;
    void *q = NULL;
    if (new_bytes == 0) {
        free(p);
    } else if (!(q = realloc(p, new_bytes))) {
        return NULL;
    }
    atomic_fetch_add(&live_bytes, new_bytes - old_bytes);
    return q;
}

typedef struct stage {
    clkv_device *own, *devices[CACHES];
    clkv_cache *caches[CACHES];
    cl_command_queue side;
    worker workers[MAX_THREADS];
} stage;

/* A device around a queue of our own in the context of another. */
static clkv_device *open_beside(clkv_device *device, cl_command_queue_properties properties)
{
    clkv_device_params params = CLKV_PARAMS_INIT(clkv_device_params);
    params.context = clkv_device_context(device);
    params.device = clkv_device_id(device);
    cl_int err = CL_SUCCESS;
    params.queue = clCreateCommandQueue(params.context, params.device, properties, &err);
    if (err != CL_SUCCESS) params.queue = clCreateCommandQueue(params.context, params.device, 0, &err);
    ck_assert_int_eq(err, CL_SUCCESS);
    clkv_device *out = NULL;
    ck_ok(clkv_device_open(&out, &params));
    clReleaseCommandQueue(params.queue);
    return out;
}

static void open_stage(stage *s, const struct setting *set)
{
    memset(s, 0, sizeof *s);
    s->own = open_device(NULL);
    for (uint32_t i = 0; i < set->queues; i++) s->devices[i] = open_beside(s->own, set->properties[i]);
    cl_int err = CL_SUCCESS;
    s->side = clCreateCommandQueue(clkv_device_context(s->own), clkv_device_id(s->own), 0, &err);
    ck_assert_int_eq(err, CL_SUCCESS);
    for (uint32_t i = 0; i < set->caches; i++) {
        clkv_cache_params params = CLKV_PARAMS_INIT(clkv_cache_params);
        story_shape(&params);
        params.k_type = set->types[i];
        params.v_type = set->types[(i + 1) % CACHES];
        params.blocks = BLOCKS / set->caches;
        params.block_size = BLOCK;
        params.max_sequences = KEEP * MAX_THREADS + 1;
        params.max_slab_bytes = clkv_cache_block_bytes(&params) * (params.blocks / 3 + 1);
        params.shuffle_seed = i;
        params.clear_freed = set->clear_freed;
        ck_ok(clkv_cache_create(&s->caches[i], s->devices[i % set->queues], &params));
        ck_ok(clkv_cache_fill(s->caches[i], 0xff)); /* what was never written is NaN */
    }
    for (uint32_t i = 0; i < n_threads; i++) {
        worker *w = &s->workers[i];
        w->index = i;
        w->rng = (uint64_t)seed * 1000003 + i * 7919 + 1;
        w->cache = s->caches[i % set->caches];
        w->manager = clkv_cache_manager(w->cache);
        w->device = s->devices[i % set->caches % set->queues];
        w->side = s->side;
    }
}

/* Nothing is left of anybody: a block is all zeros, or as it was in the beginning. */
static void check_cleared(clkv_cache *cache, uint32_t blocks)
{
    unsigned char bytes[16384];
    ck_ok(clkv_cache_clear_freed(cache, 0, NULL, NULL));
    for (uint32_t block = 0; block < blocks; block++) {
        const size_t n = raw_block(cache, block, bytes, sizeof bytes);
        const unsigned char first = bytes[0];
        for (size_t i = 0; i < n; i++) must(bytes[i] == first && (first == 0 || first == 0xff));
    }
}

/* When all threads have stopped: every sequence holds what its model says; and when they are gone, nobody holds a
 * block, and what is cached still holds what was computed for it. */
static void audit(stage *s, const struct setting *set)
{
    for (uint32_t i = 0; i < set->caches; i++) ck_valid(clkv_manager_validate(clkv_cache_manager(s->caches[i])));
    for (uint32_t i = 0; i < n_threads; i++) {
        worker *w = &s->workers[i];
        for (uint32_t k = 0; k < KEEP; k++) {
            if (!w->stories[k].sequence) continue;
            if (!check_all(w, &w->stories[k])) ck_abort_msg("audit: %s", w->wrong);
            clkv_sequence_destroy(&w->stories[k].sequence);
        }
    }
    for (uint32_t i = 0; i < set->caches; i++) {
        worker *w = &s->workers[i]; /* one of this cache's */
        clkv_stats stats = CLKV_PARAMS_INIT(clkv_stats);
        ck_ok(clkv_cache_get_stats(s->caches[i], &stats));
        ck_assert_uint_eq(stats.sequences, 0);
        ck_assert_uint_eq(stats.blocks_used, 0);
        ck_assert_uint_eq(stats.blocks_free + stats.blocks_cached, BLOCKS / set->caches);
        if (w->steps > 200) ck_assert_uint_gt(stats.hit_blocks, 0);
        for (uint32_t t = 0; t < TEXTS * STORY_TENANTS; t++) {
            story cached = {.tenant = t % STORY_TENANTS};
            for (uint32_t p = 0; p < STORY_TOKENS; p++) cached.tokens[p] = 1000 * (t / STORY_TENANTS) + p;
            clkv_key key;
            clkv_sequence_params params = CLKV_PARAMS_INIT(clkv_sequence_params);
            params.tokens = cached.tokens;
            params.n_tokens = STORY_TOKENS;
            params.n_keys = story_keys(cached.tenant, &key);
            params.keys = &key;
            size_t have = 0;
            ck_ok(clkv_sequence_create(&cached.sequence, w->manager, &params, &have));
            cached.n = (uint32_t)have;
            if (!check_all(w, &cached)) ck_abort_msg("audit of the cached: %s", w->wrong);
            clkv_sequence_destroy(&cached.sequence);
        }
        ck_ok(clkv_manager_reset(w->manager));
        ck_ok(clkv_cache_get_stats(s->caches[i], &stats));
        ck_assert_uint_eq(stats.blocks_free, BLOCKS / set->caches);
        ck_valid(clkv_manager_validate(w->manager));
        if (set->clear_freed) check_cleared(s->caches[i], BLOCKS / set->caches);
    }
}

static void close_stage(stage *s)
{
    for (int i = 0; i < CACHES; i++) clkv_cache_destroy(&s->caches[i]);
    for (int i = 0; i < CACHES; i++) clkv_device_close(&s->devices[i]);
    clReleaseCommandQueue(s->side);
    clkv_device_close(&s->own);
}

START_TEST(threads_on_caches)
{
    static stage s;
    const struct setting *set = &settings[_i];
    clkv_set_allocator(&(clkv_allocator){counting_resize, NULL});
    open_stage(&s, set);
    const double until = now() + seconds / (double)(sizeof settings / sizeof *settings);
    uint64_t steps = 0, refused = 0, gathered = 0, attended = 0;
    for (uint32_t i = 0; i < n_threads; i++) {
        s.workers[i].until = until;
        ck_assert_int_eq(pthread_create(&s.workers[i].thread, NULL, work, &s.workers[i]), 0);
    }
    for (uint32_t i = 0; i < n_threads; i++) pthread_join(s.workers[i].thread, NULL);
    for (uint32_t i = 0; i < n_threads; i++) {
        const worker *w = &s.workers[i];
        ck_assert_msg(!*w->wrong, "%s", w->wrong);
        steps += w->steps, refused += w->refused, gathered += w->gathered, attended += w->attended;
    }
    audit(&s, set);
    close_stage(&s);
    ck_assert_uint_eq(atomic_load(&live_bytes), 0);
    clkv_set_allocator(NULL);
    printf(
        "%s: %llu steps, %llu refused for want of blocks, %llu rows of keys and values and %llu results compared\n",
        set->name, (unsigned long long)steps, (unsigned long long)refused, (unsigned long long)gathered,
        (unsigned long long)attended);
    ck_assert_uint_gt(steps, 0);
}
END_TEST

static int usage(void)
{
    fprintf(stderr, "usage: test_stress [--seconds N] [--threads 1…%d] [--seed N]\n", MAX_THREADS);
    return 2;
}

int main(int argc, char **argv)
{
    const char *grid = getenv("CLKV_TEST_GRID");
    seconds = !grid || !strcmp(grid, "full") ? 30 : 4;
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc) return usage();
        const double value = atof(argv[i + 1]);
        if (!(value >= 1)) return usage();
        if (!strcmp(argv[i], "--seconds"))
            seconds = value;
        else if (!strcmp(argv[i], "--threads") && value <= MAX_THREADS)
            n_threads = (uint32_t)value;
        else if (!strcmp(argv[i], "--seed"))
            seed = (uint32_t)value;
        else
            return usage();
    }
    const int skip = without_device();
    if (skip >= 0) return skip;
    if (n_threads < CACHES) n_threads = CACHES;
    Suite *suite = suite_create("stress");
    TCase *tests = tcase_create("stress");
    tcase_set_timeout(tests, 0);
    tcase_add_loop_test(tests, threads_on_caches, 0, sizeof settings / sizeof *settings);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
