/* kernel.h: the kernels of a cache.
 *
 *   clkv_ops_missing ──▶ clkv_ops_make, each ──▶ clkv_ops_take        clkv_ops_kernel: which one serves an operation
 *    cache locked          not locked, in any      cache locked            cache locked
 *                          thread
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_OPS_KERNEL_H
#define CLKV_OPS_KERNEL_H

#include "ops/ops.h"

#include <clkv/cache.h>

/* What kernels are wanted for, in the bits of clkv_warm_up_params. */
typedef struct clkv_needs {
    uint32_t operations, inputs, outputs;
    int clears; /* uploads clear what was freed */
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

/* The kernels that are needed and not there. INVALID: a spec that cannot be printed. */
clkv_status clkv_ops_missing(const clkv_ops *ops, clkv_needs needs, clkv_missing *list);

/* Makes one of them; blocks while it is compiled. On devices that allow the kernel a smaller work-group than the
 * tuning table says it is compiled again for that. Reads what does not change in the life of ops alone, so it may run
 * beside operations. BUILD, DEVICE, NO_MEMORY, UNSUPPORTED: more local memory than the device has. */
clkv_status clkv_ops_make(const clkv_ops *ops, clkv_missing_kernel *kernel);

/* Puts those that were made into the table of ops. NO_MEMORY: none. */
clkv_status clkv_ops_take(clkv_ops *ops, clkv_missing *list);

/* Releases what was made and not taken. */
void clkv_ops_drop(clkv_missing *list);

/* The spec of a family's kernel for these tensor types. */
clkv_spec clkv_ops_spec(const clkv_ops *ops, clkv_family family, clkv_type in, clkv_type out);

/* Queries per tile, by shape and tuning. */
uint32_t clkv_ops_tile_tokens(const clkv_ops *ops);

/* The kernel of a family for these tensor types; it stays the table's. STATE: it is not compiled. */
clkv_status clkv_ops_kernel(const clkv_ops *ops, clkv_family family, clkv_type in, clkv_type out, clkv_kernel *kernel);

#endif
