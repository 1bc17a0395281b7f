/* rows.c: writes the changes of block tables to the tables on the device. SPDX-License-Identifier: Apache-2.0 */
#include "ops/args.h"
#include "ops/idle.h"
#include "ops/kernel.h"

static clkv_status set_args(const clkv_ops *ops, cl_kernel kernel, const clkv_ring_slot *slot, uint32_t at, uint32_t n)
{
    clkv_args args = clkv_args_of(kernel);
    clkv_arg_mem(&args, ops->rows);
    clkv_arg_mem(&args, slot->mem);
    clkv_arg_uint(&args, at);
    clkv_arg_uint(&args, n);
    return clkv_args_done(&args, "clkv_rows");
}

clkv_status clkv_rows_idle(const clkv_ops *ops, cl_kernel kernel, const clkv_packed *packed)
{
    return set_args(ops, kernel, packed->slot, 0, 0);
}

clkv_status clkv_ops_rows(clkv_ops *ops, clkv_ring_slot *slot, uint32_t at, uint32_t n, const clkv_events *events)
{
    clkv_kernel kernel;
    clkv_status st = clkv_ops_kernel(ops, CLKV_FAMILY_ROWS, CLKV_F32, CLKV_F32, &kernel);
    if (st == CLKV_OK) st = set_args(ops, kernel.kernel, slot, at, n);
    cl_event after = NULL;
    if (st == CLKV_OK) st = clkv_ring_ready(slot, &after);
    if (st != CLKV_OK) return st;
    clkv_stream_only_after(&ops->stream, after);
    return clkv_stream_launch(&ops->stream, "clkv_rows", kernel.kernel, (n + kernel.group - 1) / kernel.group,
                              kernel.group, events->n_wait, events->wait, events->event);
}
