/* workspace.c: the other device buffers of a cache: block tables, and room for the unmerged parts of split contexts.
 * SPDX-License-Identifier: Apache-2.0 */
#include "ops/ops.h"

#include "device/buffer.h"

void clkv_ops_free(clkv_ops *ops)
{
    clkv_kernels_free(&ops->kernels);
    clkv_buffer_release(&ops->rows);
    clkv_buffer_release(&ops->part_o);
    clkv_buffer_release(&ops->part_sums);
    ops->parts_capacity = 0;
}

/* The bytes of the workspace for n parts: first their outputs, then the maximum and the sum of weights of each
 * part. */
static size_t part_o_bytes(const clkv_ops *ops, uint32_t n)
{
    return (size_t)n * ops->shape.heads * ops->shape.head_dim_v * sizeof(float);
}

static size_t part_sums_bytes(const clkv_ops *ops, uint32_t n)
{
    return (size_t)n * ops->shape.heads * 2 * sizeof(float);
}

clkv_status clkv_ops_reserve_parts(clkv_ops *ops, uint32_t parts)
{
    /* The kernel gets the buffers even for a batch without split sequences, so keep room for one part. */
    const uint32_t need = parts ? parts : 1;
    if (need <= ops->parts_capacity) return CLKV_OK;
    uint32_t n = ops->parts_capacity ? ops->parts_capacity : 64;
    while (n < need && n <= UINT32_MAX / 2) n *= 2;
    if (n < need) n = need;
    cl_mem o = NULL, sums = NULL;
    clkv_status st = clkv_buffer_create(&o, ops->device, part_o_bytes(ops, n), "split-KV workspace");
    if (st == CLKV_OK) st = clkv_buffer_create(&sums, ops->device, part_sums_bytes(ops, n), "split-KV workspace");
    if (st != CLKV_OK) {
        clkv_buffer_release(&o);
        return st;
    }
    clkv_buffer_release(&ops->part_o);
    clkv_buffer_release(&ops->part_sums);
    ops->part_o = o;
    ops->part_sums = sums;
    ops->parts_capacity = n;
    return CLKV_OK;
}

uint64_t clkv_ops_bytes(const clkv_ops *ops)
{
    return ops->rows_bytes + part_o_bytes(ops, ops->parts_capacity) + part_sums_bytes(ops, ops->parts_capacity);
}
