/* clkv/gather.h: copies the keys and values of a sequence to tensors.
 * Thread-safe. The function only enqueues; it never blocks or compiles. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_GATHER_H
#define CLKV_GATHER_H

#include <clkv/cache.h>
#include <clkv/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct clkv_gather_params {
    size_t size;
    uint32_t layer;
    uint32_t first, count; /* positions [first, first + count); count 0 = to the end */
    clkv_tensor k;         /* [token][kv_head][head_dim]; mem NULL = not wanted */
    clkv_tensor v;         /* [token][kv_head][head_dim_v]; mem NULL = not wanted; same type as k */
} clkv_gather_params;

/* Enqueues a command that reads the keys and values of a sequence from the cache and converts them to the type of the
 * tensors. If the device does not have the current block table of the sequence, two commands before that send the
 * table. The event is that of the last command. INVALID: layer, range, neither k nor v, a tensor (see tensor.h), k
 * and v overlap. BUSY: the sequence is in a reserved batch that is not uploaded. STATE: the kernel is not compiled
 * for this type (clkv_cache_warm_up). UNSUPPORTED: k and v are of different types. NO_MEMORY, DEVICE_MEMORY,
 * DEVICE. */
CLKV_API clkv_status clkv_gather(clkv_cache *cache, const clkv_sequence *sequence, const clkv_gather_params *params,
                                 cl_uint n_wait, const cl_event *wait, cl_event *event);

#ifdef __cplusplus
}
#endif
#endif
