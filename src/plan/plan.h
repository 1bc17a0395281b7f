/* plan.h: the flat list of attention work items of a batch, and what is uploaded with it.
 *
 *   entry     one sequence's part of the batch: its queries [q_start, q_start + q_len) and its context
 *   tile      up to tile_tokens consecutive queries of an entry (× the GQA group = rows of a tile)
 *   chunk     tokens of context that one item reads when the entry is split (split-KV)
 *   item      (entry, tile, chunk); the kernel runs it for every KV head
 *   part      the unmerged result of one query of a split entry for one chunk
 *
 * An entry is split when it has few queries and the batch would not fill the device. Part number of
 * query t and chunk s of a split entry:  part_base + t · ceil(context / chunk) + s.
 * Words are what the kernels read; cl/prelude.cl has the same layout. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CORE_PLAN_H
#define CLKV_CORE_PLAN_H

#include <clkv/batch.h>

#define CLKV_PLAN_DIRECT UINT32_MAX /* part_base of an entry that is not split */

typedef struct clkv_plan_entry { /* read by the kernels as uint4 */
    uint32_t row;       /* of the device's block tables */
    uint32_t context;   /* tokens, the new ones included */
    uint32_t q_start;   /* q_len is the next entry's q_start − this one's; a last entry closes the list */
    uint32_t part_base; /* or CLKV_PLAN_DIRECT */
} clkv_plan_entry;

typedef struct clkv_plan_item { /* uint2 */
    uint32_t entry_chunk; /* entry | chunk << 16 */
    uint32_t q_first;     /* first query of the tile, counted from the entry's first */
} clkv_plan_item;

typedef struct clkv_plan_merge { /* uint2: one query of a split entry */
    uint32_t entry;
    uint32_t q; /* counted from the entry's first */
} clkv_plan_merge;

typedef struct clkv_plan_params {
    uint32_t kv_heads, block_size;
    uint32_t tile_tokens;     /* queries per tile, ≥ 1 */
    uint32_t target_groups;   /* items × kv_heads that fill the device */
    uint32_t min_split;       /* no chunk is smaller, in tokens */
    uint32_t split_max_queries; /* entries with more queries than this are never split */
    int causal;
    uint32_t split_tokens;    /* fixed chunk, or 0 */
    uint32_t parts;           /* forced number of parts, or 0 */
} clkv_plan_params;

typedef struct clkv_plan {
    clkv_plan_entry *entries; /* n_entries + 1 */
    clkv_plan_item *items;    /* longest first, so that the device drains evenly */
    clkv_plan_merge *merges;
    uint32_t n_entries, n_items, n_merges;
    uint32_t chunk;           /* tokens, a multiple of the block size */
    uint32_t n_parts;         /* rows of the split-KV workspace */
    size_t entries_capacity, items_capacity, merges_capacity;
} clkv_plan;

/* Makes the plan of a batch into *plan, reusing its arrays; zero-initialise it first. NO_MEMORY. */
clkv_status clkv_plan_build(clkv_plan *plan, const clkv_plan_params *params, const clkv_batch_entry *entries,
                            uint32_t n_entries);
void clkv_plan_free(clkv_plan *plan);

/* NULL when every (query, visible key) pair is covered by exactly one item, and the arrays agree. */
const char *clkv_plan_validate(const clkv_plan *plan, const clkv_plan_params *params,
                               const clkv_batch_entry *entries, uint32_t n_entries);

#endif
