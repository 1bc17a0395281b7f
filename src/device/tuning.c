/* tuning.c: the numbers table. SPDX-License-Identifier: Apache-2.0 */
#include "device/tuning.h"

#include "core/error.h"
#include "device/quirks.h"

#include <string.h>

/* The first row that fits is taken. kind 0 fits every kind. Numbers are upper bounds: clkv_tuning_choose
 * cuts work-groups to what the device allows, and src/ops to what it allows each built kernel: a driver
 * may say 1024 for the device and 32 for every kernel. */
static const struct {
    clkv_variant variant;
    clkv_device_kind kind;
    uint32_t work_group, tile_rows, groups_per_unit, min_split, split_max_queries, copy_group;
} table[] = {
    /* variant                kind                        group rows per_unit split queries copy */
    { CLKV_VARIANT_CPU,       0,                          1,    48,  16,      256,  16,     1 },
    { CLKV_VARIANT_PORTABLE,  CLKV_DEVICE_CPU,            64,   8,   4,       128,  16,     16 },
    { CLKV_VARIANT_PORTABLE,  CLKV_DEVICE_GPU_INTEGRATED, 128,  8,   8,       128,  16,     64 },
    { CLKV_VARIANT_PORTABLE,  0,                          128,  8,   16,      128,  16,     64 },
};

static const char *const names[] = {
    [CLKV_VARIANT_CPU] = "cpu",
    [CLKV_VARIANT_PORTABLE] = "portable",
};

const char *clkv_variant_name(clkv_variant variant)
{
    return names[variant];
}

/* The largest power of two that is neither above n nor above limit. */
static uint32_t power_of_two_within(uint32_t n, uint64_t limit)
{
    uint32_t p = 1;
    while (p * 2 <= n && p * 2 <= limit) p *= 2;
    return p;
}

clkv_status clkv_tuning_choose(clkv_tuning *out, const clkv_facts *facts, uint32_t quirks, const char *forced)
{
    const clkv_device_info *info = &facts->info;
    const int cpu = info->kind == CLKV_DEVICE_CPU && !(quirks >> CLKV_QUIRK_LLVMPIPE_PORTABLE & 1);
    clkv_variant variant = cpu ? CLKV_VARIANT_CPU : CLKV_VARIANT_PORTABLE;
    if (forced && *forced) {
        size_t v = 0;
        while (v < sizeof names / sizeof *names && strcmp(names[v], forced)) v++;
        if (v == sizeof names / sizeof *names)
            return CLKV_FAIL(CLKV_ERROR_INVALID, "kernel variant \"%.40s\" is neither \"cpu\" nor \"portable\"",
                             forced);
        variant = (clkv_variant)v;
    }
    size_t row = 0;
    while (table[row].variant != variant || (table[row].kind && table[row].kind != info->kind)) row++;
    *out = (clkv_tuning){
        .variant = variant,
        .work_group = power_of_two_within(table[row].work_group, info->max_work_group),
        .tile_rows = table[row].tile_rows,
        .groups_per_unit = table[row].groups_per_unit,
        .min_split = table[row].min_split,
        .split_max_queries = table[row].split_max_queries,
        .sub_group = quirks >> CLKV_QUIRK_INTEL_NARROW & 1 ? facts->min_sub_group : 0,
        .copy_group = power_of_two_within(table[row].copy_group, info->max_work_group),
    };
    return CLKV_OK;
}
