/* gemm.h: projections: y[token][row] (+)= Σ w[row][col] · x[token][col] on the pass's own queue.
 *
 * Two ways: kernels of our own (matmul.cl), which read fp16 and fp32 weights, and CLBlast's SGEMM and SGEMV for
 * fp32 ones. CLBlast cannot mix types: fp16 weights are expanded into a float buffer first, so that sums are
 * always of floats. docs/performance.md has what was measured of both.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_LLM_GEMM_H
#define CLKV_TOOLS_LLM_GEMM_H

#include "weights.h"

typedef enum llm_gemm_way {
    LLM_GEMM_AUTO = 0, /* by kind of device, weights and number of tokens: the table in gemm.c */
    LLM_GEMM_OWN,
    LLM_GEMM_CLBLAST,
} llm_gemm_way;

typedef struct llm_gemm {
    llm_compute *c;
    llm_gemm_way way; /* as asked for */
    llm_buffer expanded;
} llm_gemm;

/* `g` is all zeros, `c` open. With LLM_GEMM_CLBLAST all products are CLBlast's, which wants weights row by row
 * (llm_compute_params). */
void llm_gemm_init(llm_gemm *g, llm_compute *c, llm_gemm_way way);

/* x is [token][cols], y [token][rows]; both without padding. add: 1 adds to y, 0 replaces it. */
int llm_gemm_multiply(llm_gemm *g, const llm_matrix *w, cl_mem x, cl_mem y, uint32_t tokens, int add, char *why);

/* All zeros again. */
void llm_gemm_free(llm_gemm *g);

#endif
