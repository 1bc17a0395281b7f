/* plan.c: divides the attention of a batch into work items.
 *
 *               chunk 0      chunk 1      chunk 2
 *   tile 0   [ item        item         ·           ]   ·: under the causal rule no query of the tile sees it
 *   tile 1   [ item        item         item        ]
 *
 * How a context is split (choose_chunk). The work of an item is the number of tokens that it reads; `target` items fill
 * the device. The chunk is the smallest number of whole blocks for which the number of items is at most the target; an
 * item that is shorter than a chunk counts as a fraction. So equal contexts that fill the device are not split. A
 * single context is split evenly over the device. A long context among many short ones is split into parts, so that its
 * work does not take longer than that of the others.
 *
 * Items are then sorted, longest first, by a counting sort over logarithmic buckets (a relative error of 1/8). The sort
 * is linear, keeps neighbours together and needs no memory. SPDX-License-Identifier: Apache-2.0 */
#include "plan/plan.h"

#include "core/error.h"
#include "core/memory.h"

#include <string.h>

#define BUCKETS   512
#define MAX_ITEMS (1u << 27) /* so that an upload's words can be counted in 32 bits */

static uint64_t ceil_div(uint64_t a, uint64_t b)
{
    return (a + b - 1) / b;
}

/* Whether this entry may be split. */
static int splittable(const clkv_plan_params *params, const clkv_batch_entry *entry)
{
    return entry->new_tokens <= params->split_max_queries;
}

int clkv_plan_splits(const clkv_plan_params *params, const clkv_batch_entry *entry, uint32_t chunk)
{
    return entry->context > chunk && splittable(params, entry);
}

static clkv_range visible(const clkv_plan_params *params, const clkv_batch_entry *entry, uint32_t query)
{
    return clkv_visible(params->rule, entry->context, entry->new_tokens, query);
}

/* The number of tokens that all items of an unsplit entry read. From the first full tile to the last, each tile sees
 * the same number of tokens more than the one before; so the sum is the number of tiles times the mean. */
static uint64_t direct_work(const clkv_plan_params *params, const clkv_batch_entry *entry)
{
    const uint32_t n = entry->new_tokens, tile = params->tile_tokens;
    const uint64_t full = (n - 1) / tile, last = visible(params, entry, n - 1).end;
    if (!full) return last;
    const uint64_t lowest = visible(params, entry, tile - 1).end;
    const uint64_t highest = visible(params, entry, (uint32_t)full * tile - 1).end;
    return full * (lowest + highest) / 2 + last;
}

/* Whether chunks of `chunk` tokens make at most `target` items; see the first comment of this file. `fixed` is the
 * work of the entries that are never split. */
static int chunk_fits(const clkv_plan_params *params, const clkv_batch_entry *entries, uint32_t n_entries,
                      uint64_t fixed, uint64_t target, uint32_t chunk)
{
    uint64_t work = fixed;
    for (uint32_t i = 0; i < n_entries; i++) {
        const clkv_batch_entry *e = &entries[i];
        if (!splittable(params, e)) continue;
        const uint64_t tiles =
            e->new_tokens <= params->tile_tokens ? 1 : ceil_div(e->new_tokens, params->tile_tokens);
        work += tiles * (e->context <= chunk ? e->context : (uint64_t)((e->context - 1) / chunk + 1) * chunk);
    }
    return work <= target * chunk;
}

/* The automatic chunk, in tokens; `longest` (no split) when the device is full without a split. */
static uint32_t fill_device(const clkv_plan_params *params, const clkv_batch_entry *entries, uint32_t n_entries,
                            uint32_t longest)
{
    const uint64_t target =
        params->target_groups > params->kv_heads ? ceil_div(params->target_groups, params->kv_heads) : 1;
    uint64_t fixed = 0, total = 0;
    for (uint32_t i = 0; i < n_entries; i++) {
        const uint64_t work = direct_work(params, &entries[i]);
        total += work;
        if (!splittable(params, &entries[i])) fixed += work;
    }
    uint64_t floor = ceil_div(total, target);
    if (floor < params->min_split) floor = params->min_split;
    if (floor == 0) floor = 1;
    if (floor >= longest) return longest;
    const uint32_t size = params->block_size;
    uint64_t low = ceil_div(floor, size), high = ceil_div(longest, size);
    while (low < high) {
        const uint64_t middle = (low + high) / 2;
        if (chunk_fits(params, entries, n_entries, fixed, target, (uint32_t)(middle * size))) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return (uint32_t)(low * size);
}

static uint32_t choose_chunk(const clkv_plan_params *params, const clkv_batch_entry *entries, uint32_t n_entries)
{
    uint32_t longest = 1; /* context among the entries that may be split */
    for (uint32_t i = 0; i < n_entries; i++) {
        if (entries[i].context > longest && splittable(params, &entries[i])) longest = entries[i].context;
    }
    uint64_t chunk;
    if (params->split_tokens) {
        chunk = params->split_tokens;
    } else if (params->parts) {
        chunk = ceil_div(longest, params->parts);
    } else {
        chunk = fill_device(params, entries, n_entries, longest);
    }
    const uint64_t size = params->block_size;
    chunk = ceil_div(chunk, size) * size;
    return (uint32_t)(chunk > UINT32_MAX ? UINT32_MAX / size * size : chunk);
}

/* The bucket for an amount of work: its exponent and three bits of its mantissa. More work has a larger bucket. */
static uint32_t bucket_of(uint64_t work)
{
    if (work < 8) return (uint32_t)work;
    const uint32_t exponent = 63 - (uint32_t)__builtin_clzll(work);
    return (exponent - 2) << 3 | (uint32_t)(work >> (exponent - 3) & 7);
}

/* The number of queries of the tile that begins at query q. */
static uint32_t tile_queries(const clkv_plan_params *params, const clkv_batch_entry *entry, uint32_t q)
{
    const uint32_t left = entry->new_tokens - q;
    return left < params->tile_tokens ? left : params->tile_tokens;
}

typedef struct counts {
    uint64_t items, merges, parts;
    uint32_t split;
} counts;

static counts count(const clkv_plan_params *params, const clkv_batch_entry *entries, uint32_t n_entries,
                    uint32_t chunk)
{
    counts c = {0};
    for (uint32_t i = 0; i < n_entries; i++) {
        const clkv_batch_entry *e = &entries[i];
        if (!clkv_plan_splits(params, e, chunk)) {
            c.items += ceil_div(e->new_tokens, params->tile_tokens);
            continue;
        }
        for (uint32_t q = 0, n; q < e->new_tokens; q += n) {
            n = tile_queries(params, e, q);
            const uint64_t chunks = ceil_div(visible(params, e, q + n - 1).end, chunk);
            c.items += chunks;
            c.parts += chunks * n;
        }
        c.merges += e->new_tokens;
        c.split++;
    }
    return c;
}

/* Makes items: writes each to the place that the cursor of its bucket names, or only counts it there when `items` is
 * NULL. */
typedef struct maker {
    uint64_t *buckets;
    clkv_plan_item *items;
    uint32_t part; /* the next one */
} maker;

static void make_item(maker *m, clkv_plan_item item, uint32_t n)
{
    uint64_t *cursor = &m->buckets[bucket_of((uint64_t)(item.end - item.first) * n)];
    if (m->items) m->items[*cursor] = item;
    *cursor += 1;
}

/* Makes the items of the tile of n queries from q on. */
static void make_tile(maker *m, const clkv_plan_params *params, const clkv_batch_entry *e, uint32_t chunk, uint32_t q,
                      uint32_t n)
{
    const int split = clkv_plan_splits(params, e, chunk);
    const uint32_t least = visible(params, e, q).end, most = visible(params, e, q + n - 1).end;
    for (uint32_t at = 0, end; at < most; at = end) {
        end = split && most - at > chunk ? at + chunk : most;
        const uint32_t diagonal = end > least ? end - least : 0;
        make_item(m, (clkv_plan_item){ e->row, e->first + q, at, end, n | diagonal << 16,
                                       split ? m->part : CLKV_PLAN_DIRECT }, n);
        if (split) m->part += n;
    }
}

/* Visits every item in the order of the batch. */
static void make_items(const clkv_plan_params *params, const clkv_batch_entry *entries, uint32_t n_entries,
                       uint32_t chunk, uint64_t buckets[BUCKETS], clkv_plan_item *items)
{
    maker m = { buckets, items, 0 };
    for (uint32_t i = 0; i < n_entries; i++) {
        for (uint32_t q = 0, n; q < entries[i].new_tokens; q += n) {
            n = tile_queries(params, &entries[i], q);
            make_tile(&m, params, &entries[i], chunk, q, n);
        }
    }
}

/* Numbers parts as make_tile does. */
static void make_merges(const clkv_plan_params *params, const clkv_batch_entry *entries, uint32_t n_entries,
                        uint32_t chunk, clkv_plan_merge *out)
{
    uint32_t part = 0;
    for (uint32_t i = 0; i < n_entries; i++) {
        const clkv_batch_entry *e = &entries[i];
        if (!clkv_plan_splits(params, e, chunk)) continue;
        for (uint32_t q = 0, n; q < e->new_tokens; q += n) {
            n = tile_queries(params, e, q);
            for (uint32_t j = 0; j < n; j++) {
                const uint32_t parts = (uint32_t)ceil_div(visible(params, e, q + j).end, chunk);
                *out++ = (clkv_plan_merge){ e->first + q + j, part + j, parts, n };
            }
            part += n * (uint32_t)ceil_div(visible(params, e, q + n - 1).end, chunk);
        }
    }
}

static int reserve_array(void **array, size_t *capacity, uint64_t need, size_t each)
{
    return need > SIZE_MAX / each ? -1 : clkv_grow(array, capacity, (size_t)need, each);
}

static clkv_status grow_arrays(clkv_plan *plan, uint64_t n_items, uint64_t n_merges)
{
    void *items = plan->items, *merges = plan->merges;
    int failed = reserve_array(&items, &plan->items_capacity, n_items, sizeof *plan->items);
    plan->items = items;
    failed |= reserve_array(&merges, &plan->merges_capacity, n_merges, sizeof *plan->merges);
    plan->merges = merges;
    return failed
               ? CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "no memory for a plan of %llu items", (unsigned long long)n_items)
               : CLKV_OK;
}

static clkv_status check(const clkv_plan_params *params, const clkv_batch_entry *entries, uint32_t n_entries)
{
    if (!params->block_size || !params->kv_heads || !params->tile_tokens)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "block_size, kv_heads and tile_tokens must not be 0");
    if (params->tile_tokens > CLKV_PLAN_MAX_TILE)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "%u queries in a tile, at most %u", params->tile_tokens,
                         CLKV_PLAN_MAX_TILE);
    for (uint32_t i = 0; i < n_entries; i++) {
        if (entries[i].new_tokens == 0 || entries[i].new_tokens > entries[i].context)
            return CLKV_FAIL(CLKV_ERROR_INVALID, "entry %u has %u new tokens in a context of %u", i,
                             entries[i].new_tokens, entries[i].context);
    }
    return CLKV_OK;
}

clkv_status clkv_plan_build(clkv_plan *plan, const clkv_plan_params *params, const clkv_batch_entry *entries,
                            uint32_t n_entries)
{
    clkv_status status = check(params, entries, n_entries);
    if (status != CLKV_OK) return status;
    const uint32_t chunk = choose_chunk(params, entries, n_entries);
    const counts c = count(params, entries, n_entries, chunk);
    if (c.items > MAX_ITEMS || c.merges > MAX_ITEMS || c.parts >= CLKV_PLAN_DIRECT)
        return CLKV_FAIL(CLKV_ERROR_LIMIT, "%llu items and %llu parts in parts of %u tokens, at most %u and %u",
                         (unsigned long long)c.items, (unsigned long long)c.parts, chunk, MAX_ITEMS,
                         CLKV_PLAN_DIRECT - 1);
    status = grow_arrays(plan, c.items, c.merges);
    if (status != CLKV_OK) return status;

    uint64_t buckets[BUCKETS];
    memset(buckets, 0, sizeof buckets);
    make_items(params, entries, n_entries, chunk, buckets, NULL);
    uint64_t before = 0;
    for (uint32_t b = BUCKETS; b-- > 0;) {
        const uint64_t n = buckets[b];
        buckets[b] = before;
        before += n;
    }
    make_items(params, entries, n_entries, chunk, buckets, plan->items);
    make_merges(params, entries, n_entries, chunk, plan->merges);
    plan->n_items = (uint32_t)c.items;
    plan->n_merges = (uint32_t)c.merges;
    plan->n_parts = (uint32_t)c.parts;
    plan->n_split = c.split;
    plan->chunk = chunk;
    return CLKV_OK;
}

void clkv_plan_free(clkv_plan *plan)
{
    if (!plan) return;
    clkv_free(plan->items, plan->items_capacity * sizeof *plan->items);
    clkv_free(plan->merges, plan->merges_capacity * sizeof *plan->merges);
    memset(plan, 0, sizeof *plan);
}
