/* idle.c: see idle.h. SPDX-License-Identifier: Apache-2.0 */
#include "ops/idle.h"

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
        .slabs = { .args = spec->slabs, .blocks_per_slab = 1 },
        .rows = zeros,
        .part_o = zeros,
        .part_sums = zeros,
    };
    for (uint32_t i = 0; i < spec->slabs; i++) ops.slabs.mem[i] = zeros;
    clkv_ring_slot slot = { .mem = zeros };
    const clkv_packed packed = { .slot = &slot };
    return families[spec->family](&ops, kernel, &packed);
}

clkv_idle clkv_ops_idle(const clkv_spec *spec)
{
    const clkv_idle idle = {
        .set_args = set_args,
        .user = spec,
        .group = spec->work_group,
        .bytes = 4096,
    };
    return idle;
}
