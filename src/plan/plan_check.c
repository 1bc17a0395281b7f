/* plan_check.c: checks that a plan covers each key that a query sees exactly once, and no other key.
 * SPDX-License-Identifier: Apache-2.0 */
#include "plan/plan.h"

#include "core/memory.h"

#include <stdlib.h>
#include <string.h>

uint32_t clkv_plan_row_end(const clkv_plan_item *item, uint32_t query)
{
    const uint32_t diagonal = item->shape >> 16;
    return item->end - (diagonal > query ? diagonal - query : 0);
}

/* The state of a query while the check goes through the items of its tile in the order of their keys. */
typedef struct query {
    const clkv_batch_entry *entry;
    uint32_t covered;     /* keys [0, covered) so far */
    uint32_t items;       /* items of the tile so far */
    uint32_t parts;       /* those of them that have a key which the query sees */
    uint32_t first, last; /* parts of the first and of the last item */
} query;

typedef struct check {
    const clkv_plan *plan;
    const clkv_plan_params *params;
    query *queries;
    uint32_t n_queries, n_used; /* n_used: parts that belong to an item */
} check;

static uint32_t sees(const check *c, const clkv_batch_entry *entry, uint32_t q)
{
    return clkv_visible(c->params->rule, entry->context, entry->new_tokens, q).end;
}

static const char *check_entries(const check *c, const clkv_batch_entry *entries, uint32_t n_entries)
{
    uint32_t split = 0, at = 0;
    for (uint32_t i = 0; i < n_entries; i++) {
        const clkv_batch_entry *e = &entries[i];
        if (e->first != at) return "plan: an entry does not follow the one before";
        for (uint32_t q = 0; q < e->new_tokens; q++) c->queries[at++].entry = e;
        split += clkv_plan_splits(c->params, e, c->plan->chunk) != 0;
    }
    return split == c->plan->n_split ? NULL : "plan: the number of split entries is wrong";
}

/* Checks the fields of an item. */
static const char *check_shape(const check *c, const clkv_plan_item *item, const clkv_batch_entry *e)
{
    const uint32_t n = item->shape & 0xffff, q = item->token - e->first, tile = c->params->tile_tokens;
    const uint32_t left = e->new_tokens - q;
    if (item->row != e->row) return "plan: an item's row is not its sequence's";
    if (q % tile || n != (left < tile ? left : tile)) return "plan: an item's tile is out of place";
    if (item->first >= item->end) return "plan: an item has no key";
    if (!clkv_plan_splits(c->params, e, c->plan->chunk))
        return item->part == CLKV_PLAN_DIRECT ? NULL : "plan: an item of an entry that is not split has a part";
    if (item->first % c->plan->chunk || item->end - item->first > c->plan->chunk) return "plan: an item is no chunk";
    if (n > c->plan->n_parts || item->part > c->plan->n_parts - n) return "plan: a part is out of range";
    return NULL;
}

/* Checks an item, and adds it to the state of each of its queries. */
static const char *check_item(check *c, const clkv_plan_item *item)
{
    if (item->token >= c->n_queries) return "plan: an item's query is out of range";
    const clkv_batch_entry *e = c->queries[item->token].entry;
    const char *broken = check_shape(c, item, e);
    if (broken) return broken;
    const uint32_t n = item->shape & 0xffff;
    const int split = item->part != CLKV_PLAN_DIRECT;
    for (uint32_t j = 0; j < n; j++) {
        query *q = &c->queries[item->token + j];
        const uint32_t end = clkv_plan_row_end(item, j);
        if (end > sees(c, e, item->token + j - e->first)) return "plan: a query is given a key that it does not see";
        if (split && q->items && item->part + j != q->last + n) return "plan: a query's parts are not evenly apart";
        if (!q->items++) q->first = item->part + j;
        q->last = item->part + j;
        if (end <= item->first) continue;
        if (q->covered != item->first) return "plan: a visible key is not covered, or twice";
        q->covered = end;
        q->parts++;
    }
    if (split) c->n_used += n;
    return NULL;
}

/* Checks the state of all queries after the last item. Parts follow each other tile by tile, so no two are the
 * same. */
static const char *check_queries(const check *c)
{
    uint32_t merges = 0, part = 0, n = 0;
    for (uint32_t t = 0; t < c->n_queries; t++) {
        const query *q = &c->queries[t];
        const uint32_t at = t - q->entry->first, left = q->entry->new_tokens - at;
        if (q->covered != sees(c, q->entry, at)) return "plan: a visible key is not covered";
        if (!clkv_plan_splits(c->params, q->entry, c->plan->chunk)) continue;
        if (at % c->params->tile_tokens == 0) n = left < c->params->tile_tokens ? left : c->params->tile_tokens;
        if (q->first != part + at % c->params->tile_tokens) return "plan: parts do not follow the last tile's";
        if ((at + 1) % c->params->tile_tokens == 0 || left == 1) part += n * q->items;
        if (merges >= c->plan->n_merges) return "plan: a query of a split entry is not merged";
        const clkv_plan_merge *m = &c->plan->merges[merges++];
        if (m->token != t || m->part != q->first || m->parts != q->parts || m->stride != n)
            return "plan: a query's parts are not what is merged";
    }
    if (part != c->plan->n_parts || c->n_used != part) return "plan: the number of parts is wrong";
    return merges == c->plan->n_merges ? NULL : "plan: the number of merges is wrong";
}

static int by_tile_and_key(const void *a, const void *b)
{
    const clkv_plan_item *x = a, *y = b;
    if (x->token != y->token) return x->token < y->token ? -1 : 1;
    return (x->first > y->first) - (x->first < y->first);
}

static const char *check_items(check *c, clkv_plan_item *sorted)
{
    const uint32_t n = c->plan->n_items;
    if (n) memcpy(sorted, c->plan->items, n * sizeof *sorted);
    if (n) qsort(sorted, n, sizeof *sorted, by_tile_and_key);
    for (uint32_t i = 0; i < n; i++) {
        const char *broken = check_item(c, &sorted[i]);
        if (broken) return broken;
    }
    return NULL;
}

const char *clkv_plan_validate(const clkv_plan *plan, const clkv_plan_params *params,
                               const clkv_batch_entry *entries, uint32_t n_entries)
{
    if (plan->chunk == 0 || plan->chunk % params->block_size) return "plan: the chunk is no whole number of blocks";
    check c = { plan, params, NULL, 0, 0 };
    for (uint32_t i = 0; i < n_entries; i++) c.n_queries += entries[i].new_tokens;
    const size_t queries_bytes = ((size_t)c.n_queries + 1) * sizeof *c.queries;
    const size_t sorted_bytes = ((size_t)plan->n_items + 1) * sizeof *plan->items;
    c.queries = clkv_alloc(queries_bytes);
    clkv_plan_item *sorted = clkv_alloc(sorted_bytes);
    const char *broken = c.queries && sorted ? NULL : "plan: no memory to validate";
    if (!broken) broken = check_entries(&c, entries, n_entries);
    if (!broken) broken = check_items(&c, sorted);
    if (!broken) broken = check_queries(&c);
    clkv_free(sorted, sorted_bytes);
    clkv_free(c.queries, queries_bytes);
    return broken;
}
