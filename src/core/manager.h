/* manager.h: the block manager from inside. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CORE_MANAGER_H
#define CLKV_CORE_MANAGER_H

#include "core/pins.h"
#include "core/uncleared.h"

#include <clkv/manager.h>
#include <clkv/sequence.h>

#include <pthread.h>

struct clkv_batch;

struct clkv_manager {
    pthread_mutex_t lock; /* guards everything below, and all sequences and batches of the manager */
    clkv_pool *pool;
    clkv_prefix *prefix; /* NULL: nothing is looked up or registered */
    clkv_pins pins;
    /* Blocks that a reserved batch took from the cache. They stay registered until it commits, so that a
     * rollback can put them back, but nobody finds them. One bit per block. */
    uint8_t *hidden;
    clkv_uncleared uncleared; /* off without clear_freed */
    uint32_t blocks, block_size, shift; /* block_size = 1 << shift */
    uint32_t max_sequences, max_context, watermark;
    clkv_sequence *oldest, *youngest; /* all sequences in order of age, dead ones too */
    uint32_t live;                    /* sequences that are not dead */
    uint32_t *free_rows;              /* a stack */
    uint32_t n_free_rows;
    struct clkv_batch *batches;
    struct clkv_batch *reserving; /* whose allocation is under way: evicted blocks are noted there */
    uint32_t *found;              /* scratch for lookups and pins */
    size_t found_capacity;
    uint64_t *tails; /* [max_sequences] scratch for statistics */
    uint64_t (*clock_ms)(void *user);
    void *user;
    clkv_stats counters; /* only the counters that the manager keeps itself */
};

/* Accessors, functions named …_locked and those of core/batch.h want the lock held; public functions take
 * it themselves. Not recursive. */
static inline void clkv_manager_lock(clkv_manager *manager)
{
    pthread_mutex_lock(&manager->lock);
}

static inline void clkv_manager_unlock(clkv_manager *manager)
{
    pthread_mutex_unlock(&manager->lock);
}

static inline int clkv_manager_is_hidden(const clkv_manager *manager, uint32_t block)
{
    return manager->hidden[block >> 3] >> (block & 7) & 1;
}

static inline void clkv_manager_hide(clkv_manager *manager, uint32_t block, int hidden)
{
    const uint8_t bit = (uint8_t)(1u << (block & 7));
    if (hidden) {
        manager->hidden[block >> 3] |= bit;
    } else {
        manager->hidden[block >> 3] &= (uint8_t)~bit;
    }
}

/* Everything that clkv_manager_create would say against the params, memory aside. INVALID. */
clkv_status clkv_manager_check_params(const clkv_manager_params *params);

/* Ends the pins whose time is over. */
void clkv_manager_expire_pins(clkv_manager *manager);

/* The content of a block that was evicted is gone: out of the index, its pin forgotten. */
void clkv_manager_drop(clkv_manager *manager, uint32_t block);

/* The full blocks of n tokens that the cache holds below a root, as clkv_prefix_match; hidden ones and what
 * follows them are not found. out has room for n / block_size. */
clkv_status clkv_manager_match(clkv_manager *manager, clkv_prefix_node root, const clkv_key *keys, size_t n_keys,
                               const uint32_t *tokens, size_t n, uint32_t *out, size_t *n_out,
                               clkv_prefix_node *node);

/* What should have been cleared was not: of n blocks those that nobody has got meanwhile are to be cleared again. */
void clkv_manager_unclear_free(clkv_manager *manager, const uint32_t *blocks, uint32_t n);

/* Everything that a block may hold must be cleared: also used and cached ones. For the end of a cache. */
void clkv_manager_unclear_all(clkv_manager *manager);

/* Fills every field but the device's. */
void clkv_manager_stats_locked(clkv_manager *manager, clkv_stats *out);

#endif
