/* runtime.c: see runtime.h. SPDX-License-Identifier: Apache-2.0 */
#include "runtime.h"

#include "compiling.h"
#include "pass.h"

#include <inttypes.h>
#include <stdlib.h>

#define DEFAULT_BATCH_TOKENS 512u

struct llm_runtime {
    const llm_model *model;
    llm_compute compute;
    llm_weights weights;
    llm_gemm gemm;
    llm_pass pass;
    clkv_cache *cache;
    uint32_t max_context, max_batch_tokens, split_tokens;
    /* the last step's picks on their way back */
    uint32_t *ids;
    uint32_t n_ids, ids_room;
    cl_event arrived; /* or NULL */
};

static uint32_t least(uint32_t a, uint32_t b)
{
    return b != 0 && b < a ? b : a;
}

/* `most` if that is no more than half of the device; else 0, for which clkv_cache_create takes half. */
static uint32_t default_blocks(llm_runtime *r, const clkv_cache_params *params, uint32_t most)
{
    clkv_cache_params twice = *params;
    if (most == 0 || most > UINT32_MAX / 2) return 0;
    twice.blocks = 2 * most;
    return clkv_cache_supported(r->compute.device, &twice) == CLKV_OK ? most : 0;
}

static int create_cache(llm_runtime *r, const llm_runtime_params *params, char *why, int *exit_code)
{
    const llm_model *m = r->model;
    clkv_cache_params cp = CLKV_PARAMS_INIT(clkv_cache_params);
    cp.layers = m->n_layers;
    cp.heads = m->heads;
    cp.kv_heads = m->kv_heads;
    cp.head_dim = m->head_dim;
    cp.head_dim_v = m->head_dim_v;
    cp.k_type = cp.v_type = params->kv_type;
    cp.blocks = params->blocks;
    cp.memory_bytes = params->memory_bytes;
    cp.block_size = params->block_size;
    cp.max_sequences = params->max_sequences;
    cp.max_context = r->max_context;
    cp.shuffle_seed = params->shuffle_seed;
    cp.max_batch_tokens = r->max_batch_tokens;
    if (!cp.blocks && !cp.memory_bytes) cp.blocks = default_blocks(r, &cp, params->most_blocks);
    cp.compile = CLKV_COMPILE_LATER;
    clkv_status status = clkv_cache_create(&r->cache, r->compute.device, &cp);
    if (status == CLKV_OK)
        status = compile_kernels(r->cache, CLKV_OP_UPLOAD | CLKV_OP_APPEND | CLKV_OP_ATTENTION);
    if (status == CLKV_OK) return 0;
    *exit_code = llm_exit_code(status);
    return llm_fail_clkv(why, "a KV cache for this model");
}

int llm_runtime_create(llm_runtime **out, const llm_model *model, const llm_runtime_params *params, char *why,
                       int *exit_code)
{
    *out = NULL;
    *exit_code = EXIT_CHECK;
    llm_runtime *r = calloc(1, sizeof *r);
    if (!r) return llm_fail(why, "out of memory");
    const llm_compute_params cp = {.device = params->device,
                                   .variant = params->variant,
                                   .half_weights = params->weight_type != CLKV_F32,
                                   .row_major = params->gemm == LLM_GEMM_CLBLAST,
                                   .profile = params->profile};
    r->model = model;
    r->max_context = least(least(model->context, model->window), params->max_context);
    r->max_batch_tokens = params->max_batch_tokens ? params->max_batch_tokens : DEFAULT_BATCH_TOKENS;
    r->split_tokens = params->split_tokens;
    if (llm_compute_open(&r->compute, &cp, why, exit_code)) goto fail;
    llm_gemm_init(&r->gemm, &r->compute, params->gemm);
    *exit_code = EXIT_USAGE; /* what fails from here on is mostly too much for the device */
    /* The cache first: it says what shapes it cannot serve before gigabytes are uploaded. */
    if (create_cache(r, params, why, exit_code)) goto fail;
    if (llm_weights_upload(&r->weights, &r->compute, model, why)) goto fail;
    llm_compute_forget(&r->compute);
    const llm_pass_parts parts = {&r->compute, model, &r->weights, &r->gemm, r->cache, r->max_batch_tokens};
    if (llm_pass_create(&r->pass, &parts, why)) goto fail;
    *out = r;
    return 0;
fail:
    llm_runtime_destroy(&r);
    return -1;
}

void llm_runtime_destroy(llm_runtime **runtime)
{
    llm_runtime *r = *runtime;
    if (!r) return;
    if (r->compute.queue) clFinish(r->compute.queue);
    if (r->arrived) clReleaseEvent(r->arrived);
    clkv_cache_destroy(&r->cache);
    llm_pass_free(&r->pass);
    llm_gemm_free(&r->gemm);
    llm_weights_free(&r->weights);
    llm_compute_close(&r->compute);
    free(r->ids);
    free(r);
    *runtime = NULL;
}

clkv_cache *llm_runtime_cache(llm_runtime *runtime)
{
    return runtime->cache;
}

uint32_t llm_runtime_max_context(const llm_runtime *runtime)
{
    return runtime->max_context;
}

uint32_t llm_runtime_max_batch_tokens(const llm_runtime *runtime)
{
    return runtime->max_batch_tokens;
}

uint64_t llm_runtime_weight_bytes(const llm_runtime *runtime)
{
    return runtime->weights.bytes;
}

static int wait_for_ids(llm_runtime *r, char *why)
{
    if (!r->arrived) return 0;
    const cl_int err = clWaitForEvents(1, &r->arrived);
    clReleaseEvent(r->arrived);
    r->arrived = NULL;
    return err == CL_SUCCESS ? 0 : llm_fail_driver(why, err, "clWaitForEvents for sampled ids");
}

/* Room for n ids on the host, and none on their way into the old one. */
static int make_room(llm_runtime *r, uint32_t n, char *why)
{
    if (wait_for_ids(r, why)) return -1;
    r->n_ids = 0;
    if (r->ids_room >= n) return 0;
    uint32_t *ids = realloc(r->ids, n * sizeof *ids);
    if (!ids) return llm_fail(why, "out of memory for %u sampled ids", (unsigned)n);
    r->ids = ids;
    r->ids_room = n;
    return 0;
}

static int check_step(const llm_runtime *r, const clkv_batch *batch, const uint32_t *tokens, uint32_t n_tokens,
                      const llm_pick *picks, uint32_t n_picks, char *why)
{
    if (n_tokens == 0 || n_tokens != clkv_batch_tokens(batch))
        return llm_fail(why, "a step of %u tokens for a batch of %u", (unsigned)n_tokens,
                        (unsigned)clkv_batch_tokens(batch));
    if (n_tokens > r->max_batch_tokens)
        return llm_fail(why, "a step of %u tokens; the runtime was made for %u", (unsigned)n_tokens,
                        (unsigned)r->max_batch_tokens);
    for (uint32_t i = 0; i < n_tokens; i++)
        if (tokens[i] >= r->model->vocab)
            return llm_fail(why, "token id %" PRIu32 " of a vocabulary of %" PRIu32, tokens[i], r->model->vocab);
    for (uint32_t i = 0; i < n_picks; i++)
        if (picks[i].token >= n_tokens)
            return llm_fail(why, "a pick of token %u of %u", (unsigned)picks[i].token, (unsigned)n_tokens);
    return 0;
}

int llm_runtime_step(llm_runtime *runtime, clkv_batch *batch, const uint32_t *tokens, uint32_t n_tokens,
                     const llm_pick *picks, uint32_t n_picks, char *why)
{
    llm_runtime *r = runtime;
    cl_event event;
    if (check_step(r, batch, tokens, n_tokens, picks, n_picks, why) || make_room(r, n_picks, why)) return -1;
    clkv_upload_params up = CLKV_PARAMS_INIT(clkv_upload_params);
    up.split_tokens = r->split_tokens;
    if (clkv_cache_upload(r->cache, batch, &up, 0, NULL, llm_compute_event(&r->compute, &event)) != CLKV_OK)
        return llm_fail_clkv(why, "uploading a batch");
    if (r->compute.profile) llm_compute_note(&r->compute, event, LLM_TIME_OTHER);
    if (llm_pass_run(&r->pass, batch, tokens, n_tokens, picks, n_picks, why)) return -1;
    if (n_picks > 0) {
        const cl_int err = clEnqueueReadBuffer(r->compute.queue, r->pass.ids.mem, CL_FALSE, 0,
                                               n_picks * sizeof *r->ids, r->ids, 0, NULL, &r->arrived);
        if (err != CL_SUCCESS) return llm_fail_driver(why, err, "clEnqueueReadBuffer of sampled ids");
    }
    r->n_ids = n_picks;
    clFlush(r->compute.queue);
    return 0;
}

int llm_runtime_sampled(llm_runtime *runtime, uint32_t *ids, char *why)
{
    if (wait_for_ids(runtime, why)) return -1;
    for (uint32_t i = 0; i < runtime->n_ids; i++) ids[i] = runtime->ids[i];
    return 0;
}

int llm_runtime_logits(llm_runtime *runtime, uint32_t pick, float *out, char *why)
{
    const size_t row = runtime->model->vocab * sizeof *out;
    if (pick >= runtime->n_ids)
        return llm_fail(why, "logits of pick %u of %u", (unsigned)pick, (unsigned)runtime->n_ids);
    const cl_int err = clEnqueueReadBuffer(runtime->compute.queue, runtime->pass.logits.mem, CL_TRUE, pick * row,
                                           row, out, 0, NULL, NULL);
    return err == CL_SUCCESS ? 0 : llm_fail_driver(why, err, "clEnqueueReadBuffer of logits");
}

void llm_runtime_times(llm_runtime *runtime, double *attention_s, double *gemm_s, double *other_s)
{
    llm_compute *c = &runtime->compute;
    clFinish(c->queue);
    llm_compute_settle(c);
    if (attention_s) *attention_s = c->seconds[LLM_TIME_ATTENTION];
    if (gemm_s) *gemm_s = c->seconds[LLM_TIME_GEMM];
    if (other_s) *other_s = c->seconds[LLM_TIME_OTHER];
}
