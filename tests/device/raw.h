/* raw.h: what lies in a cache's slabs, byte by byte. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TESTS_RAW_H
#define CLKV_TESTS_RAW_H

#include "open.h"

#include "cache/state.h"

/* Reads a buffer when all that was enqueued has run. */
static inline void raw_read(const clkv_device *device, cl_mem mem, void *out, size_t bytes)
{
    cl_command_queue queue = clkv_device_queue(device);
    ck_assert_int_eq(clFinish(queue), CL_SUCCESS);
    ck_assert_int_eq(clEnqueueReadBuffer(queue, mem, CL_TRUE, 0, bytes, out, 0, NULL, NULL), CL_SUCCESS);
}

/* A block, all layers; returns how many bytes. */
static inline size_t raw_block(clkv_cache *cache, uint32_t block, void *out, size_t room)
{
    const clkv_slabs *slabs = &cache->ops.slabs;
    const size_t bytes = clkv_cache_block_bytes(&cache->params);
    cl_command_queue queue = clkv_device_queue(cache->device);
    ck_assert_uint_le(bytes, room);
    ck_assert(slabs->open >> block / slabs->blocks_per_slab & 1); /* else another slab is in its place */
    ck_assert_int_eq(clFinish(queue), CL_SUCCESS);
    ck_assert_int_eq(clEnqueueReadBuffer(queue, slabs->mem[block / slabs->blocks_per_slab], CL_TRUE,
                                         block % slabs->blocks_per_slab * bytes, bytes, out, 0, NULL, NULL),
                     CL_SUCCESS);
    return bytes;
}

#endif
