/* checkpoint.h: reads a llama2.c checkpoint of version 0, which has no magic number:
 *
 *   int32 dim, hidden_dim, n_layers, heads, kv_heads, ±vocab, context
 *   float embedding; then of all layers together attn_norm, wq, wk, wv, wo, ffn_norm, w1 (gate), w2 (down),
 *   w3 (up); final_norm; two tables of context × head_dim / 2 that nobody uses; output, when vocab is negative
 *
 * so all that tells one from other files is that its sizes make exactly the file.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_LLM_CHECKPOINT_H
#define CLKV_TOOLS_LLM_CHECKPOINT_H

#include "model.h"

/* Fills the model from model->file, which is mapped. On failure llm_model_close takes what was made. */
int llm_checkpoint_read(llm_model *model, const char *path, char *why);

#endif
