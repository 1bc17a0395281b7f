/* pass.h: one forward pass of a batch through a model's layers, and a token id for each pick.
 *
 *   ids ─embed▶ x ─┬─norm▶ qkv ─▶ heads (bias, norm, RoPE) ─▶ append, attention ─▶ out ─▶ + ─┬─ … ─▶ norm of
 *                  └─────────────────────────────────────────────────────────────────────────┘       picked rows
 *                  and the same around norm ▶ gate, up ▶ silu(gate) · up ▶ down                      ▶ logits ▶ ids
 *
 * x is the residual stream, which projections add to. Behind the last layer's attention only picked rows go on;
 * with no picks that is where a pass ends. Buffers hold max_tokens tokens, those of picks grow.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_LLM_PASS_H
#define CLKV_TOOLS_LLM_PASS_H

#include "gemm.h"
#include "input.h"

typedef struct llm_pass {
    llm_compute *c;
    const llm_model *model;
    const llm_weights *weights;
    llm_gemm *gemm;
    clkv_cache *cache;
    llm_input input;
    llm_buffer frequencies, angles; /* of RoPE: [pairs]{nearest float, rest}, [token][pairs]{cos, sin} */
    llm_buffer x, normed, qkv, q, k, v, o, both, hidden; /* [token][…] */
    llm_buffer picked, logits, scratch, ids;             /* [pick][…] */
} llm_pass;

typedef struct llm_pass_parts {
    llm_compute *c;
    const llm_model *model;
    const llm_weights *weights;
    llm_gemm *gemm;
    clkv_cache *cache;
    uint32_t max_tokens;
} llm_pass_parts;

/* `p` is all zeros; llm_pass_free takes it, made or not, when everything enqueued is finished. */
int llm_pass_create(llm_pass *p, const llm_pass_parts *parts, char *why);
void llm_pass_free(llm_pass *p);

/* Enqueues the pass of an uploaded batch. Ids are checked by the caller. */
int llm_pass_run(llm_pass *p, clkv_batch *batch, const uint32_t *tokens, uint32_t n_tokens, const llm_pick *picks,
                 uint32_t n_picks, char *why);

#endif
