/* args.c: sets the arguments of a kernel in order. SPDX-License-Identifier: Apache-2.0 */
#include "ops/args.h"

#include "core/error.h"

clkv_args clkv_args_of(cl_kernel kernel)
{
    clkv_args args = { kernel, 0, CL_SUCCESS };
    return args;
}

static void set(clkv_args *args, size_t bytes, const void *value)
{
    if (args->err != CL_SUCCESS) return;
    args->err = clSetKernelArg(args->kernel, args->next, bytes, value);
    if (args->err == CL_SUCCESS) args->next++;
}

void clkv_arg_mem(clkv_args *args, cl_mem mem)
{
    set(args, sizeof mem, &mem);
}

void clkv_arg_uint(clkv_args *args, uint32_t x)
{
    const cl_uint value = x;
    set(args, sizeof value, &value);
}

void clkv_arg_ulong(clkv_args *args, uint64_t x)
{
    const cl_ulong value = x;
    set(args, sizeof value, &value);
}

void clkv_arg_float(clkv_args *args, float x)
{
    const cl_float value = x;
    set(args, sizeof value, &value);
}

void clkv_arg_slabs(clkv_args *args, const clkv_slabs *slabs)
{
    for (uint32_t i = 0; i < slabs->args; i++) clkv_arg_mem(args, slabs->mem[i]);
}

void clkv_arg_blocks(clkv_args *args, const clkv_slabs *slabs)
{
    clkv_arg_ulong(args, slabs->block_bytes);
    clkv_arg_uint(args, slabs->blocks_per_slab);
}

void clkv_arg_tensor(clkv_args *args, const clkv_tensor *tensor, cl_mem dummy)
{
    const int wanted = tensor && tensor->mem;
    clkv_arg_mem(args, wanted ? tensor->mem : dummy);
    clkv_arg_ulong(args, wanted ? tensor->offset : 0);
    clkv_arg_uint(args, wanted ? (uint32_t)tensor->stride : 0);
}

clkv_status clkv_args_done(const clkv_args *args, const char *what)
{
    if (args->err == CL_SUCCESS) return CLKV_OK;
    return CLKV_FAIL_DRIVER(args->err, "clSetKernelArg", "argument %u of %s", (unsigned)args->next, what);
}
