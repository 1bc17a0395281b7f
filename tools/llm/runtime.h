/* runtime.h: a model on a device: its weights, its KV cache, and a forward pass over whatever a batch holds.
 *
 *   reserve (caller) ─▶ llm_runtime_step ─▶ commit (caller) ─▶ … ─▶ llm_runtime_sampled
 *                         upload, embed, layers, logits and ids of the picks: enqueued, nothing waited for
 *
 * The only thing that comes back to the host is the ids that were sampled. One thread at a time.
 * Functions return 0, or −1 with the reason in `why` (WHY_BYTES).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_LLM_RUNTIME_H
#define CLKV_TOOLS_LLM_RUNTIME_H

#include "gemm.h"
#include "input.h"
#include "model.h"

typedef struct llm_runtime llm_runtime;

/* A field that is 0 means its default. */
typedef struct llm_runtime_params {
    const char *device, *variant; /* as in clkv_device_params */
    clkv_type kv_type;            /* CLKV_F16 (default) or CLKV_F32 */
    clkv_type weight_type;        /* what weights take on the device: CLKV_F16 (default) or CLKV_F32 */
    uint64_t memory_bytes;        /* of the cache, or else: */
    uint32_t blocks;              /* as in clkv_cache_params; neither: half of what the device can give, */
    uint32_t most_blocks;         /* and no more than this; 0: no such limit */
    uint32_t block_size;          /* default 16 */
    uint32_t max_sequences;       /* default 256 */
    uint32_t max_context;         /* tokens of a sequence; default and upper limit: what the model was made for,
                                     which is its window where it has one */
    uint32_t max_batch_tokens;    /* tokens in one step; default 512 */
    uint64_t shuffle_seed;        /* as in clkv_cache_params */
    uint32_t split_tokens;        /* as in clkv_upload_params */
    llm_gemm_way gemm;            /* default: by the device */
    int profile;                  /* 1: llm_runtime_times works; costs a little */
} llm_runtime_params;

/* Opens the device, uploads the weights, makes the cache. The model must outlive the runtime. Blocks.
 * *exit_code: what a program that cannot go on exits with. */
int llm_runtime_create(llm_runtime **out, const llm_model *model, const llm_runtime_params *params, char *why,
                       int *exit_code);
void llm_runtime_destroy(llm_runtime **runtime);

clkv_cache *llm_runtime_cache(llm_runtime *runtime);
uint32_t llm_runtime_max_context(const llm_runtime *runtime);
uint32_t llm_runtime_max_batch_tokens(const llm_runtime *runtime);
uint64_t llm_runtime_weight_bytes(const llm_runtime *runtime);

/* One forward pass of a reserved batch: `tokens` are its n_tokens ids in the order of the batch. The logits of
 * n_picks ≥ 0 tokens are computed and sampled. Enqueues only; what is handed in may go when it returns. On
 * failure the batch can be rolled back. */
int llm_runtime_step(llm_runtime *runtime, clkv_batch *batch, const uint32_t *tokens, uint32_t n_tokens,
                     const llm_pick *picks, uint32_t n_picks, char *why);

/* The ids of the last step's picks; waits for that step. */
int llm_runtime_sampled(llm_runtime *runtime, uint32_t *ids, char *why);

/* The vocab logits of one of the last step's picks; for tests. Waits. */
int llm_runtime_logits(llm_runtime *runtime, uint32_t pick, float *out, char *why);

/* Device time so far in attention (append not counted), in projections, and in all else; waits for everything.
 * Zeros when no profile was asked for. Any pointer may be NULL. */
void llm_runtime_times(llm_runtime *runtime, double *attention_s, double *gemm_s, double *other_s);

#endif
