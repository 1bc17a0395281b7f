/* weights.h: a model's weights on the device, in the type that the kernels read (fp16 or fp32), laid out for a
 * pass:
 *
 *   matrix   [rows][ld], ld = cols rounded up to 16 with zeros behind the last column, in strips of rows as
 *            matmul.cl wants them (the last strip may be filled up with rows that hold nothing defined); matrices
 *            that see the same input are stacked, so that a pass multiplies once: wq over wk over wv, gate over up
 *   vector   float32 whatever the weights are: norms, and the stacked biases
 *
 * Files' types are decoded a row at a time on the host, converted and padded on the device.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_LLM_WEIGHTS_H
#define CLKV_TOOLS_LLM_WEIGHTS_H

#include "compute.h"
#include "model.h"

typedef struct llm_matrix {
    llm_buffer data;
    uint32_t rows, cols, ld;
} llm_matrix;

typedef struct llm_layer_weights {
    llm_matrix qkv, out, gate_up, down;
    llm_buffer attn_norm, ffn_norm;
    llm_buffer bias;           /* mem NULL: none */
    llm_buffer q_norm, k_norm; /* mem NULL: none */
} llm_layer_weights;

typedef struct llm_weights {
    llm_layer_weights *layers;
    uint32_t n_layers;
    llm_matrix embedding, output; /* output.data.mem NULL: tied */
    llm_buffer final_norm;
    uint64_t bytes; /* of all matrices */
} llm_weights;

/* `w` is all zeros; llm_weights_free takes it, filled or not. Blocks until everything is uploaded. */
int llm_weights_upload(llm_weights *w, llm_compute *c, const llm_model *model, char *why);
void llm_weights_free(llm_weights *w);

#endif
