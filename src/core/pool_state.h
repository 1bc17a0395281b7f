/* pool_state.h: the data structures of the block pool, for pool.c (operations), pool_slabs.c (slabs) and pool_check.c
 * (validity). One state word and one set of links per block.
 *
 *   word   refs << 4 | retained << 3 | priority        0 means free, so fresh zero pages are a fresh pool
 *
 *          refs > 0              used
 *          refs = 0, retained    cached, on the ring of its priority
 *          word = 0              free: on the free stack of its slab, or never used yet
 *
 *   links  entries 0 … 7 are the ends of the rings of cached blocks, one per priority; block b is entry
 *          b + 8. A ring runs from the least to the most recently released:
 *
 *          ┌▶ [end of priority p] ⇄ oldest ⇄ … ⇄ newest ◀┐
 *          └──────────────────────────────────────────────┘
 *
 *          `later` of a cached block is the entry that was appended to the ring AHEAD places after the block, or 0.
 *          It is only a hint for prefetching, because that entry may have left the ring. Without the hint an
 *          eviction would know only the next victim, and would wait for memory at each of many scattered blocks.
 *          `recent` holds the last AHEAD entries of each ring, whose `later` is not known yet.
 *
 *   slabs  slab s has the blocks from s · slab_blocks on. Blocks are taken from the lowest open slab that has free
 *          ones, so that the others become empty.
 *
 *          stack   [ 3 | 0 | . . . ][ 5 | . . . . ]     a part for each slab; the first `stacked` of a part are the
 *                    slab 0          slab 1             free blocks that were used before, the most recent last
 *
 *          It is an array and not a list through `next`, so that taking many scattered blocks waits for memory once
 *          and not at each block.
 *
 * Blocks that were never used are numbers fresh … of their slab's order of first use. No list holds them, and their
 * memory has never been written. Invariants: total = used + cached + free; in each slab, blocks = taken + stacked +
 * (blocks − fresh); a closed slab has no taken block; every word below `fresh` agrees with the list that its block is
 * on. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CORE_POOL_STATE_H
#define CLKV_CORE_POOL_STATE_H

#include "core/pool.h"
#include "core/shuffle.h"

#define ENDS     CLKV_POOL_PRIORITIES
#define RETAINED 8u
#define PRIORITY 7u
#define ONE_REF  16u
#define AHEAD    32u /* a power of two */

struct link {
    uint32_t prev, next, later;
};

struct slab {
    uint32_t stacked; /* free blocks on its part of the stack */
    uint32_t fresh;   /* blocks that were ever used since it was opened */
    uint32_t taken;   /* blocks that are used or cached */
    uint32_t generation; /* odd while it is open */
};

struct clkv_pool {
    uint32_t *words;    /* [total] */
    struct link *links; /* [ENDS + total] */
    uint32_t *stack;    /* [total] */
    uint32_t total, used, cached;
    uint32_t filled; /* bit p: the ring of priority p is not empty */
    uint32_t recent[ENDS][AHEAD], appended[ENDS]; /* `appended`: the next place in `recent`, modulo AHEAD */
    uint32_t watermark, peak_used;
    uint64_t evictions, allocations;
    struct slab slabs[CLKV_MAX_SLABS];
    uint32_t n_slabs, slab_blocks;
    uint32_t open, roomy; /* a bit for each slab that is open; that is open and has a free block */
    uint32_t open_blocks; /* blocks of open slabs */
    uint32_t tag;         /* of this pool's slab ids */
    clkv_shuffle order, last_order; /* of first use, in a slab, and in the last one; unused when not shuffled */
    int shuffled;
    void (*evict)(void *user, uint32_t block);
    void (*freed)(void *user, uint32_t block);
    void *user;
};

static inline uint32_t clkv_pool_slab_of(const clkv_pool *pool, uint32_t block)
{
    return pool->n_slabs == 1 ? 0 : block / pool->slab_blocks;
}

static inline uint32_t clkv_pool_slab_size(const clkv_pool *pool, uint32_t slab)
{
    return slab + 1 < pool->n_slabs ? pool->slab_blocks : pool->total - slab * pool->slab_blocks;
}

/* The block that is number `number` in the order of first use of its slab. */
static inline uint32_t clkv_pool_fresh_at(const clkv_pool *pool, uint32_t slab, uint32_t number)
{
    const clkv_shuffle *order = slab + 1 < pool->n_slabs ? &pool->order : &pool->last_order;
    return slab * pool->slab_blocks + (pool->shuffled ? clkv_shuffle_at(order, number) : number);
}

/* Takes the next free block of a slab that has one. */
static inline uint32_t clkv_pool_take_free(clkv_pool *pool, uint32_t slab)
{
    struct slab *at = &pool->slabs[slab];
    const uint32_t block = at->stacked ? pool->stack[slab * pool->slab_blocks + --at->stacked]
                                       : clkv_pool_fresh_at(pool, slab, at->fresh++);
    if (++at->taken == clkv_pool_slab_size(pool, slab)) pool->roomy &= ~(1u << slab);
    return block;
}

/* Makes a block free that was taken. */
static inline void clkv_pool_put_free(clkv_pool *pool, uint32_t block)
{
    const uint32_t slab = clkv_pool_slab_of(pool, block);
    struct slab *at = &pool->slabs[slab];
    pool->words[block] = 0;
    pool->stack[slab * pool->slab_blocks + at->stacked++] = block;
    at->taken--;
    pool->roomy |= 1u << slab;
}

#endif
