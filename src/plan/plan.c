/* plan.c: cuts a batch's attention into work items.
 *
 *               chunk 0      chunk 1      chunk 2
 *   tile 0   [ item        item         ·           ]   ·: under causal no query of the tile sees it
 *   tile 1   [ item        item         item        ]
 *
 * How a context is cut (choose_chunk). The work of an item is the tokens that it reads; `target` items
 * fill the device. The chunk is the smallest number of whole blocks such that the items, counting one
 * that is shorter than a chunk as the fraction that it is, do not exceed the target. So equal contexts
 * that fill the device are not split, a lone one is split evenly over the device, and a long one among
 * many short ones is split into parts that no longer outlast the rest.
 *
 * Items are then put longest first by counting sort over logarithmic buckets (1/8 of relative error),
 * which is linear, keeps neighbours together and needs no memory. SPDX-License-Identifier: Apache-2.0 */
#include "plan/plan.h"

#include "core/error.h"
#include "core/memory.h"

#include <string.h>

#define BUCKETS     512
#define MAX_CHUNKS  65536u /* an item has 16 bits for its chunk */
#define MAX_ENTRIES 65535u

static uint64_t ceil_div(uint64_t a, uint64_t b)
{
    return (a + b - 1) / b;
}

/* May this entry be split at all? */
static int splittable(const clkv_plan_params *params, const clkv_batch_entry *entry)
{
    return entry->new_tokens <= params->split_max_queries;
}

static int is_split(const clkv_plan_params *params, const clkv_batch_entry *entry, uint32_t chunk)
{
    return entry->context > chunk && splittable(params, entry);
}

/* Keys that the last of the entry's first `q_end` queries sees: no query before it sees more. */
static uint32_t visible(const clkv_plan_params *params, const clkv_batch_entry *entry, uint32_t q_end)
{
    return params->causal ? entry->context - entry->new_tokens + q_end : entry->context;
}

/* Tokens read by all items of an entry that is not split. */
static uint64_t direct_work(const clkv_plan_params *params, const clkv_batch_entry *entry)
{
    const uint32_t n = entry->new_tokens, tile = params->tile_tokens;
    if (n <= tile) return entry->context;
    const uint64_t tiles = ceil_div(n, tile);
    if (!params->causal) return tiles * entry->context;
    /* Tile t but the last sees context − n + (t + 1) · tile keys; the last sees all. */
    return (tiles - 1) * (entry->context - n) + tile * (tiles * (tiles - 1) / 2) + entry->context;
}

/* Whether chunks of `chunk` tokens make no more than `target` items, see the head of this file.
 * `fixed` is the work of the entries that are never split. */
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

/* The automatic chunk, in tokens; `longest` (no split) when the device is full as it is. */
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

static clkv_status choose_chunk(const clkv_plan_params *params, const clkv_batch_entry *entries, uint32_t n_entries,
                                uint32_t *out)
{
    uint32_t longest = 1; /* of those that may be split */
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
    if (chunk > UINT32_MAX) chunk = UINT32_MAX / size * size;
    if (ceil_div(longest, chunk) > MAX_CHUNKS) {
        if (params->split_tokens)
            return CLKV_FAIL(CLKV_ERROR_LIMIT, "parts of %u tokens cut a context of %u into more than %u",
                             params->split_tokens, longest, MAX_CHUNKS);
        chunk = ceil_div(ceil_div(longest, MAX_CHUNKS), size) * size;
    }
    *out = (uint32_t)chunk;
    return CLKV_OK;
}

/* Larger work, larger bucket: the exponent and three bits of mantissa. */
static uint32_t bucket_of(uint64_t work)
{
    if (work < 8) return (uint32_t)work;
    const uint32_t exponent = 63 - (uint32_t)__builtin_clzll(work);
    return (exponent - 2) << 3 | (uint32_t)(work >> (exponent - 3) & 7);
}

/* Visits every item. Without `out` counts them into their buckets; with it, puts each where its bucket's
 * cursor says. */
static void walk_items(const clkv_plan_params *params, const clkv_batch_entry *entries, uint32_t n_entries,
                       uint32_t chunk, uint64_t buckets[BUCKETS], clkv_plan_item *out)
{
    for (uint32_t i = 0; i < n_entries; i++) {
        const clkv_batch_entry *e = &entries[i];
        const int split = is_split(params, e, chunk);
        for (uint32_t q = 0; q < e->new_tokens;) {
            const uint32_t left = e->new_tokens - q, n = left < params->tile_tokens ? left : params->tile_tokens;
            const uint32_t keys = visible(params, e, q + n);
            const uint32_t step = split ? chunk : keys;
            uint32_t s = 0;
            for (uint32_t at = 0; at < keys; s++) {
                const uint32_t tokens = keys - at < step ? keys - at : step;
                uint64_t *cursor = &buckets[bucket_of((uint64_t)tokens * n)];
                if (out) out[*cursor] = (clkv_plan_item){i | s << 16, q};
                *cursor += 1;
                at += tokens;
            }
            q += n;
        }
    }
}

static int reserve_array(void **array, size_t *capacity, uint64_t need, size_t each)
{
    return need > SIZE_MAX / each ? -1 : clkv_grow(array, capacity, (size_t)need, each);
}

static clkv_status grow_arrays(clkv_plan *plan, uint64_t n_entries, uint64_t n_items, uint64_t n_merges)
{
    void *entries = plan->entries, *items = plan->items, *merges = plan->merges;
    int failed = reserve_array(&entries, &plan->entries_capacity, n_entries, sizeof *plan->entries);
    plan->entries = entries;
    failed |= reserve_array(&items, &plan->items_capacity, n_items, sizeof *plan->items);
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
    if (n_entries > MAX_ENTRIES)
        return CLKV_FAIL(CLKV_ERROR_LIMIT, "%u entries, at most %u", n_entries, MAX_ENTRIES);
    for (uint32_t i = 0; i < n_entries; i++) {
        if (entries[i].new_tokens == 0 || entries[i].new_tokens > entries[i].context)
            return CLKV_FAIL(CLKV_ERROR_INVALID, "entry %u has %u new tokens in a context of %u", i,
                             entries[i].new_tokens, entries[i].context);
    }
    return CLKV_OK;
}

static void fill_entries(clkv_plan *plan, const clkv_plan_params *params, const clkv_batch_entry *entries,
                         uint32_t n_entries, uint32_t chunk)
{
    uint32_t parts = 0, merges = 0, q_start = 0;
    for (uint32_t i = 0; i < n_entries; i++) {
        const clkv_batch_entry *e = &entries[i];
        plan->entries[i] = (clkv_plan_entry){e->row, e->context, e->first, CLKV_PLAN_DIRECT};
        q_start = e->first + e->new_tokens;
        if (!is_split(params, e, chunk)) continue;
        plan->entries[i].part_base = parts;
        parts += e->new_tokens * (uint32_t)ceil_div(e->context, chunk);
        for (uint32_t q = 0; q < e->new_tokens; q++) plan->merges[merges++] = (clkv_plan_merge){i, q};
    }
    plan->entries[n_entries] = (clkv_plan_entry){0, 0, q_start, CLKV_PLAN_DIRECT};
    plan->n_merges = merges;
    plan->n_parts = parts;
}

clkv_status clkv_plan_build(clkv_plan *plan, const clkv_plan_params *params, const clkv_batch_entry *entries,
                            uint32_t n_entries)
{
    clkv_status status = check(params, entries, n_entries);
    if (status != CLKV_OK) return status;
    uint32_t chunk = 0;
    status = choose_chunk(params, entries, n_entries, &chunk);
    if (status != CLKV_OK) return status;

    uint64_t buckets[BUCKETS];
    memset(buckets, 0, sizeof buckets);
    walk_items(params, entries, n_entries, chunk, buckets, NULL);
    uint64_t n_items = 0, n_merges = 0, n_parts = 0;
    for (uint32_t b = BUCKETS; b-- > 0;) {
        const uint64_t n = buckets[b];
        buckets[b] = n_items;
        n_items += n;
    }
    for (uint32_t i = 0; i < n_entries; i++) {
        if (!is_split(params, &entries[i], chunk)) continue;
        n_merges += entries[i].new_tokens;
        n_parts += entries[i].new_tokens * ceil_div(entries[i].context, chunk);
    }
    if (n_items > UINT32_MAX || n_parts >= CLKV_PLAN_DIRECT)
        return CLKV_FAIL(CLKV_ERROR_LIMIT, "%llu items and %llu parts are too many for one plan",
                         (unsigned long long)n_items, (unsigned long long)n_parts);
    status = grow_arrays(plan, (uint64_t)n_entries + 1, n_items, n_merges);
    if (status != CLKV_OK) return status;

    walk_items(params, entries, n_entries, chunk, buckets, plan->items);
    fill_entries(plan, params, entries, n_entries, chunk);
    plan->n_entries = n_entries;
    plan->n_items = (uint32_t)n_items;
    plan->chunk = chunk;
    return CLKV_OK;
}

void clkv_plan_free(clkv_plan *plan)
{
    if (!plan) return;
    clkv_free(plan->entries, plan->entries_capacity * sizeof *plan->entries);
    clkv_free(plan->items, plan->items_capacity * sizeof *plan->items);
    clkv_free(plan->merges, plan->merges_capacity * sizeof *plan->merges);
    memset(plan, 0, sizeof *plan);
}

/* Marks the cell (tile, chunk) of every item in `cells`, where entry i's cells begin at base[i]. */
static const char *mark_items(const clkv_plan *plan, const clkv_plan_params *params,
                              const clkv_batch_entry *entries, const uint64_t *base, uint8_t *cells)
{
    for (uint32_t k = 0; k < plan->n_items; k++) {
        const uint32_t i = plan->items[k].entry_chunk & 0xffff, s = plan->items[k].entry_chunk >> 16;
        const uint32_t q = plan->items[k].q_first;
        if (i >= plan->n_entries) return "plan: an item's entry is out of range";
        if (q >= entries[i].new_tokens || q % params->tile_tokens) return "plan: an item's tile is out of place";
        const uint64_t chunks =
            plan->entries[i].part_base == CLKV_PLAN_DIRECT ? 1 : ceil_div(entries[i].context, plan->chunk);
        if (s >= chunks) return "plan: an item's chunk is past the context";
        uint8_t *cell = &cells[base[i] + q / params->tile_tokens * chunks + s];
        if (*cell) return "plan: two items cover the same tile and chunk";
        *cell = 1;
    }
    return NULL;
}

/* Entries against the batch, cells that must be covered, parts in sequence, merges one per split query. */
static const char *check_entries(const clkv_plan *plan, const clkv_plan_params *params,
                                 const clkv_batch_entry *entries, const uint64_t *base, const uint8_t *cells)
{
    uint64_t part = 0, merge = 0;
    for (uint32_t i = 0; i < plan->n_entries; i++) {
        const clkv_plan_entry *p = &plan->entries[i];
        const clkv_batch_entry *e = &entries[i];
        if (p->row != e->row || p->context != e->context || p->q_start != e->first)
            return "plan: an entry differs from the batch's";
        if (p[1].q_start - p->q_start != e->new_tokens) return "plan: an entry's number of queries is wrong";
        const int split = p->part_base != CLKV_PLAN_DIRECT;
        if (split && p->part_base != part) return "plan: an entry's parts do not follow the last one's";
        const uint64_t chunks = split ? ceil_div(e->context, plan->chunk) : 1;
        if (split) part += chunks * e->new_tokens;
        for (uint32_t q = 0; split && q < e->new_tokens; q++, merge++) {
            if (merge >= plan->n_merges || plan->merges[merge].entry != i || plan->merges[merge].q != q)
                return "plan: a query of a split entry is not merged";
        }
        for (uint32_t q = 0; q < e->new_tokens; q++) {
            const uint64_t keys = visible(params, e, q + 1);
            const uint8_t *row = &cells[base[i] + q / params->tile_tokens * chunks];
            for (uint64_t s = 0; s < chunks && s * plan->chunk < keys; s++) {
                if (!row[s]) return "plan: a visible key is not covered";
            }
        }
    }
    if (part != plan->n_parts) return "plan: the number of parts is wrong";
    return merge == plan->n_merges ? NULL : "plan: the number of merges is wrong";
}

const char *clkv_plan_validate(const clkv_plan *plan, const clkv_plan_params *params,
                               const clkv_batch_entry *entries, uint32_t n_entries)
{
    if (plan->n_entries != n_entries) return "plan: the number of entries is wrong";
    if (plan->chunk == 0 || plan->chunk % params->block_size) return "plan: the chunk is no whole number of blocks";
    const size_t base_bytes = (n_entries + 1) * sizeof(uint64_t);
    uint64_t *base = clkv_alloc(base_bytes);
    if (!base) return "plan: no memory to validate";
    for (uint32_t i = 0; i < n_entries; i++) {
        const uint64_t chunks =
            plan->entries[i].part_base == CLKV_PLAN_DIRECT ? 1 : ceil_div(entries[i].context, plan->chunk);
        base[i + 1] = base[i] + chunks * ceil_div(entries[i].new_tokens, params->tile_tokens);
    }
    const size_t cells_bytes = (size_t)base[n_entries] + 1;
    uint8_t *cells = clkv_alloc(cells_bytes);
    const char *broken = cells ? mark_items(plan, params, entries, base, cells) : "plan: no memory to validate";
    if (!broken) broken = check_entries(plan, params, entries, base, cells);
    clkv_free(cells, cells_bytes);
    clkv_free(base, base_bytes);
    return broken;
}
