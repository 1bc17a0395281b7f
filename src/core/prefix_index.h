/* prefix_index.h: the data structures of the prefix index, for prefix.c (the tree), prefix_match.c (matching) and
 * prefix_check.c (validity).
 *
 *   nodes[id]     32 bytes: hash, parent, counts, first block        ┐ two arrays, because a walk
 *   tokens[id·B]  the block_size tokens of the node                  ┘ often needs one of them only
 *   owners[block] the node of a block, 0 when it is not registered   (0, the root, never has a block)
 *   twins[block]  ring of the blocks that hold the same node; unused for nodes with one block
 *   table         node ids by hash, without the root
 *   keys          lists of extra keys; node.keys is a number in there
 *
 *   root 0 ◀─parent─ node ◀─parent─ node          a node lives while it has a block, a child or a reference;
 *                     │ block       │ block       a root of keys is a node with parent NONE that has keys,
 *                     ▼             ▼             no tokens and never a block
 *                     7 ⇄ 31        8
 *
 * The hash of the root is the secret seed of the index: all hashes are chained from it, and no event contains it.
 *
 * Nodes that are registered one after the other have neighbouring ids, even when they reuse the ids of a sequence
 * that was evicted from its tail. So matching compares the node with id ± 1 before it computes a hash.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CORE_PREFIX_INDEX_H
#define CLKV_CORE_PREFIX_INDEX_H

#include "core/prefix_keys.h"
#include "core/prefix_table.h"

#include <clkv/prefix.h>

#define CLKV_NODE_NONE  UINT32_MAX
#define CLKV_DEPTH_DEAD 0x7fffffffu /* depth of an id that is free */

typedef struct clkv_node {
    uint64_t hash;
    uint32_t parent; /* CLKV_NODE_NONE: a root, or dead */
    uint32_t children;
    uint32_t refs;
    uint32_t block; /* the block that was registered first, or CLKV_NO_BLOCK */
    uint32_t keys;
    uint32_t depth : 31; /* blocks from the root */
    uint32_t shared : 1; /* several blocks hold the node: they are a ring in `twins` */
} clkv_node;

typedef struct clkv_twin {
    uint32_t prev, next; /* blocks, in the order of registration, closed to a ring */
} clkv_twin;

struct clkv_prefix {
    clkv_node *nodes;
    uint32_t *tokens;
    uint32_t *owners;
    clkv_twin *twins;
    uint32_t *dead_ids; /* a stack of the ids that are free: [0 … dead) */
    clkv_table table;
    clkv_keys keys;
    uint32_t n_nodes; /* ids ever used: 0 … n_nodes − 1 */
    /* Ids that each array has room for; they differ only after an attempt to grow them that failed. */
    uint32_t nodes_room, tokens_room, dead_room;
    uint32_t roots;            /* live roots of keys */
    uint32_t dead;             /* ids that are free */
    uint32_t blocks, n_blocks; /* ids allowed; blocks registered */
    uint32_t blocks_high;      /* no block from here on was ever registered */
    uint32_t block_size;
    uint64_t hash_mask;
    uint64_t collisions;
    int event_content, wipe_tokens;
    clkv_cache_event_fn on_event;
    void *user;
};

static inline int clkv_node_alive(const clkv_prefix *prefix, uint32_t node)
{
    return node < prefix->n_nodes && prefix->nodes[node].depth != CLKV_DEPTH_DEAD;
}

static inline const uint32_t *clkv_node_tokens(const clkv_prefix *prefix, uint32_t node)
{
    return prefix->tokens + (size_t)node * prefix->block_size;
}

/* The keys that every first block below `parent` inherits. */
static inline uint32_t clkv_node_base_keys(const clkv_prefix *prefix, uint32_t parent)
{
    return prefix->nodes[parent].parent == CLKV_NODE_NONE ? prefix->nodes[parent].keys : CLKV_KEYS_NONE;
}

/* The hash of the node with these tokens and keys whose parent has `parent_hash`. */
uint64_t clkv_node_hash(const clkv_prefix *prefix, uint64_t parent_hash, const uint32_t *tokens, uint32_t keys);

/* The child of `parent` with these tokens and keys, or CLKV_NODE_NONE. Counts collisions. */
uint32_t clkv_node_find(clkv_prefix *prefix, uint64_t hash, uint32_t parent, const uint32_t *tokens, uint32_t keys);

/* INVALID unless `node` is alive and ends at `position`. */
clkv_status clkv_node_check(const clkv_prefix *prefix, clkv_prefix_node node, uint64_t position, const char *what);

#endif
