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
#include <clkv/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct clkv_attention_params {
    size_t size;
    uint32_t layer;
    float scale;     /* 0 = 1 / sqrt(head_dim) */
    clkv_tensor q;   /* [token][head][head_dim], tokens in the order of the batch */
    clkv_tensor o;   /* [token][head][head_dim_v]; q and o may be of different types */
    clkv_tensor lse; /* [token][head], dim 1, CLKV_F32: natural log-sum-exp of the scaled scores; mem NULL = none */
    cl_event *first_event; /* not NULL: gets the event of the first command, the caller's to release; see below */
} clkv_attention_params;

/* Enqueues softmax(scale · q kᵀ) v for every token of an uploaded batch; keys and values of the batch's
 * own tokens must have been appended to this layer before. Arithmetic and accumulation in float32.
 * One command, and a second one (a merge) where a context was split. `event` is that of the last one, `first_event`
 * that of the first one: a profiled operation takes from the start of the first to the end of the last.
 * Causal unless the upload said otherwise: query i of n sees the first context − n + i + 1 tokens.
 * O must not be Q: the elements of q, o and lse must not overlap, also where they are parts of one buffer.
 * Not finite: a score of NaN or +infinity makes its query head NaN; -infinity is weight 0, and a query head without any
 * weight is 0 with log-sum-exp -infinity; a value that is not finite makes its dimension infinite or NaN, for queries
 * that see its token only. |scale q k| must stay below 6e29.
 * STATE: the batch is not uploaded, or the kernels are not compiled for these types (clkv_cache_warm_up). INVALID: layer,
 * scale, or a tensor (see tensor.h); an overlap. DEVICE. */
CLKV_API clkv_status clkv_attention(clkv_cache *cache, clkv_batch *batch, const clkv_attention_params *params,
                                    cl_uint n_wait, const cl_event *wait, cl_event *event);

#ifdef __cplusplus
}
#endif
#endif
