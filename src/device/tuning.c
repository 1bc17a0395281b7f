/* tuning.c: the numbers table. SPDX-License-Identifier: Apache-2.0 */
#include "device/tuning.h"

#include "core/error.h"
#include "device/quirks.h"
#include "os/environment.h"

#include <stdlib.h>
#include <string.h>

/* The smallest min_split where a launch takes as long as reading megabytes. Not measured: 512 tokens of 8 KV heads of
 * 128 dims in fp16 are 2 MiB. */
#define SLOW_LAUNCH_SPLIT 512

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

/* The numbers that depend on the processor, for the variant for CPUs. Environment: CLKV_CPU_TILES forces "wide" or
 * "narrow" register tiles, CLKV_CPU_FETCH the cache level 1 or 2. INVALID. */
static clkv_status choose_cpu(clkv_tuning *out, const clkv_facts *facts)
{
    char tiles[48], fetch[48];
    out->l1_bytes = facts->l1_bytes;
    out->accumulators = facts->vector_floats == 0 || facts->vector_floats >= 16 ? 24 : 6;
    if (clkv_os_environment("CLKV_CPU_TILES", tiles, sizeof tiles)) {
        if (strcmp(tiles, "wide") && strcmp(tiles, "narrow"))
            return CLKV_FAIL(CLKV_ERROR_INVALID, "CLKV_CPU_TILES is \"%.40s\": neither \"wide\" nor \"narrow\"", tiles);
        out->accumulators = strcmp(tiles, "wide") ? 6 : 24;
    }
    if (clkv_os_environment("CLKV_CPU_FETCH", fetch, sizeof fetch)) {
        if (strcmp(fetch, "1") && strcmp(fetch, "2"))
            return CLKV_FAIL(CLKV_ERROR_INVALID, "CLKV_CPU_FETCH is \"%.40s\": neither 1 nor 2", fetch);
        out->fetch_level = (uint32_t)(*fetch - '0');
    }
    return CLKV_OK;
}

/* While a step is worked on the next one arrives. Where the two leave less than a quarter of the first level free, they
 * push each other out of it (measured with 32 KiB; with 48 KiB and 32 KiB of keys and values they do not). */
uint32_t clkv_tuning_fetch_level(const clkv_tuning *tuning, uint64_t step_bytes)
{
    if (tuning->fetch_level) return tuning->fetch_level;
    return tuning->l1_bytes && 2 * step_bytes * 4 > (uint64_t)tuning->l1_bytes * 3 ? 2 : 1;
}

/* Narrow tiles read the widened keys once for every 16 tokens, so these must stay in the first level. */
uint32_t clkv_tuning_wide_tokens(const clkv_tuning *tuning, uint32_t head_dim)
{
    const uint64_t bytes = (uint64_t)64 * head_dim * sizeof(float);
    return tuning->accumulators < 24 && tuning->l1_bytes && bytes * 4 > (uint64_t)tuning->l1_bytes * 3 ? 32 : 64;
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
    if (quirks >> CLKV_QUIRK_APPLE_SLOW_LAUNCH & 1 && out->min_split < SLOW_LAUNCH_SPLIT)
        out->min_split = SLOW_LAUNCH_SPLIT;
    return variant == CLKV_VARIANT_CPU ? choose_cpu(out, facts) : CLKV_OK;
}

int clkv_tuning_get(const clkv_tuning *tuning, size_t index, const char **name, uint64_t *value)
{
    const struct {
        const char *name;
        uint32_t value;
    } numbers[] = {
        { "work_group", tuning->work_group },
        { "tile_rows", tuning->tile_rows },
        { "groups_per_unit", tuning->groups_per_unit },
        { "min_split", tuning->min_split },
        { "split_max_queries", tuning->split_max_queries },
        { "sub_group", tuning->sub_group },
        { "copy_group", tuning->copy_group },
        { "accumulators", tuning->accumulators },
        { "l1_bytes", tuning->l1_bytes },
        { "fetch_level", tuning->fetch_level },
    };
    if (index >= sizeof numbers / sizeof *numbers) return 0;
    *name = numbers[index].name;
    *value = numbers[index].value;
    return 1;
}
