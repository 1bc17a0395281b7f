/* attention.c: launches attention over the work items of a batch, and a merge when a context was split.
 * SPDX-License-Identifier: Apache-2.0 */
#include "ops/args.h"
#include "ops/idle.h"
#include "ops/kernel.h"

static clkv_status set_merge_args(const clkv_ops *ops, cl_kernel kernel, const clkv_packed *packed,
                                  const clkv_tensor *o, const clkv_tensor *lse)
{
    clkv_args args = clkv_args_of(kernel);
    clkv_arg_mem(&args, packed->slot->mem);
    clkv_arg_uint(&args, packed->merges_at);
    clkv_arg_tensor(&args, o, NULL);
    clkv_arg_tensor(&args, lse, ops->part_sums);
    clkv_arg_uint(&args, lse->mem != NULL);
    clkv_arg_mem(&args, ops->part_o);
    clkv_arg_mem(&args, ops->part_sums);
    return clkv_args_done(&args, "clkv_merge");
}

/* Enqueues the merge, which runs only if the parts have been computed. */
static clkv_status merge(clkv_ops *ops, const clkv_packed *packed, const clkv_tensor *o, const clkv_tensor *lse,
                         cl_event parts, cl_event *event)
{
    clkv_kernel k;
    clkv_status st = clkv_ops_kernel(ops, CLKV_FAMILY_MERGE, CLKV_F32, o->type, &k);
    if (st == CLKV_OK) st = set_merge_args(ops, k.kernel, packed, o, lse);
    if (st != CLKV_OK) return st;
    clkv_stream_only_after(&ops->stream, parts);
    return clkv_stream_launch(&ops->stream, "clkv_merge", k.kernel, (size_t)packed->plan.n_merges * ops->shape.heads,
                              k.group, 0, NULL, event);
}

static clkv_status set_args(const clkv_ops *ops, cl_kernel kernel, const clkv_packed *packed, uint32_t layer,
                            float scale, const clkv_tensor *q, const clkv_tensor *o, const clkv_tensor *lse)
{
    clkv_args args = clkv_args_of(kernel);
    clkv_arg_slabs(&args, &ops->slabs);
    clkv_arg_mem(&args, ops->rows);
    clkv_arg_uint(&args, ops->row_stride);
    clkv_arg_mem(&args, packed->slot->mem);
    clkv_arg_uint(&args, packed->items_at);
    clkv_arg_uint(&args, layer);
    clkv_arg_blocks(&args, &ops->slabs);
    clkv_arg_float(&args, scale);
    clkv_arg_tensor(&args, q, NULL);
    clkv_arg_tensor(&args, o, NULL);
    clkv_arg_tensor(&args, lse, ops->part_sums);
    clkv_arg_uint(&args, lse->mem != NULL);
    clkv_arg_mem(&args, ops->part_o);
    clkv_arg_mem(&args, ops->part_sums);
    return clkv_args_done(&args, "clkv_attention");
}

clkv_status clkv_attention_idle(const clkv_ops *ops, cl_kernel kernel, const clkv_packed *packed)
{
    const clkv_tensor zeros = { .mem = ops->rows }, none = { 0 };
    return set_args(ops, kernel, packed, 0, 1.0f, &zeros, &zeros, &none);
}

clkv_status clkv_merge_idle(const clkv_ops *ops, cl_kernel kernel, const clkv_packed *packed)
{
    const clkv_tensor zeros = { .mem = ops->rows }, none = { 0 };
    return set_merge_args(ops, kernel, packed, &zeros, &none);
}

clkv_status clkv_ops_attention(clkv_ops *ops, const clkv_packed *packed, uint32_t layer, float scale,
                               const clkv_tensor *q, const clkv_tensor *o, const clkv_tensor *lse,
                               const clkv_events *events)
{
    clkv_kernel k;
    clkv_status st = clkv_ops_kernel(ops, CLKV_FAMILY_ATTENTION, q->type, o->type, &k);
    if (st == CLKV_OK) st = set_args(ops, k.kernel, packed, layer, scale, q, o, lse);
    cl_event after = NULL, first = NULL;
    if (st == CLKV_OK) st = clkv_ring_ready(packed->slot, &after);
    if (st != CLKV_OK) return st;
    const int split = packed->plan.n_merges > 0;
    clkv_stream_only_after(&ops->stream, after);
    st = clkv_stream_launch(&ops->stream, "clkv_attention", k.kernel,
                            (size_t)packed->plan.n_items * ops->shape.kv_heads, k.group, events->n_wait, events->wait,
                            split || events->first ? &first : events->event);
    if (st == CLKV_OK && split) st = merge(ops, packed, o, lse, first, events->event);
    else if (st == CLKV_OK && events->first && events->event) st = clkv_event_share(first, events->event);
    if (st == CLKV_OK && events->first) {
        *events->first = first;
        first = NULL;
    }
    clkv_event_release(&first);
    return st;
}
