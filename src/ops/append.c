/* append.c: writes new keys and values into their slots. SPDX-License-Identifier: Apache-2.0 */
#include "ops/args.h"
#include "ops/idle.h"
#include "ops/kernel.h"

static clkv_status set_args(const clkv_ops *ops, cl_kernel kernel, const clkv_packed *packed, uint32_t layer,
                            const clkv_tensor *k, const clkv_tensor *v)
{
    clkv_args args = clkv_args_of(kernel);
    clkv_arg_slabs(&args, &ops->slabs);
    clkv_arg_tensor(&args, k, NULL);
    clkv_arg_tensor(&args, v, NULL);
    clkv_arg_mem(&args, packed->slot->mem);
    clkv_arg_uint(&args, packed->slots_at);
    clkv_arg_uint(&args, packed->n_tokens);
    clkv_arg_uint(&args, layer);
    clkv_arg_blocks(&args, &ops->slabs);
    return clkv_args_done(&args, "clkv_append");
}

clkv_status clkv_append_idle(const clkv_ops *ops, cl_kernel kernel, const clkv_packed *packed)
{
    const clkv_tensor zeros = { .mem = ops->rows };
    return set_args(ops, kernel, packed, 0, &zeros, &zeros);
}

clkv_status clkv_ops_append(clkv_ops *ops, const clkv_packed *packed, uint32_t layer, const clkv_tensor *k,
                            const clkv_tensor *v, const clkv_events *events)
{
    clkv_kernel kernel;
    clkv_status st = clkv_ops_kernel(ops, CLKV_FAMILY_APPEND, k->type, CLKV_F32, &kernel);
    if (st == CLKV_OK) st = set_args(ops, kernel.kernel, packed, layer, k, v);
    cl_event after = NULL;
    if (st == CLKV_OK) st = clkv_ring_ready(packed->slot, &after);
    if (st != CLKV_OK) return st;
    clkv_stream_only_after(&ops->stream, after);
    return clkv_stream_launch(&ops->stream, "clkv_append", kernel.kernel,
                              (size_t)packed->n_tokens * ops->shape.kv_heads, kernel.group, events->n_wait,
                              events->wait, events->event);
}
