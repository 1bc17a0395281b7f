/* gather.c: a sequence's keys and values to contiguous tensors. SPDX-License-Identifier: Apache-2.0 */
#include "ops/args.h"

clkv_status clkv_ops_gather(clkv_ops *ops, uint32_t row, uint32_t layer, uint32_t first, uint32_t n,
                            const clkv_tensor *k, const clkv_tensor *v, const clkv_events *events)
{
    clkv_kernel kernel;
    const clkv_tensor *any = k->mem ? k : v;
    clkv_status st = clkv_ops_kernel(ops, CLKV_FAMILY_GATHER, CLKV_F32, any->type, &kernel);
    if (st != CLKV_OK) return st;
    clkv_args args = clkv_args_of(kernel.kernel);
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
    st = clkv_args_done(&args, "clkv_gather");
    if (st != CLKV_OK) return st;
    clkv_stream_only_after(&ops->stream, events->after);
    return clkv_stream_launch(&ops->stream, "clkv_gather", kernel.kernel, (size_t)n * ops->shape.kv_heads,
                              kernel.group, events->n_wait, events->wait, events->event);
}
