/* slab.h: the cl_mem objects that hold the blocks. Block b is in slab b / blocks_per_slab; the last slab may be smaller
 * than the others. A slab is made when it is opened. The kernels take all slabs as arguments, so a slab that is not
 * open is represented there by one that is: no block of it is ever used.
 *
 *   mem   [ slab 0 | slab 1 | (slab 0) | slab 3 | (slab 0) … ]      slab 2 is closed, and there is no slab 4
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_DEVICE_SLAB_H
#define CLKV_DEVICE_SLAB_H

#include "core/pool.h"
#include "device/stream.h"

#include <clkv/device.h>

typedef struct clkv_slabs {
    uint32_t n;               /* slabs, open or not */
    uint32_t args;            /* kernel arguments they take: n rounded up to a power of two */
    uint32_t open;            /* a bit per slab */
    uint32_t blocks, blocks_per_slab;
    uint64_t block_bytes;
    uint64_t slab_bytes;      /* of each but the last */
    cl_mem mem[CLKV_POOL_SLABS];   /* [args]; only those of open slabs are owned */
    void *host[CLKV_POOL_SLABS];   /* on CPU devices: the memory of an open slab, used in place; else NULL */
    uint32_t driver_frees;        /* a bit per slab: its host memory is freed when the driver destroys the buffer */
} clkv_slabs;

/* Divides `blocks` blocks of `block_bytes` each into slabs, none of which is larger than max_slab_bytes (0 = the
 * device's limit), and opens the first n_open of them. On CPU devices the slabs are host memory that the driver uses in
 * place (2 MiB aligned, advised for huge pages, in all never more than the machine has available), unless the driver
 * lacks clSetMemObjectDestructorCallback. Waits for the queue. *slabs is all zero after a failure. DEVICE_MEMORY.
 * UNSUPPORTED: more than CLKV_POOL_SLABS slabs would be needed. DEVICE. */
clkv_status clkv_slabs_create(clkv_slabs *slabs, clkv_device *device, uint32_t blocks, uint64_t block_bytes,
                              uint64_t max_slab_bytes, uint32_t n_open);
/* Computes the slabs that clkv_slabs_create would create, or returns its error; creates nothing. */
clkv_status clkv_slabs_divide(clkv_slabs *out, const clkv_device *device, uint32_t blocks, uint64_t block_bytes,
                              uint64_t max_slab_bytes);

/* Opens a slab that is closed. It does not wait: where the driver may allocate only at the first use, the stream gets a
 * command that uses the memory. Nothing has changed after a failure. DEVICE_MEMORY, DEVICE, NO_MEMORY. */
clkv_status clkv_slabs_open(clkv_slabs *slabs, uint32_t i, clkv_stream *stream);

/* Closes an open slab, not the last open one. Commands that use it may be running: its memory is freed after them. */
void clkv_slabs_close(clkv_slabs *slabs, uint32_t i);

/* Accepts half-built slabs. The memory of slabs that running commands use is freed when the commands have
 * finished. */
void clkv_slabs_destroy(clkv_slabs *slabs);

/* The bytes of a slab, open or not. */
uint64_t clkv_slabs_size(const clkv_slabs *slabs, uint32_t i);

/* The bytes of the open slabs. */
uint64_t clkv_slabs_bytes(const clkv_slabs *slabs);

/* The most bytes that all slabs together can have. OpenCL does not report how much memory is free. */
uint64_t clkv_slabs_limit(const clkv_device *device);

#endif
