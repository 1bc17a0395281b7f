/* prefix.h: what the block manager needs of the prefix index beyond its public face.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CORE_PREFIX_H
#define CLKV_CORE_PREFIX_H

#include <clkv/prefix.h>

/* INVALID for a number that clkv_prefix_use does not have. */
clkv_status clkv_prefix_check_use(clkv_prefix_use use);

/* on_event is not called any more. NULL is taken. */
void clkv_prefix_stop_events(clkv_prefix *prefix);

/* The blocks that hold a node and all that continues it, deepest first; below a root all that begins there. *blocks
 * gets *n of them, for the caller to free; NULL where there are none. O(nodes + blocks). NO_MEMORY. */
clkv_status clkv_prefix_subtree(const clkv_prefix *prefix, clkv_prefix_node top, uint32_t **blocks, size_t *n);

/* The node of the first whole blocks of n tokens below a root, also where no block holds it: *node. Where the
 * index does not know them all, *node is CLKV_PREFIX_UNKNOWN. INVALID: keys. */
#define CLKV_PREFIX_UNKNOWN UINT32_MAX
clkv_status clkv_prefix_find(clkv_prefix *prefix, clkv_prefix_node root, const clkv_key *keys, size_t n_keys,
                             const uint32_t *tokens, size_t n, clkv_prefix_node *node);

/* Blocks between a node and its root, and the node `depth` blocks from there on the way to `node`. */
uint32_t clkv_prefix_depth(const clkv_prefix *prefix, clkv_prefix_node node);
clkv_prefix_node clkv_prefix_ancestor(const clkv_prefix *prefix, clkv_prefix_node node, uint32_t depth);

/* The hash of a registered block's node and that of its parent, as events have them. */
void clkv_prefix_hashes(const clkv_prefix *prefix, uint32_t block, uint64_t *hash, uint64_t *parent_hash);

#endif
