/* plan.h: the flat list of attention work items of a batch, as it is uploaded.
 *
 *   tile      up to tile_tokens consecutive queries of an entry; its rows are (query, head of the GQA group)
 *   chunk     tokens of context that one item reads when the entry is split (split-KV)
 *   item      a tile and a range of keys; the kernel runs it for every KV head
 *   part      the unmerged result of one query for one item of a split entry
 *
 * An entry is split when it has few queries and the batch would not fill the device. A tile of n queries has n parts
 * for each of its items, item after item, so the parts of one query are n apart. An item has everything that a kernel
 * needs: range and diagonal say what the queries see, so kernels do not know the rule. Kernels read these structs;
 * cl/plan.cl describes the same words. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_PLAN_PLAN_H
#define CLKV_PLAN_PLAN_H

#include "plan/visible.h"

#include <clkv/batch.h>

#define CLKV_PLAN_DIRECT    UINT32_MAX /* part of an item whose result is the whole result */
#define CLKV_PLAN_MAX_TILE  65535u     /* queries per tile */

typedef struct clkv_plan_item {
    uint32_t row;        /* row of the block tables on the device */
    uint32_t token;      /* index of the first query in the batch */
    uint32_t first, end; /* keys that the last query sees of this item */
    uint32_t shape;      /* queries | diagonal << 16: keys before `end` that the first query does not see */
    uint32_t part;       /* part of the first query, followed by those of the others; or CLKV_PLAN_DIRECT */
} clkv_plan_item;

typedef struct clkv_plan_merge { /* one query of a split entry */
    uint32_t token;
    uint32_t part;   /* the first one */
    uint32_t parts;  /* that hold a key which the query sees */
    uint32_t stride; /* from one part to the next */
} clkv_plan_merge;

typedef struct clkv_plan_params {
    uint32_t kv_heads, block_size;
    uint32_t tile_tokens;     /* queries per tile, 1 to CLKV_PLAN_MAX_TILE */
    uint32_t target_groups;   /* items × kv_heads that fill the device */
    uint32_t min_split;       /* no chunk is smaller, in tokens */
    uint32_t split_max_queries; /* entries with more queries than this are never split */
    clkv_rule rule;
    uint32_t split_tokens;    /* fixed chunk, or 0 */
    uint32_t parts;           /* forced number of parts, or 0 */
} clkv_plan_params;

typedef struct clkv_plan {
    clkv_plan_item *items;    /* longest first, so that the device drains evenly */
    clkv_plan_merge *merges;
    uint32_t n_items, n_merges;
    uint32_t n_split;         /* entries that are split */
    uint32_t chunk;           /* tokens, a multiple of the block size */
    uint32_t n_parts;         /* rows of the split-KV workspace */
    size_t items_capacity, merges_capacity;
} clkv_plan;

/* Makes the plan of a batch. Reuses the arrays of *plan, which must be zeroed before the first call. NO_MEMORY.
 * LIMIT: more items or parts than one upload can have. */
clkv_status clkv_plan_build(clkv_plan *plan, const clkv_plan_params *params, const clkv_batch_entry *entries,
                            uint32_t n_entries);
void clkv_plan_free(clkv_plan *plan);

/* Whether an entry is split at this chunk. */
int clkv_plan_splits(const clkv_plan_params *params, const clkv_batch_entry *entry, uint32_t chunk);

/* The end of the keys that query `query` of an item sees, as the kernels compute it. */
uint32_t clkv_plan_row_end(const clkv_plan_item *item, uint32_t query);

/* Checks that every pair of a query and a key that it sees is covered by exactly one item, that no other pair is
 * covered, that parts are numbered without a gap, and that every query of a split entry is merged once. Returns NULL,
 * or a static text that names the fault. */
const char *clkv_plan_validate(const clkv_plan *plan, const clkv_plan_params *params,
                               const clkv_batch_entry *entries, uint32_t n_entries);

#endif
