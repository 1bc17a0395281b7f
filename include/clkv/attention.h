/* clkv/attention.h: attention of the queries of a batch over the contexts of their sequences. K and V are read
 * in their blocks.
 *
 * One operation serves decode, chunked prefill, verification of drafts and any mixture. The work items of the
 * plan are (sequence, tile of queries × GQA group, KV head, token range). Long contexts are split (split-KV),
 * and the parts are merged by their log-sum-exp, as in Flash-Decoding. The softmax is the online softmax of
 * Milakov & Gimelshein 2018, as in FlashAttention (Dao et al. 2022).
 * Thread-safe. The function only enqueues; it never blocks or compiles. SPDX-License-Identifier: Apache-2.0 */
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
    cl_event *first_event; /* not NULL: gets the event of the first command; the caller releases it; see below */
} clkv_attention_params;

/* Enqueues softmax(scale · q kᵀ) v for every token of an uploaded batch. Before that, the keys and values of the
 * batch's own tokens must have been appended to this layer. Arithmetic and accumulation are in float32.
 *
 * It enqueues one command, and a second one (a merge) if a context is split. `event` is the event of the last command
 * and `first_event` that of the first: the operation takes from the start of the first command to the end of the
 * last.
 *
 * Attention is causal unless the upload says otherwise: query i of n sees the first context − n + i + 1 tokens. O
 * must not be Q: the elements of q, o and lse must not overlap, even when they are in one buffer.
 *
 * Infinities and NaN: a score of NaN or +infinity makes its query head NaN. A score of -infinity has weight 0, and a
 * query head without any weight is 0 with log-sum-exp -infinity. An infinite or NaN value makes its dimension
 * infinite or NaN, but only for queries that see its token. |scale q k| must stay below 6e29.
 *
 * STATE: the batch is not uploaded, or the kernels are not compiled for these types (clkv_cache_warm_up). INVALID:
 * layer, scale, or a tensor (see tensor.h); an overlap. DEVICE. */
CLKV_API clkv_status clkv_attention(clkv_cache *cache, clkv_batch *batch, const clkv_attention_params *params,
                                    cl_uint n_wait, const cl_event *wait, cl_event *event);

#ifdef __cplusplus
}
#endif
#endif
