/* pool.h: functions of the pool for the block manager. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CORE_POOL_H
#define CLKV_CORE_POOL_H

#include <clkv/pool.h>

/* Undoes the clkv_pool_allocate of these n blocks, each of which has one reference: they return to their lists, in
 * the order that they had. The last n_evicted of them were cached. They become cached again and will be taken first
 * among their priority, which is priorities[block]. The counters of allocations and evictions are restored; the peak
 * is not. */
void clkv_pool_undo(clkv_pool *pool, const uint32_t *blocks, uint32_t n, uint32_t n_evicted,
                    const uint8_t *priorities);

/* Frees n cached blocks, those that an allocation would take first, and writes their ids to out. Returns how many there
 * were. Does not call evict or count evictions. */
uint32_t clkv_pool_drop_cached(clkv_pool *pool, uint32_t n, uint32_t *out);

/* Whether the slab of a block is open. */
int clkv_pool_is_open(const clkv_pool *pool, uint32_t block);

/* The number of an open slab. INVALID: an id of another pool. STATE: the slab was closed since. */
clkv_status clkv_pool_find_slab(const clkv_pool *pool, clkv_slab_id id, uint32_t *slab);

/* The block that a slab hands out after n others, if no block of it becomes free meanwhile. It has more than n free
 * blocks. */
uint32_t clkv_pool_next_free(const clkv_pool *pool, uint32_t slab, uint32_t n);

/* Moves the state of a used or cached block (references, priority, place among the cached blocks) to the next free
 * block of a slab that has one, and returns that block. `from` is free then. The caller moves the content. */
uint32_t clkv_pool_move(clkv_pool *pool, uint32_t from, uint32_t slab);

#endif
