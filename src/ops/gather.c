/* gather.c: copies the keys and values of a sequence to tensors. SPDX-License-Identifier: Apache-2.0 */
#include "ops/args.h"
#include "ops/idle.h"
#include "ops/kernel.h"

static clkv_status set_args(const clkv_ops *ops, cl_kernel kernel, uint32_t row, uint32_t layer, uint32_t first,
                            uint32_t n, const clkv_tensor *k, const clkv_tensor *v)
{
    const clkv_tensor *any = k->mem ? k : v;
    clkv_args args = clkv_args_of(kernel);
    clkv_arg_slabs(&args, &ops->slabs);
    clkv_arg_mem(&args, ops->rows);
    clkv_arg_uint(&args, row * ops->row_stride);
    clkv_arg_uint(&args, first);
    clkv_arg_uint(&args, n);
    clkv_arg_uint(&args, layer);
    clkv_arg_blocks(&args, &ops->slabs);
    clkv_arg_tensor(&args, k, any->mem);
    clkv_arg_tensor(&args, v, any->mem);
    clkv_arg_uint(&args, (k->mem ? 1u : 0u) | (v->mem ? 2u : 0u));
    return clkv_args_done(&args, "clkv_gather");
}

clkv_status clkv_gather_idle(const clkv_ops *ops, cl_kernel kernel, const clkv_packed *packed)
{
    const clkv_tensor zeros = { .mem = packed->slot->mem };
    return set_args(ops, kernel, 0, 0, 0, 0, &zeros, &zeros);
}

clkv_status clkv_ops_gather(clkv_ops *ops, uint32_t row, uint32_t layer, uint32_t first, uint32_t n,
                            const clkv_tensor *k, const clkv_tensor *v, const clkv_events *events)
{
    clkv_kernel kernel;
    const clkv_type type = k->mem ? k->type : v->type;
    clkv_status st = clkv_ops_kernel(ops, CLKV_FAMILY_GATHER, CLKV_F32, type, &kernel);
    if (st == CLKV_OK) st = set_args(ops, kernel.kernel, row, layer, first, n, k, v);
    if (st != CLKV_OK) return st;
    clkv_stream_only_after(&ops->stream, events->after);
    return clkv_stream_launch(&ops->stream, "clkv_gather", kernel.kernel, (size_t)n * ops->shape.kv_heads,
                              kernel.group, events->n_wait, events->wait, events->event);
}
