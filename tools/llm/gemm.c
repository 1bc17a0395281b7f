/* gemm.c: see gemm.h. SPDX-License-Identifier: Apache-2.0 */
#include "gemm.h"

#include <clblast_c.h>

#include <string.h>

#define CPU_TILE_STEP  12u          /* tokens that the inner loop of matmul.cl takes at a time there */
#define CPU_TILE_LEAST 24u          /* fewer tokens are not worth reading the weights again */
#define CPU_X_BYTES    (256u << 10) /* of x that a work-group goes over again and again: half of a small L2 */
#define OWN_FEW        8u           /* tokens that our kernel for few is good for */
#define LIBRARY_TOKENS (OWN_FEW + 1)
#define EXPAND_TOKENS  64u
#define EXPAND_BYTES   ((uint64_t)512 << 20)

static int multiply_own(llm_gemm *g, const llm_matrix *w, cl_mem x, cl_mem y, uint32_t tokens, int add, char *why)
{
    const cl_ulong ld = w->ld;
    const cl_uint adds = add ? 1 : 0;
    llm_kernel kernel = LLM_KERNEL_MATMUL_MANY;
    size_t groups;
    cl_uint tile = 1;
    if (g->c->group == 1) {
        const uint32_t fitting = CPU_X_BYTES / (w->cols * (uint32_t)sizeof(float)) / CPU_TILE_STEP * CPU_TILE_STEP;
        tile = fitting > CPU_TILE_LEAST ? fitting : CPU_TILE_LEAST;
        groups = (size_t)llm_round_up(w->rows, g->c->strip) / g->c->strip * (size_t)(llm_round_up(tokens, tile) / tile);
    } else if (tokens <= OWN_FEW) {
        kernel = LLM_KERNEL_MATMUL_FEW;
        groups = w->rows;
    } else {
        const uint32_t wide = g->c->group < 8 ? g->c->group : 8, rows = 4 * wide,
                       columns = 4 * (g->c->group / wide);
        groups = (size_t)llm_round_up(w->rows, rows) / rows * (size_t)(llm_round_up(tokens, columns) / columns);
    }
    const llm_arg args[] = {LLM_ARG(w->data.mem), LLM_ARG(ld),      LLM_ARG(x),       LLM_ARG(w->cols),
                            LLM_ARG(y),           LLM_ARG(w->rows), LLM_ARG(w->rows), LLM_ARG(w->cols),
                            LLM_ARG(tokens),      LLM_ARG(adds),    LLM_ARG(tile)};
    return llm_compute_launch(g->c, kernel, groups, args, sizeof args / sizeof *args, LLM_TIME_GEMM, why);
}

static int multiply_clblast(llm_gemm *g, const llm_matrix *w, cl_mem x, cl_mem y, uint32_t tokens, int add,
                            char *why)
{
    cl_mem weights = w->data.mem;
    if (g->c->half_weights) {
        const size_t bytes = (size_t)w->rows * w->ld * sizeof(float);
        if (llm_buffer_room(g->c, &g->expanded, bytes, why)) return -1;
        const llm_arg args[] = {LLM_ARG(w->data.mem), LLM_ARG(w->ld), LLM_ARG(g->expanded.mem)};
        if (llm_compute_launch(g->c, LLM_KERNEL_EXPAND, w->rows, args, sizeof args / sizeof *args, LLM_TIME_GEMM,
                               why))
            return -1;
        weights = g->expanded.mem;
    }
    cl_event event = NULL;
    if (tokens == 1 && !add) {
        /* Its GEMV multiplies by beta even when that is 0, and what y held may be no number. */
        const float zero = 0;
        const cl_int err = clEnqueueFillBuffer(g->c->queue, y, &zero, sizeof zero, 0, w->rows * sizeof zero, 0, NULL,
                                               llm_compute_event(g->c, &event));
        if (err != CL_SUCCESS) return llm_fail_driver(why, err, "clEnqueueFillBuffer");
        if (event) llm_compute_note(g->c, event, LLM_TIME_GEMM);
        event = NULL;
    }
    const float beta = add ? 1.0f : 0.0f;
    const CLBlastStatusCode status =
        tokens == 1 ? CLBlastSgemv(CLBlastLayoutRowMajor, CLBlastTransposeNo, w->rows, w->cols, 1.0f, weights, 0,
                                   w->ld, x, 0, 1, beta, y, 0, 1, &g->c->queue, llm_compute_event(g->c, &event))
                    : CLBlastSgemm(CLBlastLayoutRowMajor, CLBlastTransposeNo, CLBlastTransposeYes, tokens, w->rows,
                                   w->cols, 1.0f, x, 0, w->cols, weights, 0, w->ld, beta, y, 0, w->rows,
                                   &g->c->queue, llm_compute_event(g->c, &event));
    if (status != CLBlastSuccess)
        return llm_fail(why, "CLBlast refuses a product of %u tokens by %u rows by %u columns (%d)",
                        (unsigned)tokens, (unsigned)w->rows, (unsigned)w->cols, (int)status);
    if (event) llm_compute_note(g->c, event, LLM_TIME_GEMM);
    return 0;
}

/* The table. On CPU devices our kernels: many times CLBlast's, and built in a fraction of the time. Weights in
 * strips are for our kernels only. On others CLBlast, whose kernels are tuned for them, from a tile's worth of tokens on; fp16 weights only
 * when the expansion is small beside the product. */
static int by_clblast(const llm_gemm *g, const llm_matrix *w, uint32_t tokens)
{
    if (g->way != LLM_GEMM_AUTO) return g->way == LLM_GEMM_CLBLAST;
    if (g->c->cpu_device || g->c->strip > 1) return 0;
    if (!g->c->half_weights) return tokens >= LIBRARY_TOKENS;
    return tokens >= EXPAND_TOKENS && (uint64_t)w->rows * w->ld * sizeof(float) <= EXPAND_BYTES;
}

int llm_gemm_multiply(llm_gemm *g, const llm_matrix *w, cl_mem x, cl_mem y, uint32_t tokens, int add, char *why)
{
    if (by_clblast(g, w, tokens)) return multiply_clblast(g, w, x, y, tokens, add, why);
    return multiply_own(g, w, x, y, tokens, add, why);
}

void llm_gemm_init(llm_gemm *g, llm_compute *c, llm_gemm_way way)
{
    g->c = c;
    g->way = way;
}

void llm_gemm_free(llm_gemm *g)
{
    llm_buffer_free(&g->expanded);
    memset(g, 0, sizeof *g);
}
