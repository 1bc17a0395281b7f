/* blocks.h: what a manager, its sequences and its batches share: the lock, the pool, the prefix index and what is
 * known of each block.
 *
 *   manager ──▶ batch ──▶ sequence ──▶ blocks        who includes whom; this file knows none of the others
 *
 * All functions but clkv_blocks_create want the manager's lock held. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CORE_BLOCKS_H
#define CLKV_CORE_BLOCKS_H

#include "core/pins.h"
#include "core/uncleared.h"

#include <clkv/manager.h>

#include <pthread.h>

struct clkv_sequence;
struct clkv_batch;

struct clkv_manager {
    pthread_mutex_t lock; /* guards everything below, and all sequences and batches of the manager */
    uint64_t references;  /* of its owner, its sequences (dead ones too) and its batches: the last frees it */
    clkv_pool *pool;
    clkv_prefix *prefix; /* NULL: nothing is looked up or registered */
    clkv_pins pins;
    /* Blocks that a reserved batch took from the cache. They stay registered until it commits, so that a
     * rollback can put them back, but nobody finds them. One bit per block. */
    uint8_t *hidden;
    clkv_uncleared uncleared;           /* off without clear_freed */
    uint32_t blocks, block_size, shift; /* block_size = 1 << shift */
    uint32_t max_sequences, max_context, max_batch_tokens, window;
    uint32_t evicted; /* blocks that the pool has taken from the cache since somebody set it to 0 */
    struct clkv_sequence *oldest, *youngest; /* all sequences in order of age, dead ones too */
    uint32_t live;                           /* sequences that are not dead */
    uint32_t *free_rows;                     /* a stack */
    uint32_t n_free_rows;
    struct clkv_batch *batches;
    uint32_t *found; /* scratch for lookups and pins */
    size_t found_capacity;
    uint64_t *tails;                  /* [max_sequences] scratch for statistics */
    uint64_t (*clock_ms)(void *user); /* NULL once the owner has let go */
    void *user;
    clkv_stats counters; /* only the counters that the manager keeps itself */
};

/* Not recursive. */
static inline void clkv_manager_lock(clkv_manager *m)
{
    pthread_mutex_lock(&m->lock);
}

static inline void clkv_manager_unlock(clkv_manager *m)
{
    pthread_mutex_unlock(&m->lock);
}

/* Unlocks, and frees the manager if nobody holds a reference any more. */
void clkv_manager_unlock_last(clkv_manager *m);

/* A manager with one reference, its owner's. No field of the params stands for a default any more, and all are
 * valid. NO_MEMORY. */
clkv_status clkv_blocks_create(clkv_manager **out, const clkv_manager_params *params);

/* INVALID for another layer group than the only one. Needs no lock. */
clkv_status clkv_blocks_check_group(uint32_t group);

static inline int clkv_blocks_is_hidden(const clkv_manager *m, uint32_t block)
{
    return m->hidden[block >> 3] >> (block & 7) & 1;
}

static inline void clkv_blocks_hide(clkv_manager *m, uint32_t block, int hidden)
{
    const uint8_t bit = (uint8_t)(1u << (block & 7));
    if (hidden) {
        m->hidden[block >> 3] |= bit;
    } else {
        m->hidden[block >> 3] &= (uint8_t)~bit;
    }
}

static inline int clkv_blocks_is_registered(const clkv_manager *m, uint32_t block)
{
    return m->prefix && clkv_prefix_has(m->prefix, block);
}

/* Blocks that n tokens need. */
static inline uint32_t clkv_blocks_for(const clkv_manager *m, uint64_t n)
{
    return (uint32_t)((n + m->block_size - 1) >> m->shift);
}

/* Ends the pins whose time is over. */
void clkv_blocks_expire_pins(clkv_manager *m);

/* The content of n blocks that were evicted is gone: out of the index, their pins forgotten. */
void clkv_blocks_drop(clkv_manager *m, const uint32_t *blocks, uint32_t n);

/* The full blocks of n tokens that the cache holds below `from`, which ends at a position, as clkv_prefix_match; hidden
 * ones and what follows them are not found. out has room for n / block_size. */
clkv_status clkv_blocks_match(clkv_manager *m, clkv_prefix_node from, uint64_t position, const clkv_key *keys,
                              size_t n_keys, const uint32_t *tokens, size_t n, uint32_t *out, size_t *n_out,
                              clkv_prefix_node *node);

/* Room for n blocks in m->found. NO_MEMORY. */
clkv_status clkv_blocks_reserve_found(clkv_manager *m, size_t n);

/* What should have been cleared was not: of n blocks those that nobody has got meanwhile are to be cleared again.
 */
void clkv_blocks_unclear_free(clkv_manager *m, const uint32_t *blocks, uint32_t n);

/* Everything that a block may hold must be cleared: also used and cached ones. For the end of a cache. */
void clkv_blocks_unclear_all(clkv_manager *m);

/* Address space of the tables here, those of pool and prefix index too. */
uint64_t clkv_blocks_host_bytes(const clkv_manager *m);

#endif
