/* args.h: sets a kernel's arguments one after the other and keeps the first failure.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_OPS_ARGS_H
#define CLKV_OPS_ARGS_H

#include "ops/ops.h"

typedef struct clkv_args {
    cl_kernel kernel;
    cl_uint next; /* index of the next argument */
    cl_int err;   /* of the first argument that failed; `next` stays there */
} clkv_args;

clkv_args clkv_args_of(cl_kernel kernel);
void clkv_arg_mem(clkv_args *args, cl_mem mem);
void clkv_arg_uint(clkv_args *args, uint32_t x);
void clkv_arg_ulong(clkv_args *args, uint64_t x);
void clkv_arg_float(clkv_args *args, float x);
void clkv_arg_slabs(clkv_args *args, const clkv_slabs *slabs);
/* Sets the two numbers that say where a block lies in the slabs: block_bytes and blocks_per_slab. */
void clkv_arg_blocks(clkv_args *args, const clkv_slabs *slabs);
/* Sets a caller's tensor, its offset and its stride; `dummy` replaces a tensor that is not wanted. */
void clkv_arg_tensor(clkv_args *args, const clkv_tensor *tensor, cl_mem dummy);
/* OK, or the first failure as DEVICE; `what` names the kernel. */
clkv_status clkv_args_done(const clkv_args *args, const char *what);

#endif
