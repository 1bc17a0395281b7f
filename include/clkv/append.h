/* clkv/append.h: writes new keys and values into the blocks of a batch.
 * Thread-safe. The function only enqueues; it never blocks or compiles. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_APPEND_H
#define CLKV_APPEND_H

#include <clkv/cache.h>
#include <clkv/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct clkv_append_params {
    size_t size;
    uint32_t layer;
    clkv_tensor k; /* [token][kv_head][head_dim], tokens in the order of the batch */
    clkv_tensor v; /* [token][kv_head][head_dim_v]; same type as k; offset and stride may differ */
} clkv_append_params;

/* Enqueues one command that, for every token of an uploaded batch, converts K and V to the types of the cache (round
 * to nearest even; 65520 and more becomes infinite in CLKV_F16) and writes them into the slot of the token. The
 * command reads k and v when it runs: do not change them before. They may be the same buffer. STATE: the batch is not
 * uploaded, or the kernel is not compiled for this type (clkv_cache_warm_up). INVALID: layer, or a tensor (see
 * tensor.h). UNSUPPORTED: k and v are of different types. DEVICE. */
CLKV_API clkv_status clkv_append(clkv_cache *cache, clkv_batch *batch, const clkv_append_params *params,
                                 cl_uint n_wait, const cl_event *wait, cl_event *event);

#ifdef __cplusplus
}
#endif
#endif
