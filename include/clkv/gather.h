/* clkv/gather.h: a sequence's keys and values to contiguous tensors.
 * Thread-safe; enqueues, never blocks, never compiles. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_GATHER_H
#define CLKV_GATHER_H

#include <clkv/cache.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct clkv_gather_params {
    size_t size;
    uint32_t layer;
    uint32_t first, count;      /* positions [first, first + count); count 0 = to the end */
    clkv_type type;             /* of k and v: CLKV_F32 (default) or CLKV_F16 */
    cl_mem k;                   /* [token][kv_head][head_dim]; NULL = not wanted */
    cl_mem v;                   /* [token][kv_head][head_dim_v]; NULL = not wanted */
    size_t k_offset, v_offset;  /* elements before the first token */
} clkv_gather_params;

/* INVALID: layer, range, buffers; positions that the window has released. BUSY: the sequence is in a reserved
 * batch that is not uploaded. STATE: the kernel is not compiled for this type (clkv_cache_warm_up). NO_MEMORY,
 * DEVICE. */
CLKV_API clkv_status clkv_gather(clkv_cache *cache, const clkv_sequence *sequence, const clkv_gather_params *params,
                                 cl_uint n_wait, const cl_event *wait, cl_event *event);

#ifdef __cplusplus
}
#endif
#endif
