/* prefix.h: functions of the prefix index for the block manager.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CORE_PREFIX_H
#define CLKV_CORE_PREFIX_H

#include <clkv/prefix.h>

/* INVALID for a number that is no clkv_prefix_use. */
clkv_status clkv_prefix_check_use(clkv_prefix_use use);

/* Stops the calls of on_event. `prefix` may be NULL. */
void clkv_prefix_stop_events(clkv_prefix *prefix);

/* Registers block `to`, which is not registered, in the place of block `from`. Sends no event. */
void clkv_prefix_move(clkv_prefix *prefix, uint32_t from, uint32_t to);

/* Lists the blocks of node `top` and of all nodes below it, deepest first. *blocks gets a list of *n blocks that the
 * caller frees; NULL when there are none. O(nodes + blocks). NO_MEMORY. */
clkv_status clkv_prefix_subtree(const clkv_prefix *prefix, clkv_prefix_node top, uint32_t **blocks, size_t *n);

/* Sets *node to the node of all whole blocks of n tokens below the root of these keys, even if the node has no block.
 * CLKV_PREFIX_UNKNOWN when the index has no such node. INVALID: keys. */
#define CLKV_PREFIX_UNKNOWN UINT32_MAX
clkv_status clkv_prefix_find(clkv_prefix *prefix, clkv_prefix_node root, const clkv_key *keys, size_t n_keys,
                             const uint32_t *tokens, size_t n, clkv_prefix_node *node);

/* The number of blocks from the root to a node; and the ancestor of `node` that is `depth` blocks below the root. */
uint32_t clkv_prefix_depth(const clkv_prefix *prefix, clkv_prefix_node node);
clkv_prefix_node clkv_prefix_ancestor(const clkv_prefix *prefix, clkv_prefix_node node, uint32_t depth);

/* The hashes of a registered block's node and of its parent, as in events. */
void clkv_prefix_hashes(const clkv_prefix *prefix, uint32_t block, uint64_t *hash, uint64_t *parent_hash);

#endif
