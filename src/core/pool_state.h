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
 * memory has never been written. Invariants: total = used + cached + free; in each slab fresh − stacked blocks are used or
 * cached, in a closed one none; every word below `fresh` agrees with the list that its block is
 * on. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CORE_POOL_STATE_H
#define CLKV_CORE_POOL_STATE_H

#include "core/shuffle.h"

#include <clkv/pool.h>

#define ENDS     CLKV_POOL_PRIORITIES
#define RETAINED 8u
#define PRIORITY 7u
#define ONE_REF  16u
#define AHEAD    32u /* a power of two */

struct link {
    uint32_t prev, next, later;
};

struct slab {
    uint32_t *stack;  /* its part */
    uint32_t stacked; /* free blocks on it */
    uint32_t fresh;   /* blocks that were ever used since it was opened */
    uint32_t size;    /* blocks */
    uint32_t generation; /* odd while it is open */
};

/* What every operation reads comes first. */
struct clkv_pool {
    uint32_t *words;      /* [total] */
    struct link *links;   /* [ENDS + total] */
    struct slab *first;   /* the lowest slab that is roomy, or NULL */
    uint32_t total, used, cached;
    uint32_t open_blocks; /* blocks of open slabs */
    uint32_t watermark, peak_used;
    uint32_t n_slabs, slab_blocks;
    uint64_t allocations;
    void (*freed)(void *user, uint32_t block);
    struct slab slabs[CLKV_POOL_SLABS];
    uint64_t evictions;
    void (*evict)(void *user, uint32_t block);
    void *user;
    uint32_t filled; /* bit p: the ring of priority p is not empty */
    uint32_t recent[ENDS][AHEAD], appended[ENDS]; /* `appended`: the next place in `recent`, modulo AHEAD */
    uint32_t open, roomy; /* a bit for each slab that is open; that is open and has a free block */
    uint32_t tag;         /* of this pool's slab ids */
    uint32_t *stack;      /* [total] */
    clkv_shuffle order, last_order; /* of first use, in a slab, and in the last one; unused when not shuffled */
    int shuffled;
    int undivided; /* without slab_blocks: the only slab is always open */
};

static inline uint32_t clkv_pool_slab_of(const clkv_pool *pool, uint32_t block)
{
    return pool->n_slabs == 1 ? 0 : block / pool->slab_blocks;
}

/* The used and cached blocks of a slab. */
static inline uint32_t clkv_pool_taken(const struct slab *slab)
{
    return slab->fresh - slab->stacked;
}

/* The block that is number `number` in the order of first use of its slab. */
static inline uint32_t clkv_pool_fresh_at(const clkv_pool *pool, uint32_t slab, uint32_t number)
{
    const clkv_shuffle *order = slab + 1 < pool->n_slabs ? &pool->order : &pool->last_order;
    return slab * pool->slab_blocks + (pool->shuffled ? clkv_shuffle_at(order, number) : number);
}

/* A slab has a free block, or none any more. */
static inline void clkv_pool_set_roomy(clkv_pool *pool, uint32_t slab, int roomy)
{
    pool->roomy = roomy ? pool->roomy | 1u << slab : pool->roomy & ~(1u << slab);
    pool->first = pool->roomy ? &pool->slabs[__builtin_ctz(pool->roomy)] : NULL;
}

/* Takes the next free block of a slab that has one. */
static inline uint32_t clkv_pool_take_free(clkv_pool *pool, struct slab *slab)
{
    uint32_t block;
    if (slab->stacked) {
        block = slab->stack[--slab->stacked];
    } else {
        block = clkv_pool_fresh_at(pool, (uint32_t)(slab - pool->slabs), slab->fresh++);
    }
    if (!slab->stacked && slab->fresh == slab->size) clkv_pool_set_roomy(pool, (uint32_t)(slab - pool->slabs), 0);
    return block;
}

/* Makes a block free that was taken. */
static inline void clkv_pool_put_free(clkv_pool *pool, uint32_t block)
{
    struct slab *slab = &pool->slabs[clkv_pool_slab_of(pool, block)];
    const uint32_t stacked = slab->stacked++;
    pool->words[block] = 0;
    slab->stack[stacked] = block;
    if (!stacked) clkv_pool_set_roomy(pool, (uint32_t)(slab - pool->slabs), 1);
}

#endif
