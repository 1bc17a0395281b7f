/* forward.h: one sequence through a model in plain C, with a contiguous KV cache of its own: what the device's
 * results are compared with. Written to be read and to be right; slow.
 *
 *   token ─▶ embedding ─▶ n_layers × { x += wo(attention(norm x));  x += down(silu(gate(norm x)) · up(norm x)) }
 *                                                                    ─▶ norm ─▶ output ─▶ logits
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_LLM_FORWARD_H
#define CLKV_TOOLS_LLM_FORWARD_H

#include "model.h"

typedef struct llm_forward llm_forward;

/* What sums are added up in and values are kept as. The weights are those of the file in both. */
typedef enum llm_width { LLM_WIDTH_FLOAT, LLM_WIDTH_DOUBLE } llm_width;

/* Room for `positions` tokens (≥ 1; may exceed what the model was trained on). The model must outlive it. Returns
 * 0, or −1 with *out NULL and the reason in `why` (WHY_BYTES). */
int llm_forward_create(llm_forward **out, const llm_model *model, uint32_t positions, llm_width width, char *why);
void llm_forward_destroy(llm_forward **forward);

/* Runs n ≥ 1 more tokens of the sequence. `logits` takes those of the last n_logits ≤ n of them, row-major
 * [n_logits][vocab]; NULL with n_logits 0. −1, and the sequence as before, when a token is none of the model's,
 * there is no room for n more, or no memory. */
int llm_forward_tokens(llm_forward *f, const uint32_t *tokens, uint32_t n, float *logits, uint32_t n_logits,
                       char *why);

/* Tokens run so far; and back to an earlier number of them. */
uint32_t llm_forward_length(const llm_forward *f);
void llm_forward_rewind(llm_forward *f, uint32_t length);

#endif
