/* verify_run.c: see verify_run.h. SPDX-License-Identifier: Apache-2.0 */
#include "verify_run.h"

#include "compiling.h"
#include "os/interrupt.h"
#include "random.h"

#include <clkv/clkv.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HISTORY_TOKENS 4096 /* of one batch at most */

/* One case on its way through a cache. A step that fails has written result->reason. */
typedef struct run {
    const verify_case *c;
    const verify_options *options;
    verify_result *result;
    random_state random;
    clkv_cache *cache;
    clkv_batch *batch;
    clkv_sequence **sequences; /* [batch] */
    uint64_t *kv_first;        /* [batch] row of k and v that each sequence's position 0 is */
    float *k, *v;              /* of one batch, packed as the batch counts tokens */
    float *o, *lse;            /* what came out */
    cl_mem k_mem, v_mem, q_mem, o_mem, lse_mem;
} run;

static int lose(run *r, verify_status status, const char *what, const char *why)
{
    r->result->status = status;
    return safetensors_fail(r->result->reason, "%s: %s", what, why);
}

static int check(run *r, clkv_status status, const char *what)
{
    if (status == CLKV_OK) return 0;
    return lose(r,
                status == CLKV_ERROR_UNSUPPORTED || status == CLKV_ERROR_DEVICE_MEMORY ? VERIFY_UNSUPPORTED
                                                                                       : VERIFY_FAIL,
                what, clkv_last_error()->message);
}

static int check_cl(run *r, cl_int code, const char *what)
{
    char why[32];
    if (code == CL_SUCCESS) return 0;
    snprintf(why, sizeof why, "OpenCL error %d", code);
    return lose(r, VERIFY_FAIL, what, why);
}

static int make_buffer(run *r, cl_mem *mem, cl_mem_flags flags, void *host, size_t bytes, const char *what)
{
    cl_int err;
    *mem = clCreateBuffer(clkv_device_context(r->options->device), flags | (host ? CL_MEM_COPY_HOST_PTR : 0), bytes,
                          host, &err);
    return check_cl(r, err, what);
}

/* A pool with more blocks than the case needs, so that a shuffled order really spreads them. */
static int make_cache(run *r)
{
    const verify_case *c = r->c;
    const uint32_t bs = r->options->block_size;
    uint64_t blocks = 8;
    uint32_t longest = 1;
    for (uint32_t i = 0; i < c->batch; i++) {
        const uint32_t n = (uint32_t)c->kv_lens[i];
        blocks += n / bs + 1;
        if (n > longest) longest = n;
    }
    if (c->batch > 65535) return lose(r, VERIFY_UNSUPPORTED, "shape", "more than 65535 sequences");
    const clkv_cache_params params = {
        .size = sizeof params,
        .layers = 1,
        .heads = c->heads,
        .kv_heads = c->kv_heads,
        .head_dim = c->head_dim,
        .head_dim_v = c->head_dim_v,
        .k_type = r->options->k_type,
        .v_type = r->options->v_type,
        .blocks = (uint32_t)(blocks + blocks / 4),
        .block_size = bs,
        .max_sequences = c->batch,
        .max_context = longest,
        .shuffle_seed = random_next(&r->random) | 1,
        .prefix = CLKV_PREFIX_OFF,
        .max_batch_tokens = c->q_tokens > HISTORY_TOKENS ? c->q_tokens : HISTORY_TOKENS,
        .compile = CLKV_COMPILE_LATER,
    };
    const clkv_status status = clkv_cache_supported(r->options->device, &params);
    if (status != CLKV_OK) return lose(r, VERIFY_UNSUPPORTED, "shape", clkv_last_error()->message);
    return check(r, clkv_cache_create(&r->cache, r->options->device, &params), "making the cache") ||
           check(r, compile_kernels(r->cache, CLKV_OP_UPLOAD | CLKV_OP_APPEND | CLKV_OP_ATTENTION), "compiling") ||
           check(r, clkv_cache_fill(r->cache, 0xff), "filling it with NaN") ||
           check(r, clkv_batch_create(&r->batch, clkv_cache_manager(r->cache)), "making a batch");
}

static int make_sequences(run *r)
{
    const verify_case *c = r->c;
    const uint32_t most = c->q_tokens > HISTORY_TOKENS ? c->q_tokens : HISTORY_TOKENS;
    const size_t k_row = (size_t)c->kv_heads * c->head_dim, v_row = (size_t)c->kv_heads * c->head_dim_v;
    r->sequences = calloc(c->batch, sizeof *r->sequences);
    r->kv_first = calloc(c->batch, sizeof *r->kv_first);
    r->k = malloc(most * k_row * sizeof(float));
    r->v = malloc(most * v_row * sizeof(float));
    if (!r->sequences || !r->kv_first || !r->k || !r->v) return lose(r, VERIFY_FAIL, "setting up", "out of memory");
    uint64_t first = 0;
    for (uint32_t i = 0; i < c->batch; i++) {
        const clkv_sequence_params params = {.size = sizeof params, .prefix = CLKV_PREFIX_OFF, .user_data = i};
        r->kv_first[i] = first;
        first += (uint32_t)c->kv_lens[i];
        if (check(r, clkv_sequence_create(&r->sequences[i], clkv_cache_manager(r->cache), &params, NULL),
                  "making a sequence"))
            return -1;
    }
    return make_buffer(r, &r->k_mem, CL_MEM_READ_ONLY, NULL, most * k_row * sizeof(float), "a buffer for k") ||
           make_buffer(r, &r->v_mem, CL_MEM_READ_ONLY, NULL, most * v_row * sizeof(float), "a buffer for v");
}

/* Reserves and uploads the batch and appends its tokens' keys and values. */
static int append(run *r)
{
    const verify_case *c = r->c;
    const size_t k_row = (size_t)c->kv_heads * c->head_dim, v_row = (size_t)c->kv_heads * c->head_dim_v;
    const clkv_batch_entry *entries;
    const clkv_upload_params upload = {.size = sizeof upload,
                                       .visibility = c->causal ? CLKV_SEE_CAUSAL : CLKV_SEE_ALL};
    uint32_t n;
    if (check(r, clkv_batch_reserve(r->batch), "reserving blocks")) return -1;
    clkv_batch_get_entries(r->batch, &entries, &n);
    for (uint32_t e = 0; e < n; e++) {
        const uint64_t sequence = clkv_sequence_user_data(entries[e].sequence);
        const uint64_t from = r->kv_first[sequence] + entries[e].context - entries[e].new_tokens;
        memcpy(r->k + entries[e].first * k_row, c->k + from * k_row, entries[e].new_tokens * k_row * sizeof(float));
        memcpy(r->v + entries[e].first * v_row, c->v + from * v_row, entries[e].new_tokens * v_row * sizeof(float));
    }
    const size_t tokens = clkv_batch_tokens(r->batch);
    cl_command_queue queue = clkv_device_queue(r->options->device);
    const clkv_append_params params = {.size = sizeof params, .k = {.mem = r->k_mem}, .v = {.mem = r->v_mem}};
    return check_cl(r,
                    clEnqueueWriteBuffer(queue, r->k_mem, CL_TRUE, 0, tokens * k_row * sizeof(float), r->k, 0, NULL,
                                         NULL),
                    "writing k") ||
           check_cl(r,
                    clEnqueueWriteBuffer(queue, r->v_mem, CL_TRUE, 0, tokens * v_row * sizeof(float), r->v, 0, NULL,
                                         NULL),
                    "writing v") ||
           check(r, clkv_cache_upload(r->cache, r->batch, &upload, 0, NULL, NULL), "uploading") ||
           check(r, clkv_append(r->cache, r->batch, &params, 0, NULL, NULL), "append");
}

static int commit(run *r)
{
    return check(r, clkv_batch_commit(r->batch), "committing") ||
           check(r, clkv_batch_clear(r->batch), "clearing") ||
           check_cl(r, clFinish(clkv_device_queue(r->options->device)), "waiting");
}

/* Everything before the queries' own tokens, a random number of tokens per sequence and batch. */
static int append_history(run *r)
{
    const verify_case *c = r->c;
    for (;;) {
        const int signal = clkv_interrupt_seen();
        if (signal) return lose(r, VERIFY_NOT_RUN, "stopped by", clkv_interrupt_name(signal));
        uint32_t room = HISTORY_TOKENS;
        for (uint32_t i = 0; i < c->batch && room; i++) {
            const uint32_t history = (uint32_t)(c->kv_lens[i] - c->q_lens[i]);
            uint32_t left = history - (uint32_t)clkv_sequence_length(r->sequences[i]);
            if (!left) continue;
            uint32_t n = 1 + (uint32_t)(random_next(&r->random) % 1024);
            if (n > left) n = left;
            if (n > room) n = room;
            if (check(r, clkv_batch_add(r->batch, r->sequences[i], NULL, n, NULL), "adding to a batch")) return -1;
            room -= n;
        }
        if (room == HISTORY_TOKENS) return 0;
        if (append(r) || commit(r)) return -1;
    }
}

static int attend(run *r)
{
    const verify_case *c = r->c;
    const size_t q_bytes = (size_t)c->q_tokens * c->heads * c->head_dim * sizeof(float);
    const size_t o_bytes = (size_t)c->q_tokens * c->heads * c->head_dim_v * sizeof(float);
    const size_t lse_bytes = (size_t)c->q_tokens * c->heads * sizeof(float);
    for (uint32_t i = 0; i < c->batch; i++)
        if (c->q_lens[i] && check(r, clkv_batch_add(r->batch, r->sequences[i], NULL, (uint32_t)c->q_lens[i], NULL),
                                  "adding to a batch"))
            return -1;
    if (!(r->o = malloc(o_bytes)) || !(r->lse = malloc(lse_bytes)))
        return lose(r, VERIFY_FAIL, "setting up", "out of memory");
    memset(r->o, 0xff, o_bytes); /* NaN: what the kernel does not write is seen */
    memset(r->lse, 0xff, lse_bytes);
    if (append(r) || make_buffer(r, &r->q_mem, CL_MEM_READ_ONLY, c->q, q_bytes, "a buffer for q") ||
        make_buffer(r, &r->o_mem, CL_MEM_READ_WRITE, r->o, o_bytes, "a buffer for o") ||
        make_buffer(r, &r->lse_mem, CL_MEM_READ_WRITE, r->lse, lse_bytes, "a buffer for lse"))
        return -1;
    const clkv_attention_params params = {
        .size = sizeof params,
        .scale = (float)c->scale,
        .q = {.mem = r->q_mem},
        .o = {.mem = r->o_mem},
        .lse = {.mem = r->lse_mem},
    };
    cl_command_queue queue = clkv_device_queue(r->options->device);
    return check(r, clkv_attention(r->cache, r->batch, &params, 0, NULL, NULL), "attention") ||
           check_cl(r, clEnqueueReadBuffer(queue, r->o_mem, CL_TRUE, 0, o_bytes, r->o, 0, NULL, NULL),
                    "reading o") ||
           check_cl(r, clEnqueueReadBuffer(queue, r->lse_mem, CL_TRUE, 0, lse_bytes, r->lse, 0, NULL, NULL),
                    "reading lse") ||
           commit(r);
}

/* Elements out of tolerance. A NaN in `got` makes the maxima NaN, and they stay so. */
static uint64_t compare(const verify_case *c, const float *got, const float *ref, size_t n, double *max_abs,
                        double *max_rel)
{
    uint64_t wrong = 0;
    *max_abs = *max_rel = 0;
    for (size_t i = 0; i < n; i++) {
        if (got[i] == ref[i]) continue; /* also −inf, whose difference would be NaN */
        const double diff = fabs((double)got[i] - ref[i]), size = fabs((double)ref[i]);
        const double rel = diff / (size > c->atol ? size : c->atol);
        if (!(diff <= *max_abs) && !isnan(*max_abs)) *max_abs = diff;
        if (!(rel <= *max_rel) && !isnan(*max_rel)) *max_rel = rel;
        if (!(diff <= c->atol + c->rtol * size)) wrong++;
    }
    return wrong;
}

static void judge(run *r)
{
    const verify_case *c = r->c;
    verify_result *result = r->result;
    const size_t rows = (size_t)c->q_tokens * c->heads;
    double lse_max_rel;
    const uint64_t wrong = compare(c, r->o, c->o, rows * c->head_dim_v, &result->max_abs, &result->max_rel);
    uint64_t lse_wrong = 0;
    result->compared = 1;
    if (c->lse) {
        result->has_lse = 1;
        lse_wrong = compare(c, r->lse, c->lse, rows, &result->lse_max_abs, &lse_max_rel);
    }
    result->status = wrong || lse_wrong ? VERIFY_FAIL : VERIFY_PASS;
    if (wrong || lse_wrong)
        safetensors_fail(result->reason, "%llu elements of o and %llu of lse are out of tolerance",
                         (unsigned long long)wrong, (unsigned long long)lse_wrong);
}

void verify_run(const verify_case *c, const verify_options *options, verify_result *result)
{
    run r = {.c = c, .options = options, .result = result, .random = random_seed(options->seed)};
    memset(result, 0, sizeof *result);
    const char *unsupported = verify_case_unsupported(c);
    if (unsupported)
        lose(&r, VERIFY_UNSUPPORTED, "the case asks for", unsupported);
    else if (!make_cache(&r) && !make_sequences(&r) && !append_history(&r) && !attend(&r))
        judge(&r);
    clFinish(clkv_device_queue(options->device));
    cl_mem *const mems[] = {&r.k_mem, &r.v_mem, &r.q_mem, &r.o_mem, &r.lse_mem};
    for (size_t i = 0; i < sizeof mems / sizeof *mems; i++)
        if (*mems[i]) clReleaseMemObject(*mems[i]);
    clkv_batch_destroy(&r.batch);
    for (uint32_t i = 0; r.sequences && i < c->batch; i++) clkv_sequence_destroy(&r.sequences[i]);
    clkv_cache_destroy(&r.cache);
    free(r.sequences);
    free(r.kv_first);
    free(r.k);
    free(r.v);
    free(r.o);
    free(r.lse);
}
