/* clkv/attention.h: attention of a batch's queries over their sequences' contexts, read in place.
 *
 * One operation for decode, chunked prefill, verification of drafts and any mixture: the plan's work
 * items are (sequence, tile of queries × GQA group, KV head, token range). Long contexts are split
 * (split-KV) and the parts merged by their log-sum-exp, as in Flash-Decoding; the softmax is the online
 * one of Milakov & Gimelshein 2018, as used by FlashAttention (Dao et al. 2022).
 * Thread-safe; enqueues, never blocks, never compiles. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_ATTENTION_H
#define CLKV_ATTENTION_H

#include <clkv/cache.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct clkv_attention_params {
    size_t size;
    uint32_t layer;
    float scale;                /* 0 = 1 / sqrt(head_dim) */
    clkv_type q_type, o_type;   /* CLKV_F32 (default) or CLKV_F16 */
    cl_mem q;                   /* [token][head][head_dim] */
    cl_mem o;                   /* [token][head][head_dim_v] */
    cl_mem lse;                 /* float32 [token][head], natural log-sum-exp of the scaled scores; NULL = none */
    size_t q_offset, o_offset, lse_offset; /* elements before the first token */
} clkv_attention_params;

/* Computes softmax(scale · q kᵀ) v for every token of an uploaded batch; keys and values of the batch's
 * own tokens must have been appended to this layer before. Arithmetic and accumulation in float32.
 * Causal unless the upload said otherwise: query i of n sees the first context − n + i + 1 tokens.
 * Not finite: a score of NaN or +infinity makes its query head NaN; -infinity is weight 0, and a query head without any
 * weight is 0 with log-sum-exp -infinity; a value that is not finite makes its dimension infinite or NaN, for queries
 * that see its token only. |scale q k| must stay below 6e29.
 * STATE: the batch is not uploaded, or the kernels are not compiled for these types (clkv_cache_warm_up). INVALID:
 * layer, NULL buffers, buffers too small. DEVICE. */
CLKV_API clkv_status clkv_attention(clkv_cache *cache, clkv_batch *batch, const clkv_attention_params *params,
                                    cl_uint n_wait, const cl_event *wait, cl_event *event);

#ifdef __cplusplus
}
#endif
#endif
