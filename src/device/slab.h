/* slab.h: the cl_mem objects that hold the blocks. All slabs of a pool have the same size; block b lives in
 * slab b / blocks_per_slab. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_DEVICE_SLAB_H
#define CLKV_DEVICE_SLAB_H

#include <clkv/device.h>

#define CLKV_MAX_SLABS 32

typedef struct clkv_slabs {
    uint32_t n;               /* slabs */
    uint32_t args;            /* kernel arguments they take: n rounded up to a power of two */
    uint32_t blocks_per_slab;
    uint64_t block_bytes;
    uint64_t slab_bytes;      /* of each */
    cl_mem mem[CLKV_MAX_SLABS];   /* [args]: from n on, repeats of the last one (not retained again) */
    void *host[CLKV_MAX_SLABS];   /* on CPU devices: the memory used in place; else NULL */
    uint32_t driver_frees;        /* a bit per slab: its memory goes when the driver is done with it */
} clkv_slabs;

/* Room for `blocks` blocks of `block_bytes` each, no slab above max_slab_bytes (0 = the device's limit).
 * On CPU devices host memory is used in place (2 MiB aligned, advised for huge pages, never more than
 * the machine has). *slabs is all zero on failure. DEVICE_MEMORY, UNSUPPORTED (more than CLKV_MAX_SLABS),
 * DEVICE. */
clkv_status clkv_slabs_create(clkv_slabs *slabs, clkv_device *device, uint32_t blocks, uint64_t block_bytes,
                              uint64_t max_slab_bytes);
/* The same without making them: how they would be, or why there are none. */
clkv_status clkv_slabs_divide(clkv_slabs *out, const clkv_device *device, uint32_t blocks, uint64_t block_bytes,
                              uint64_t max_slab_bytes);

/* Takes half-made ones. The memory of slabs that commands still use is freed when they are through. */
void clkv_slabs_destroy(clkv_slabs *slabs);

/* The bytes of slabs that the device can give at most, all together; what is free cannot be asked for. */
uint64_t clkv_slabs_limit(const clkv_device *device);

#endif
