/* slab.h: the cl_mem objects that hold the blocks. All slabs of a pool have the same size; block b is in slab
 * b / blocks_per_slab. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_DEVICE_SLAB_H
#define CLKV_DEVICE_SLAB_H

#include "core/pool.h"

#include <clkv/device.h>


typedef struct clkv_slabs {
    uint32_t n;               /* slabs */
    uint32_t args;            /* kernel arguments they take: n rounded up to a power of two */
    uint32_t blocks_per_slab;
    uint64_t block_bytes;
    uint64_t slab_bytes;      /* of each */
    cl_mem mem[CLKV_MAX_SLABS];   /* [args]: from n on, repeats of the last one (not retained again) */
    void *host[CLKV_MAX_SLABS];   /* on CPU devices: the memory used in place; else NULL */
    uint32_t driver_frees;        /* a bit per slab: its host memory is freed when the driver destroys the buffer */
} clkv_slabs;

/* Creates slabs for `blocks` blocks of `block_bytes` each; no slab is larger than max_slab_bytes (0 = the device's
 * limit). On CPU devices the slabs are host memory that the driver uses in place (2 MiB aligned, advised for huge
 * pages, never more than the machine has available), unless the driver lacks clSetMemObjectDestructorCallback. *slabs is
 * all zero after a failure. DEVICE_MEMORY. UNSUPPORTED:
 * more than CLKV_MAX_SLABS slabs would be needed. DEVICE. */
clkv_status clkv_slabs_create(clkv_slabs *slabs, clkv_device *device, uint32_t blocks, uint64_t block_bytes,
                              uint64_t max_slab_bytes);
/* Computes the slabs that clkv_slabs_create would create, or returns its error; creates nothing. */
clkv_status clkv_slabs_divide(clkv_slabs *out, const clkv_device *device, uint32_t blocks, uint64_t block_bytes,
                              uint64_t max_slab_bytes);

/* Accepts half-built slabs. The memory of slabs that running commands use is freed when the commands have
 * finished. */
void clkv_slabs_destroy(clkv_slabs *slabs);

/* The most bytes that all slabs together can have. OpenCL does not report how much memory is free. */
uint64_t clkv_slabs_limit(const clkv_device *device);

#endif
