/* clkv/copy.h: copies whole blocks, all layers, to other blocks of the same cache.
 * Thread-safe. The function only enqueues; it never blocks or compiles. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_COPY_H
#define CLKV_COPY_H

#include <clkv/cache.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Enqueues the write of the list and then the copies; the event is that of the last command. Copies the content of
 * all layers of a group; it does not change which sequences hold the blocks. clkv_cache_upload makes the copies of
 * copy-on-write itself. STATE: the kernel is not compiled (clkv_cache_warm_up), or a block is in a slab that
 * is not there (clkv_growth). INVALID: a block is both source and
 * target, or a target twice; group. NO_MEMORY, DEVICE_MEMORY, DEVICE. */
CLKV_API clkv_status clkv_copy_blocks(clkv_cache *cache, uint32_t group, const clkv_block_copy *copies, uint32_t n,
                                      cl_uint n_wait, const cl_event *wait, cl_event *event);

#ifdef __cplusplus
}
#endif
#endif
