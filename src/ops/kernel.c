/* kernel.c: which kernel serves an operation on this device, and with which options it is built.
 * SPDX-License-Identifier: Apache-2.0 */
#include "ops/ops.h"

#include "core/error.h"
#include "device/buffer.h"
#include "device/process.h"
#include "program/program.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *file[2]; /* [clkv_variant] */
    const char *kernel;
} families[CLKV_FAMILIES] = {
    [CLKV_FAMILY_ATTENTION] = { { "attention_cpu", "attention_portable" }, "clkv_attention" },
    [CLKV_FAMILY_MERGE] = { { "merge", "merge" }, "clkv_merge" },
    [CLKV_FAMILY_APPEND] = { { "append", "append" }, "clkv_append" },
    [CLKV_FAMILY_CLEAR] = { { "clear", "clear" }, "clkv_clear" },
    [CLKV_FAMILY_COPY] = { { "copy", "copy" }, "clkv_copy" },
    [CLKV_FAMILY_GATHER] = { { "gather", "gather" }, "clkv_gather" },
    [CLKV_FAMILY_ROWS] = { { "rows", "rows" }, "clkv_rows" },
};

void clkv_ops_options(const clkv_ops *ops, size_t group, int in_half, int out_half, char *out, size_t n)
{
    const clkv_shape *s = &ops->shape;
    const uint32_t lanes = group >= ops->tuning.sub_group ? ops->tuning.sub_group : 0;
    snprintf(out, n,
             "-DCLKV_HEAD_DIM=%u -DCLKV_HEAD_DIM_V=%u -DCLKV_KV_HEADS=%u -DCLKV_GROUP=%u -DCLKV_BLOCK_SIZE=%u "
             "-DCLKV_K_FORMAT=%s -DCLKV_V_FORMAT=%s -DCLKV_IN_HALF=%d -DCLKV_OUT_HALF=%d -DCLKV_SLABS=%u -DCLKV_TILE_TOKENS=%u "
             "-DCLKV_WORK_GROUP=%zu -DCLKV_SUB_GROUP=%u",
             s->head_dim, s->head_dim_v, s->kv_heads, s->heads / s->kv_heads, s->block_size,
             clkv_format_of(s->k_type)->name, clkv_format_of(s->v_type)->name, in_half, out_half, ops->slabs.args, ops->tile_tokens, group, lanes);
}

void clkv_ops_source(const clkv_ops *ops, clkv_family family, const char **file, const char **kernel)
{
    *file = families[family].file[ops->tuning.variant];
    *kernel = families[family].kernel;
}

uint32_t clkv_ops_tile_tokens(const clkv_ops *ops)
{
    const uint32_t n = ops->tuning.tile_rows / (ops->shape.heads / ops->shape.kv_heads);
    return n ? n : 1;
}

size_t clkv_ops_group(const clkv_ops *ops, clkv_family family)
{
    const int wide = family == CLKV_FAMILY_ATTENTION || family == CLKV_FAMILY_MERGE;
    return wide ? ops->tuning.work_group : ops->tuning.copy_group;
}

/* The largest work-group the device allows this kernel, and whether its local memory fits at all. */
static clkv_status limits_of(const clkv_ops *ops, cl_kernel kernel, const char *name, size_t *group)
{
    cl_ulong local = 0;
    clkv_device_info info = { .size = sizeof info };
    clkv_status st = clkv_program_limits(ops->device, kernel, group, &local);
    if (st == CLKV_OK) st = clkv_device_get_info(ops->device, &info);
    if (st != CLKV_OK) return st;
    if (local > info.local_bytes)
        return CLKV_FAIL(CLKV_ERROR_UNSUPPORTED, "%s needs %llu bytes of local memory, the device has %llu", name,
                         (unsigned long long)local, (unsigned long long)info.local_bytes);
    return CLKV_OK;
}

static clkv_status make(clkv_ops *ops, clkv_family family, int in_half, int out_half, clkv_kernel *out)
{
    const char *file = NULL, *name = NULL;
    clkv_ops_source(ops, family, &file, &name);
    size_t group = clkv_ops_group(ops, family);
    for (;;) {
        char options[512];
        clkv_ops_options(ops, group, in_half, out_half, options, sizeof options);
        cl_kernel kernel = NULL;
        clkv_status st = clkv_program_kernel(ops->device, file, options, name, &kernel);
        if (st != CLKV_OK) return st;
        size_t allowed = 0;
        st = limits_of(ops, kernel, name, &allowed);
        if (st == CLKV_OK && (allowed >= group || group == 1)) {
            out->kernel = kernel;
            out->group = group;
            return CLKV_OK;
        }
        clReleaseKernel(kernel);
        if (st != CLKV_OK) return st;
        while (group > 1 && group > allowed) group /= 2;
    }
}

clkv_status clkv_ops_kernel(clkv_ops *ops, clkv_family family, clkv_type in, clkv_type out, clkv_kernel *kernel)
{
    const int in_half = in == CLKV_F16, out_half = out == CLKV_F16;
    clkv_kernel *slot = &ops->kernels[family][in_half][out_half];
    if (!slot->kernel) {
        const clkv_status st = make(ops, family, in_half, out_half, slot);
        if (st != CLKV_OK) return st;
    }
    *kernel = *slot;
    return CLKV_OK;
}

void clkv_ops_free(clkv_ops *ops)
{
    for (int f = 0; f < CLKV_FAMILIES; f++) {
        for (int i = 0; i < 4; i++) {
            clkv_kernel *slot = &ops->kernels[f][i / 2][i % 2];
            if (slot->kernel && !clkv_process_forked()) clReleaseKernel(slot->kernel);
            slot->kernel = NULL;
        }
    }
    clkv_buffer_release(&ops->rows);
    clkv_buffer_release(&ops->part_o);
    clkv_buffer_release(&ops->part_sums);
    ops->parts_capacity = 0;
}

/* Bytes of the workspace for n parts: unmerged outputs, then the maximum and the sum of each one's weights. */
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
    /* Even a batch without split sequences hands the buffers to the kernel: keep room for one part. */
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
