/* idle.c: see idle.h. SPDX-License-Identifier: Apache-2.0 */
#include "ops/idle.h"

/* The bytes of one layer of block 0, which the idle launches copy to itself, or clear. */
static uint64_t block_bytes(const clkv_spec *spec)
{
    const clkv_layout layout = {
        .k = clkv_format_of(spec->k_type),
        .v = clkv_format_of(spec->v_type),
        .layers = 1,
        .kv_heads = spec->kv_heads,
        .head_dim = spec->head_dim,
        .head_dim_v = spec->head_dim_v,
        .block_size = spec->block_size,
    };
    return clkv_layout_block_bytes(&layout);
}

static clkv_status set_args(cl_kernel kernel, cl_mem zeros, const void *user)
{
    static clkv_status (*const families[CLKV_FAMILIES])(const clkv_ops *, cl_kernel, const clkv_packed *) = {
        [CLKV_FAMILY_ATTENTION] = clkv_attention_idle, [CLKV_FAMILY_MERGE] = clkv_merge_idle,
        [CLKV_FAMILY_APPEND] = clkv_append_idle,       [CLKV_FAMILY_CLEAR] = clkv_blocks_idle,
        [CLKV_FAMILY_COPY] = clkv_blocks_idle,         [CLKV_FAMILY_GATHER] = clkv_gather_idle,
        [CLKV_FAMILY_ROWS] = clkv_rows_idle,
    };
    const clkv_spec *spec = user;
    clkv_ops ops = {
        .shape = { .layers = 1 },
        .slabs = { .args = spec->slabs, .blocks_per_slab = 1, .block_bytes = block_bytes(spec) },
        .rows = zeros,
        .part_o = zeros,
        .part_sums = zeros,
    };
    for (uint32_t i = 0; i < spec->slabs; i++) ops.slabs.mem[i] = zeros;
    clkv_ring_slot slot = { .mem = zeros };
    const clkv_packed packed = { .slot = &slot,  };
    return families[spec->family](&ops, kernel, &packed);
}

clkv_idle clkv_ops_idle(const clkv_spec *spec)
{
    const int blocks = spec->family == CLKV_FAMILY_COPY || spec->family == CLKV_FAMILY_CLEAR;
    const size_t least = 4096, bytes = blocks ? (size_t)block_bytes(spec) : 0;
    const clkv_idle idle = {
        .set_args = set_args,
        .user = spec,
        .group = spec->work_group,
        .bytes = bytes > least ? bytes : least,
    };
    return idle;
}
