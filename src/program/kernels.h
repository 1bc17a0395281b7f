/* kernels.h: the table of the kernels of one cache, by their spec. A cl_kernel holds arguments, so every cache has
 * kernels of its own; caches share the programs (program.h). Not thread-safe: the cache locks.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_PROGRAM_KERNELS_H
#define CLKV_PROGRAM_KERNELS_H

#include <clkv/device.h>

typedef struct clkv_kernel {
    cl_kernel kernel;
    size_t group; /* work-items per work-group that it was compiled for */
} clkv_kernel;

#define CLKV_KERNEL_KEY_BYTES 512 /* at most, the NUL included */

/* Zero-initialise it. */
typedef struct clkv_kernels {
    struct clkv_kernel_entry *list;
    size_t n, capacity;
} clkv_kernels;

/* The kernel of a key (a text), or NULL; valid until the next call that adds or frees. */
const clkv_kernel *clkv_kernels_find(const clkv_kernels *kernels, const char *key);

/* Makes room for n more kernels, so that adding them cannot fail. NO_MEMORY. */
clkv_status clkv_kernels_reserve(clkv_kernels *kernels, size_t n);

/* Adds a kernel under a new key; room must be reserved. The table owns the kernel then. */
void clkv_kernels_add(clkv_kernels *kernels, const char *key, const clkv_kernel *kernel);

void clkv_kernels_free(clkv_kernels *kernels);

#endif
