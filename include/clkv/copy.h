/* clkv/copy.h: whole blocks to other blocks, all layers, within a cache.
 * Thread-safe; enqueues, never blocks, never compiles. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_COPY_H
#define CLKV_COPY_H

#include <clkv/cache.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Enqueues the write of the list and then the copies; the event is that of the last command. Copies content only, of
 * all layers of a group; ownership is the caller's affair. clkv_cache_upload does this for copy-on-write by itself.
 * STATE: the kernel is not compiled (clkv_cache_warm_up). INVALID: a block that is both source and target, or a target
 * twice; group. NO_MEMORY, DEVICE_MEMORY, DEVICE. */
CLKV_API clkv_status clkv_copy_blocks(clkv_cache *cache, uint32_t group, const clkv_block_copy *copies, uint32_t n,
                                      cl_uint n_wait, const cl_event *wait, cl_event *event);

#ifdef __cplusplus
}
#endif
#endif
