/* prefix_forget.c: lists the blocks of a prefix and of all prefixes that continue it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/prefix.h"

#include "core/error.h"
#include "core/memory.h"
#include "core/prefix_index.h"

#include <stdlib.h>

/* What is known of each node during the search: whether it is inside the subtree. */
enum { UNKNOWN, INSIDE, OUTSIDE };

/* Whether `node` is `top` or below it. The answer is noted for every node on the way up, so that each node is visited
 * once. */
static int is_inside(const clkv_prefix *prefix, uint8_t *known, uint32_t node, uint32_t top)
{
    uint32_t at = node;
    while (known[at] == UNKNOWN && at != top && prefix->nodes[at].parent != CLKV_NODE_NONE)
        at = prefix->nodes[at].parent;
    uint8_t answer = known[at];
    if (answer == UNKNOWN) answer = at == top ? INSIDE : OUTSIDE;
    for (; node != at; node = prefix->nodes[node].parent) known[node] = answer;
    known[at] = answer;
    return answer == INSIDE;
}

/* A block and the depth of its node. */
typedef struct place {
    uint32_t depth, block;
} place;

static int deeper_first(const void *a, const void *b)
{
    const place *x = a, *y = b;
    if (x->depth != y->depth) return x->depth < y->depth ? 1 : -1;
    return x->block < y->block ? -1 : x->block > y->block;
}

/* Fills `places` (NULL: only counts) with the blocks of `top` and of the nodes below. Returns their number. */
static size_t list_places(const clkv_prefix *prefix, uint8_t *known, uint32_t top, place *places)
{
    size_t n = 0;
    for (uint32_t block = 0; block < prefix->blocks_high; block++) {
        const uint32_t node = prefix->owners[block];
        if (node == CLKV_PREFIX_ROOT || !is_inside(prefix, known, node, top)) continue;
        if (places) places[n] = (place){prefix->nodes[node].depth, block};
        n++;
    }
    return n;
}

clkv_status clkv_prefix_subtree(const clkv_prefix *prefix, clkv_prefix_node top, uint32_t **blocks, size_t *n)
{
    *blocks = NULL;
    *n = 0;
    uint8_t *known = clkv_alloc(prefix->n_nodes);
    if (!known) return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "%u bytes", prefix->n_nodes);
    clkv_status status = CLKV_OK;
    const size_t count = list_places(prefix, known, top, NULL);
    place *places = count ? clkv_alloc(count * sizeof *places) : NULL;
    uint32_t *list = count ? clkv_alloc(count * sizeof *list) : NULL;
    if (count && (!places || !list)) {
        status = CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "a list of %zu blocks", count);
        clkv_free(list, count * sizeof *list);
    } else if (count) {
        list_places(prefix, known, top, places);
        qsort(places, count, sizeof *places, deeper_first);
        for (size_t i = 0; i < count; i++) list[i] = places[i].block;
        *blocks = list;
        *n = count;
    }
    clkv_free(places, count * sizeof *places);
    clkv_free(known, prefix->n_nodes);
    return status;
}

clkv_prefix_node clkv_prefix_ancestor(const clkv_prefix *prefix, clkv_prefix_node node, uint32_t depth)
{
    while (prefix->nodes[node].depth > depth) node = prefix->nodes[node].parent;
    return node;
}

uint32_t clkv_prefix_depth(const clkv_prefix *prefix, clkv_prefix_node node)
{
    return prefix->nodes[node].depth;
}
