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
    /* of the variant for CPUs */
    uint32_t accumulators;     /* of 16 floats that fit the vector registers beside operands: 24 or 6 */
    uint32_t l1_bytes;         /* of a core's first-level data cache; 0: not known */
    uint32_t fetch_level;      /* forced cache level that the next keys and values are fetched into; 0: by l1_bytes */
} clkv_tuning;

/* The row for a device: forced is "cpu", "portable" or NULL (then CPUs
 * take "cpu", unless a quirk says otherwise). INVALID. */
clkv_status clkv_tuning_choose(clkv_tuning *out, const clkv_facts *facts, uint32_t quirks, const char *forced);

/* The index-th number of a row and its name, as clkv_device_get_tuning; 0 past the last. */
int clkv_tuning_get(const clkv_tuning *tuning, size_t index, const char **name, uint64_t *value);

/* The cache level, 1 or 2, that attention on CPUs fetches the keys and values of the next step into; `step_bytes` are
 * those of one step and one KV head. */
uint32_t clkv_tuning_fetch_level(const clkv_tuning *tuning, uint64_t step_bytes);

/* Tokens, 64 or 32, that attention on CPUs widens to float32 at a time. */
uint32_t clkv_tuning_wide_tokens(const clkv_tuning *tuning, uint32_t head_dim);

const clkv_tuning *clkv_device_tuning(const clkv_device *device);
const char *clkv_variant_name(clkv_variant variant);

#endif
