/* prefix_match.c: finds nodes: hashes, comparisons, and the walk down the tree.
 *
 * Most of the time of a walk is waiting for memory. Two things avoid the waiting. A chain that was registered at once
 * has neighbouring ids, so the walk first compares the content of the neighbouring node, without a hash. If that node
 * is not the right one, the walk computes the hashes of a window of blocks (they depend on the tokens only), and
 * fetches all lines of the table, and then all candidates, at once. SPDX-License-Identifier: Apache-2.0 */
#define XXH_INLINE_ALL
#include "core/prefix_index.h"

#include "core/error.h"
#include "core/prefix.h"

#include <string.h>

#include <xxhash.h>

#define WINDOW_MAX 16

uint64_t clkv_node_hash(const clkv_prefix *prefix, uint64_t parent_hash, const uint32_t *tokens, uint32_t keys)
{
    /* A separate case for the default size: the compiler makes faster code for a constant length. */
    uint64_t hash = prefix->block_size == 16 ? XXH3_64bits_withSeed(tokens, 64, parent_hash)
                                             : XXH3_64bits_withSeed(tokens, prefix->block_size * 4, parent_hash);
    if (keys != CLKV_KEYS_NONE) {
        const uint64_t keys_hash = clkv_keys_hash(&prefix->keys, keys);
        hash = XXH3_64bits_withSeed(&keys_hash, sizeof keys_hash, hash);
    }
    return hash & prefix->hash_mask;
}

static inline int tokens_equal(const uint32_t *a, const uint32_t *b, uint32_t n)
{
    if (n != 16) return memcmp(a, b, n * sizeof *a) == 0;
    uint64_t x[8], y[8], different = 0;
    memcpy(x, a, sizeof x);
    memcpy(y, b, sizeof y);
    for (int i = 0; i < 8; i++) different |= x[i] ^ y[i];
    return different == 0;
}

static inline int node_is(const clkv_prefix *prefix, uint32_t node, uint32_t parent, const uint32_t *tokens,
                          uint32_t keys)
{
    const clkv_node *at = &prefix->nodes[node];
    return at->parent == parent && at->keys == keys &&
           (!tokens || tokens_equal(clkv_node_tokens(prefix, node), tokens, prefix->block_size));
}

uint32_t clkv_node_find(clkv_prefix *prefix, uint64_t hash, uint32_t parent, const uint32_t *tokens, uint32_t keys)
{
    clkv_table *table = &prefix->table;
    clkv_table_settle(table);
    const uint8_t tag = clkv_table_tag(hash);
    uint32_t at = clkv_table_home(table, hash);
    for (uint32_t seen = 0; seen < table->n_lines; seen++) {
        const clkv_table_line *line = &table->lines[at];
        for (uint32_t places = clkv_table_places(line, tag); places; places &= places - 1) {
            const uint32_t node = line->ids[__builtin_ctz(places)];
            if (prefix->nodes[node].hash != hash) continue;
            if (node_is(prefix, node, parent, tokens, keys)) return node;
            prefix->collisions++;
        }
        if (!line->passed) break;
        at = clkv_table_next(table, at);
    }
    return CLKV_NODE_NONE;
}

clkv_status clkv_node_check(const clkv_prefix *prefix, clkv_prefix_node node, uint64_t position, const char *what)
{
    if (!prefix) return CLKV_FAIL(CLKV_ERROR_INVALID, "prefix is NULL");
    if (!clkv_node_alive(prefix, node)) return CLKV_FAIL(CLKV_ERROR_INVALID, "%s: no such node: %u", what, node);
    const uint64_t end = (uint64_t)prefix->nodes[node].depth * prefix->block_size;
    if (position != end)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "%s: node %u ends at token %llu, not %llu", what, node,
                         (unsigned long long)end, (unsigned long long)position);
    return CLKV_OK;
}

/* ---- the walk ---- */

typedef struct walk {
    clkv_prefix *prefix;
    const uint32_t *tokens; /* of block 0 of the walk */
    clkv_key_list content;
    uint64_t position;
    uint32_t base_keys; /* of block 0, when `from` is a root */
    size_t n_blocks;
    uint32_t *out;
    size_t matched;
    uint32_t node; /* the last one matched */
} walk;

static const uint32_t *walk_tokens(const walk *w, size_t at)
{
    return w->tokens + at * w->prefix->block_size;
}

/* The keys of block `at` of the walk; CLKV_KEYS_UNKNOWN means that no node has such keys. */
static uint32_t walk_keys(const walk *w, size_t at)
{
    const uint32_t base = at == 0 ? w->base_keys : CLKV_KEYS_NONE;
    if (!w->content.n) return base;
    clkv_key_list own;
    const uint32_t n = w->prefix->block_size;
    clkv_key_list_overlapping(&own, &w->content, w->position + at * n, n);
    return clkv_keys_find(&w->prefix->keys, base, &own);
}

/* Adds the block of a node that was found to the result; 0 when the node has no block. */
static int walk_take(walk *w, uint32_t node)
{
    const uint32_t block = w->prefix->nodes[node].block;
    if (block == CLKV_NO_BLOCK) return 0;
    w->out[w->matched++] = block;
    w->node = node;
    return 1;
}

/* Follows nodes with neighbouring ids; `step` is +1 or −1. Returns 1 when the walk continues, 0 when it has ended. */
static int walk_neighbours(walk *w, uint32_t step)
{
    const clkv_prefix *prefix = w->prefix;
    while (w->matched < w->n_blocks) {
        const uint32_t next = w->node + step;
        if (next >= prefix->n_nodes || prefix->nodes[next].parent != w->node) return 1;
        const uint32_t keys = walk_keys(w, w->matched);
        if (!node_is(prefix, next, w->node, walk_tokens(w, w->matched), keys)) return 1;
        if (!walk_take(w, next)) return 0;
    }
    return 0;
}

/* Looks up as many as `window` blocks by hash. Returns 1 when all were found, 0 when the walk has ended. */
static int walk_hashed(walk *w, size_t window)
{
    clkv_prefix *prefix = w->prefix;
    uint64_t hashes[WINDOW_MAX];
    uint32_t keys[WINDOW_MAX];
    const size_t first = w->matched;
    if (window > w->n_blocks - first) window = w->n_blocks - first;
    uint64_t hash = prefix->nodes[w->node].hash;
    for (size_t i = 0; i < window; i++) {
        keys[i] = walk_keys(w, first + i);
        if (keys[i] == CLKV_KEYS_UNKNOWN) {
            window = i;
            break;
        }
        hashes[i] = hash = clkv_node_hash(prefix, hash, walk_tokens(w, first + i), keys[i]);
        __builtin_prefetch(&prefix->table.lines[clkv_table_home(&prefix->table, hash)]);
    }
    clkv_table_settle(&prefix->table);
    for (size_t i = 0; i < window; i++) {
        const clkv_table_line *line = &prefix->table.lines[clkv_table_home(&prefix->table, hashes[i])];
        const uint32_t places = clkv_table_places(line, clkv_table_tag(hashes[i]));
        if (!places) continue;
        const uint32_t candidate = line->ids[__builtin_ctz(places)];
        __builtin_prefetch(&prefix->nodes[candidate]);
        __builtin_prefetch(clkv_node_tokens(prefix, candidate));
    }
    for (size_t i = 0; i < window; i++) {
        const uint32_t node = clkv_node_find(prefix, hashes[i], w->node, walk_tokens(w, first + i), keys[i]);
        if (node == CLKV_NODE_NONE || !walk_take(w, node)) return 0;
    }
    return window > 0;
}

static clkv_status match(clkv_prefix *prefix, clkv_prefix_node from, uint64_t position, const clkv_key *keys,
                         size_t n_keys, const uint32_t *tokens, size_t n, uint32_t *out, size_t *n_out,
                         clkv_prefix_node *node)
{
    clkv_status status = clkv_node_check(prefix, from, position, "from");
    if (status) return status;
    const size_t n_blocks = n / prefix->block_size;
    if (!n_out || (n && !tokens) || (n_blocks && !out))
        return CLKV_FAIL(CLKV_ERROR_INVALID, "%s is NULL", !n_out ? "n_out" : n && !tokens ? "tokens" : "out");

    walk w = {.prefix = prefix, .tokens = tokens, .position = position, .n_blocks = n_blocks, .out = out};
    status = clkv_key_list_content(&w.content, keys, n_keys);
    if (status) return status;
    w.base_keys = clkv_node_base_keys(prefix, from);
    w.node = from;
    size_t window = 4;
    while (w.matched < n_blocks) {
        if (!walk_neighbours(&w, 1) || !walk_neighbours(&w, (uint32_t)-1)) break;
        if (!walk_hashed(&w, window)) break;
        if (window < WINDOW_MAX) window *= 2;
    }
    *n_out = w.matched;
    if (node) *node = w.node;
    return CLKV_OK;
}

clkv_status clkv_prefix_find(clkv_prefix *prefix, clkv_prefix_node root, const clkv_key *keys, size_t n_keys,
                             const uint32_t *tokens, size_t n, clkv_prefix_node *node)
{
    walk w = {.prefix = prefix, .tokens = tokens, .n_blocks = n / prefix->block_size, .node = root};
    const clkv_status status = clkv_key_list_content(&w.content, keys, n_keys);
    if (status) return status;
    w.base_keys = clkv_node_base_keys(prefix, root);
    for (size_t at = 0; at < w.n_blocks && w.node != CLKV_PREFIX_UNKNOWN; at++) {
        const uint32_t *block = walk_tokens(&w, at), own = walk_keys(&w, at);
        if (own == CLKV_KEYS_UNKNOWN) {
            w.node = CLKV_PREFIX_UNKNOWN;
        } else {
            const uint64_t hash = clkv_node_hash(prefix, prefix->nodes[w.node].hash, block, own);
            w.node = clkv_node_find(prefix, hash, w.node, block, own);
        }
    }
    *node = w.node;
    return CLKV_OK;
}

clkv_status clkv_prefix_match(clkv_prefix *prefix, clkv_prefix_node from, uint64_t position, const clkv_key *keys,
                              size_t n_keys, const uint32_t *tokens, size_t n, uint32_t *out, size_t *n_out,
                              clkv_prefix_node *node)
{
    return CLKV_PUBLIC(match(prefix, from, position, keys, n_keys, tokens, n, out, n_out, node));
}
