/* blocks.c: copies whole blocks, all layers (copy-on-write, the caller's copies), and clears them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "ops/args.h"
#include "ops/idle.h"
#include "ops/kernel.h"

static clkv_status set_args(const clkv_ops *ops, cl_kernel kernel, const char *name, const clkv_ring_slot *slot,
                            uint32_t at)
{
    const uint32_t shares = ops->shape.layers;
    clkv_args args = clkv_args_of(kernel);
    clkv_arg_slabs(&args, &ops->slabs);
    clkv_arg_mem(&args, slot->mem);
    clkv_arg_uint(&args, at);
    clkv_arg_uint(&args, shares);
    clkv_arg_uint(&args, (uint32_t)(ops->slabs.block_bytes / shares / CLKV_TILE_ALIGN));
    clkv_arg_blocks(&args, &ops->slabs);
    return clkv_args_done(&args, name);
}

clkv_status clkv_blocks_idle(const clkv_ops *ops, cl_kernel kernel, const clkv_packed *packed)
{
    return set_args(ops, kernel, "a kernel of blocks", packed->slot, 0);
}

/* Launches a kernel over n entries of the slot. An entry has as many work-groups as there are layers; each of them
 * takes a share of the block. */
static clkv_status each_block(clkv_ops *ops, clkv_family family, const char *name, clkv_ring_slot *slot, uint32_t at,
                              uint32_t n, const clkv_events *events)
{
    clkv_kernel kernel;
    clkv_status st = clkv_ops_kernel(ops, family, CLKV_F32, CLKV_F32, &kernel);
    if (st == CLKV_OK) st = set_args(ops, kernel.kernel, name, slot, at);
    cl_event after = NULL;
    if (st == CLKV_OK) st = clkv_ring_ready(slot, &after);
    if (st != CLKV_OK) return st;
    clkv_stream_only_after(&ops->stream, events->after ? events->after : after);
    return clkv_stream_launch(&ops->stream, name, kernel.kernel, (size_t)n * ops->shape.layers, kernel.group,
                              events->n_wait, events->wait, events->event);
}

clkv_status clkv_ops_copy(clkv_ops *ops, clkv_ring_slot *slot, uint32_t at, uint32_t n, const clkv_events *events)
{
    return each_block(ops, CLKV_FAMILY_COPY, "clkv_copy", slot, at, n, events);
}

clkv_status clkv_ops_clear(clkv_ops *ops, clkv_ring_slot *slot, uint32_t at, uint32_t n, const clkv_events *events)
{
    return each_block(ops, CLKV_FAMILY_CLEAR, "clkv_clear", slot, at, n, events);
}
