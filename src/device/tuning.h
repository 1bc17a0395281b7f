/* tuning.h: the numbers table: how the kernels of each variant are shaped on each kind of device.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_DEVICE_TUNING_H
#define CLKV_DEVICE_TUNING_H

#include "device/facts.h"

typedef enum clkv_variant { CLKV_VARIANT_CPU = 0, CLKV_VARIANT_PORTABLE = 1 } clkv_variant;

typedef struct clkv_tuning {
    clkv_variant variant;
    uint32_t work_group;       /* work-items per work-group of attention and merge; 1 on CPUs */
    uint32_t tile_rows;        /* rows (queries × group) of an attention tile, at least one query */
    uint32_t groups_per_unit;  /* work-groups per compute unit that fill the device */
    uint32_t min_split;        /* tokens: no part of a split context is shorter */
    uint32_t split_max_queries;/* entries with more queries are not split */
    uint32_t sub_group;        /* lanes that attention asks the compiler for; 0: it chooses */
    uint32_t copy_group;       /* work-items per work-group of append, copy, gather, rows */
} clkv_tuning;

/* The row for a device: forced is "cpu", "portable" or NULL (then CPUs
 * take "cpu", unless a quirk says otherwise). INVALID. */
clkv_status clkv_tuning_choose(clkv_tuning *out, const clkv_facts *facts, uint32_t quirks, const char *forced);

const char *clkv_variant_name(clkv_variant variant);

#endif
