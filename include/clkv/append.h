/* clkv/append.h: writes new keys and values into the blocks of a batch.
 * Thread-safe; enqueues, never blocks, never compiles. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_APPEND_H
#define CLKV_APPEND_H

#include <clkv/cache.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct clkv_append_params {
    size_t size;
    uint32_t layer;
    clkv_type type;             /* of k and v: CLKV_F32 (default) or CLKV_F16 */
    cl_mem k;                   /* [token][kv_head][head_dim], tokens as the batch counts them */
    cl_mem v;                   /* [token][kv_head][head_dim_v] */
    size_t k_offset, v_offset;  /* elements before the first token */
} clkv_append_params;

/* For every token of an uploaded batch, converts to the cache's type (round to nearest even; 65520 and more
 * becomes infinite in CLKV_F16) and writes K transposed and V plain into its slot. k and v are read when the
 * command runs.
 * STATE: the batch is not uploaded, or the kernel is not compiled for this type (clkv_cache_warm_up). INVALID: layer,
 * NULL buffers, buffers too small. DEVICE. */
CLKV_API clkv_status clkv_append(clkv_cache *cache, clkv_batch *batch, const clkv_append_params *params,
                                 cl_uint n_wait, const cl_event *wait, cl_event *event);

#ifdef __cplusplus
}
#endif
#endif
