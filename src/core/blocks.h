/* blocks.h: the data that a manager, its sequences and its batches share: the lock, the pool, the prefix index, and the
 * state of each block.
 *
 *   manager ──▶ batch ──▶ sequence ──▶ blocks        each file includes those to its right; blocks includes none
 *
 * Call all functions except clkv_blocks_create with the manager's lock held. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CORE_BLOCKS_H
#define CLKV_CORE_BLOCKS_H

#include "core/growth_hooks.h"
#include "core/pins.h"
#include "core/uncleared.h"
#include "os/thread.h"

#include <clkv/manager.h>

struct clkv_sequence;
struct clkv_batch;

struct clkv_manager {
    clkv_mutex lock; /* guards everything below, and all sequences and batches of the manager */
    uint64_t references;  /* of the owner, the sequences (dead ones too) and the batches; freed with the last one */
    clkv_pool *pool;
    clkv_prefix *prefix; /* NULL: nothing is looked up or registered */
    clkv_pins pins;
    /* One bit per block: set for blocks that a reserved batch took from the cache. They stay registered until the
     * batch commits, so that a rollback can return them to the cache, but look-ups do not find them. */
    uint8_t *hidden;
    clkv_uncleared uncleared;           /* off without clear_freed */
    clkv_growth_state growth;
    uint32_t blocks, block_size, shift; /* block_size = 1 << shift */
    uint32_t max_sequences, max_context, max_batch_tokens, window;
    uint32_t evicted; /* blocks that the pool has taken from the cache since this was set to 0 */
    struct clkv_sequence *oldest, *youngest; /* all sequences in order of age, dead ones too */
    uint32_t live;                           /* sequences that are not dead */
    uint32_t *free_rows;                     /* a stack */
    uint32_t n_free_rows;
    struct clkv_batch *batches;
    uint32_t *found; /* scratch for lookups and pins */
    size_t found_capacity;
    uint64_t *tails;                  /* [max_sequences] scratch for statistics */
    uint64_t (*clock_ms)(void *user); /* NULL once the owner has destroyed its handle */
    void *user;
    clkv_stats counters; /* only the counters that the manager keeps itself */
};

/* Not recursive. */
static inline void clkv_manager_lock(clkv_manager *m)
{
    clkv_mutex_lock(&m->lock);
}

static inline void clkv_manager_unlock(clkv_manager *m)
{
    clkv_mutex_unlock(&m->lock);
}

/* Unlocks the manager, and frees it if it has no reference left. */
void clkv_manager_unlock_last(clkv_manager *m);

/* Creates a manager with one reference, that of the owner. The params are valid, and zeros in them do not stand for
 * defaults. Without `hooks` (NULL) all memory is there from the beginning. NO_MEMORY. */
clkv_status clkv_blocks_create(clkv_manager **out, const clkv_manager_params *params, const clkv_growth_hooks *hooks);

/* INVALID unless `group` is 0, the only layer group. Needs no lock. */
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

/* The number of blocks that n tokens need. */
static inline uint32_t clkv_blocks_for(const clkv_manager *m, uint64_t n)
{
    return (uint32_t)((n + m->block_size - 1) >> m->shift);
}

/* Removes the pins that have expired. */
void clkv_blocks_expire_pins(clkv_manager *m);

/* Takes n evicted blocks, whose content is lost, out of the index and removes their pins. */
void clkv_blocks_drop(clkv_manager *m, const uint32_t *blocks, uint32_t n);

/* Finds the full blocks of n tokens below `from`, like clkv_prefix_match, but stops at the first hidden block. out
 * has room for n / block_size. */
clkv_status clkv_blocks_match(clkv_manager *m, clkv_prefix_node from, uint64_t position, const clkv_key *keys,
                              size_t n_keys, const uint32_t *tokens, size_t n, uint32_t *out, size_t *n_out,
                              clkv_prefix_node *node);

/* Makes room for n blocks in m->found. NO_MEMORY. */
clkv_status clkv_blocks_reserve_found(clkv_manager *m, size_t n);

/* Marks those of n blocks that are free, in slabs that are open, as blocks to clear, because clearing them has failed. */
void clkv_blocks_unclear_free(clkv_manager *m, const uint32_t *blocks, uint32_t n);

/* Marks used and cached blocks as blocks to clear too. For the end of a cache. */
void clkv_blocks_unclear_all(clkv_manager *m);

/* Address space of the tables here, including those of pool and prefix index. */
uint64_t clkv_blocks_host_bytes(const clkv_manager *m);

#endif
