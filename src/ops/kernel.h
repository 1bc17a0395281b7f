/* kernel.h: the kernels of a cache.
 *
 *   clkv_ops_missing ──▶ clkv_ops_make, each ──▶ clkv_ops_take        clkv_ops_kernel: the kernel of an operation
 *    cache locked          not locked, in any      cache locked            cache locked
 *                          thread
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_OPS_KERNEL_H
#define CLKV_OPS_KERNEL_H

#include "ops/ops.h"

#include <clkv/cache.h>

/* The operations and types for which kernels are wanted, in the bits of clkv_warm_up_params. */
typedef struct clkv_needs {
    uint32_t operations, inputs, outputs;
    int clears; /* uploads clear freed blocks */
} clkv_needs;

typedef struct clkv_missing_kernel {
    clkv_spec spec;
    char text[CLKV_SPEC_BYTES]; /* the spec, printed */
    clkv_kernel made;           /* kernel NULL: not made */
} clkv_missing_kernel;

#define CLKV_MAX_MISSING 16 /* more than all families have with all types: 13 */

/* Zero-initialise it. */
typedef struct clkv_missing {
    uint32_t n;
    clkv_missing_kernel kernels[CLKV_MAX_MISSING];
} clkv_missing;

/* Lists the kernels that are needed and not compiled. INVALID: a spec that cannot be printed. */
clkv_status clkv_ops_missing(const clkv_ops *ops, clkv_needs needs, clkv_missing *list);

/* Compiles a kernel of the list, and blocks meanwhile. If the device allows only a smaller work-group for the kernel
 * than the tuning table has, the kernel is compiled again for that size. The function reads only members of ops that
 * never change, so operations may run at the same time. BUILD, DEVICE, NO_MEMORY. UNSUPPORTED: the kernel needs more
 * local memory than the device has. */
clkv_status clkv_ops_make(const clkv_ops *ops, clkv_missing_kernel *kernel);

/* Moves the kernels that were compiled into the table of ops. NO_MEMORY: none was moved. */
clkv_status clkv_ops_take(clkv_ops *ops, clkv_missing *list);

/* Releases the kernels that were compiled and not moved. */
void clkv_ops_drop(clkv_missing *list);

/* The spec of a family's kernel for these tensor types. */
clkv_spec clkv_ops_spec(const clkv_ops *ops, clkv_family family, clkv_type in, clkv_type out);

/* The number of queries per tile, from shape and tuning. */
uint32_t clkv_ops_tile_tokens(const clkv_ops *ops);

/* Finds the kernel of a family for these tensor types; the table owns it. STATE: it is not compiled. */
clkv_status clkv_ops_kernel(const clkv_ops *ops, clkv_family family, clkv_type in, clkv_type out, clkv_kernel *kernel);

#endif
