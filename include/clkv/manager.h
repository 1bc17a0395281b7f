/* clkv/manager.h: the block manager, the host half of a cache: block pool, prefix index, sequences and
 * their block tables. No OpenCL: a runtime with kernels of its own can use it alone.
 *
 *   tokens ─▶ sequence ─▶ block table ─▶ blocks of the pool
 *                │                          ▲
 *                └──▶ prefix index ─────────┘ finds blocks that hold the same prefix
 *
 * Thread-safe: every function on a manager, its sequences and its batches may be called from any thread;
 * a manager locks itself. One sequence or one batch belongs to one thread at a time. Nothing blocks
 * beyond that lock. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_MANAGER_H
#define CLKV_MANAGER_H

#include <clkv/prefix.h>
#include <clkv/stats.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct clkv_manager clkv_manager;

typedef struct clkv_manager_params {
    size_t size;
    uint32_t blocks;        /* blocks in the pool; no default here (clkv_cache works one out of memory) */
    uint32_t block_size;    /* tokens per block: a power of two, 1 … 256; default 16 */
    uint32_t max_sequences; /* live sequences; default 256; at most 65535 */
    uint32_t max_context;   /* tokens of one sequence, at most 2^31; default: what the pool can hold */
    uint32_t watermark;     /* blocks a batch leaves free for the next step; default 0 */
    uint32_t hash_bits;     /* of the prefix index; default 64; fewer for tests of collisions only */
    uint64_t hash_seed;     /* as in clkv_prefix_params; default: random */
    int event_content;      /* as there: 1: events carry tokens and keys; default 0: hashes only */
    uint64_t shuffle_seed;  /* 0: blocks are first used in order; else in a pseudo-random one, for tests */
    int clear_freed;        /* 1: whoever gets a block finds nothing in it of those who had it before: see
                               clkv_manager_take_uncleared. A clkv_cache does the clearing by itself */
    clkv_prefix_use prefix; /* OFF: no prefix index, for any sequence; nothing is shared but by fork */
    uint64_t (*clock_ms)(void *user); /* monotonic milliseconds, for pins; default: the system's */
    clkv_cache_event_fn on_event;     /* called with the manager's lock held: must not call clkv */
    void *user;             /* for clock_ms and on_event */
    uint32_t window;        /* the model's sliding window in tokens, a token's own position included: after each
                               commit, blocks that no later token sees are released. Default 0 = none */
    uint32_t max_batch_tokens; /* tokens of one batch; default 0 = no limit */
} clkv_manager_params;

/* INVALID: no blocks, a block size that is no power of two, bad limits, an unknown value. NO_MEMORY. */
CLKV_API clkv_status clkv_manager_create(clkv_manager **out, const clkv_manager_params *params);

/* The caller's handle is dead after this, and clock_ms and on_event are not called any more: pins no longer
 * end. Sequences and batches that are left go on working, and the memory of the manager lives until the last
 * of them is destroyed too. */
CLKV_API void clkv_manager_destroy(clkv_manager **manager);

CLKV_API uint32_t clkv_manager_block_size(const clkv_manager *manager);
CLKV_API uint32_t clkv_manager_blocks(const clkv_manager *manager);

/* Blocks that a reservation could take now: free + cached − watermark, at least 0. O(1). 0 for NULL. */
CLKV_API uint32_t clkv_manager_available(clkv_manager *manager);

/* How many of the first n tokens a new sequence with these keys would find in the cache now: always
 * whole blocks, and always fewer than n. Takes nothing and touches no LRU order. INVALID, NO_MEMORY. */
CLKV_API clkv_status clkv_manager_lookup(clkv_manager *manager, const clkv_key *keys, size_t n_keys,
                                         const uint32_t *tokens, size_t n, size_t *found);

/* Pins the blocks that hold the full blocks of this token list: while the pin lives they are evicted
 * only after every block of a lower priority. priority 1 … 7; 0 unpins. ttl_ms 0 = for ever. Blocks
 * computed later are not covered. *pinned (may be NULL) gets the number of blocks. INVALID, NO_MEMORY. */
CLKV_API clkv_status clkv_manager_pin(clkv_manager *manager, const clkv_key *keys, size_t n_keys,
                                      const uint32_t *tokens, size_t n, uint32_t priority, uint64_t ttl_ms,
                                      size_t *pinned);

/* Takes the prefix that ends with the last full block of n tokens out of the index, and every prefix that continues it:
 * nobody finds them any more. n = 0: everything that was computed under these keys (everything of one salt; without
 * keys, everything without salt and adapter). Cached blocks become free. Used blocks stay with those who hold them and
 * become free after that. Sequences whose history goes through such a prefix go on, but nothing that they compute from
 * there on can be found. Not undone by rolling a batch back. *forgotten (may be NULL) gets the number of blocks. A
 * prefix that is not known is OK and forgets none. O(blocks of the pool). INVALID, NO_MEMORY. */
CLKV_API clkv_status clkv_manager_forget(clkv_manager *manager, const clkv_key *keys, size_t n_keys,
                                         const uint32_t *tokens, size_t n, size_t *forgotten);

/* Forgets every cached block. BUSY: a block is used. */
CLKV_API clkv_status clkv_manager_reset(clkv_manager *manager);

/* For runtimes with kernels of their own and clear_freed. Writes to blocks[0 … room) the ids of blocks that hold
 * what a former holder wrote: freed ones, and those that a reserved batch took from the cache once its slots or
 * copies were asked for. *n gets how many. They are forgotten with that: clear them before anything else is
 * written. So after reserving: clkv_batch_get_slots and clkv_batch_get_copies, this function until it gives fewer
 * than there is room for, the clearing, the copies, the new tokens. Blocks that stay cached are not freed and not
 * named. STATE: made without clear_freed. INVALID. */
CLKV_API clkv_status clkv_manager_take_uncleared(clkv_manager *manager, uint32_t group, uint32_t *blocks,
                                                 uint32_t room, uint32_t *n);

/* Everything countable, see stats.h. Device figures stay 0 here. INVALID. */
CLKV_API clkv_status clkv_manager_get_stats(clkv_manager *manager, clkv_stats *out);

/* NULL when pool, index, sequences and batches agree (every used block's count is the number of tables
 * and batches that hold it), else a static text naming what is broken. O(everything). */
CLKV_API const char *clkv_manager_validate(clkv_manager *manager);

#ifdef __cplusplus
}
#endif
#endif
