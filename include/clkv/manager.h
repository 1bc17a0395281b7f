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
    uint32_t blocks;        /* blocks in the pool; no default here (a clkv_cache computes one from memory_bytes) */
    uint32_t block_size;    /* tokens per block: a power of two, 1 … 256; default 16 */
    uint32_t max_sequences; /* live sequences; default 256; at most 65535 */
    uint32_t max_context;   /* tokens of one sequence, at most 2^31; default: as many as the pool can hold, or 2^31
                               with a window */
    uint32_t watermark;     /* blocks that a batch leaves free for the next step; default 0 */
    uint32_t hash_bits;     /* bits of the prefix index's hashes; default 64; fewer only to test collisions */
    uint64_t hash_seed;     /* as in clkv_prefix_params; default: random */
    int event_content;      /* 1: events carry tokens and keys; default 0: events carry hashes only */
    uint64_t shuffle_seed;  /* 0: blocks are first used in order; else in a pseudo-random order, for tests */
    int clear_freed;        /* 1: blocks that hold data of an earlier holder are listed for clearing: see
                               clkv_manager_take_uncleared. A clkv_cache clears them itself */
    clkv_prefix_use prefix; /* OFF: no prefix index, for any sequence; only forks share blocks */
    uint64_t (*clock_ms)(void *user); /* monotonic milliseconds, for pins; default: the system clock */
    clkv_cache_event_fn on_event;     /* called with the lock of the manager held: must not call clkv */
    void *user;             /* for clock_ms and on_event */
    uint32_t window;        /* the model's sliding window in tokens, the token itself included. After each
                               commit, blocks that no later token sees are released. Default 0 = none */
    uint32_t max_batch_tokens; /* tokens of one batch; default 0 = no limit */
} clkv_manager_params;

/* Creates a manager. INVALID: no blocks, a block size that is no power of two, bad limits, an unknown value.
 * NO_MEMORY. */
CLKV_API clkv_status clkv_manager_create(clkv_manager **out, const clkv_manager_params *params);

/* Ends the caller's handle. After that clock_ms and on_event are not called any more, so pins no longer expire. The
 * sequences and batches of the manager keep working. The memory of the manager is freed when the last of them is
 * destroyed. */
CLKV_API void clkv_manager_destroy(clkv_manager **manager);

CLKV_API uint32_t clkv_manager_block_size(const clkv_manager *manager);
CLKV_API uint32_t clkv_manager_blocks(const clkv_manager *manager);

/* The number of blocks that a reservation could take now: free + cached − watermark, at least 0. O(1). 0 for NULL.
 * For a cache whose pool grows this counts the blocks of slabs that are not there yet, but not for a second after the
 * device has refused memory, nor once the cache is destroyed. */
CLKV_API uint32_t clkv_manager_available(clkv_manager *manager);

/* Sets *found to the number of tokens that a new sequence with these keys and tokens would find in the cache now:
 * whole blocks, and always fewer than n. Takes no block and does not change the LRU order. INVALID, NO_MEMORY. */
CLKV_API clkv_status clkv_manager_lookup(clkv_manager *manager, const clkv_key *keys, size_t n_keys,
                                         const uint32_t *tokens, size_t n, size_t *found);

/* Pins the blocks that hold the full blocks of these n tokens: while the pin lasts, they are evicted only after every
 * block of a lower priority. priority is 1 … 7; 0 unpins. ttl_ms is how long the pin lasts, 0 = for ever. Blocks that
 * are computed later are not pinned. *pinned (may be NULL) gets the number of blocks. INVALID, NO_MEMORY. */
CLKV_API clkv_status clkv_manager_pin(clkv_manager *manager, const clkv_key *keys, size_t n_keys,
                                      const uint32_t *tokens, size_t n, uint32_t priority, uint64_t ttl_ms,
                                      size_t *pinned);

/* Takes prefixes out of the index, so that no look-up finds them any more: the prefix that ends with the last full
 * block of the n tokens, and every prefix that continues it. n = 0: every prefix under these keys (all of one salt;
 * without keys, all without salt and adapter). Cached blocks of these prefixes become free. Used blocks stay with
 * their holders and become free when the last holder releases them. A sequence whose history includes such a prefix
 * keeps working, but the blocks that it computes from there on cannot be found. Rolling a batch back does not undo
 * this. *forgotten (may be NULL) gets the number of blocks. An unknown prefix is OK; then no block is forgotten.
 * O(blocks of the pool). INVALID, NO_MEMORY. */
CLKV_API clkv_status clkv_manager_forget(clkv_manager *manager, const clkv_key *keys, size_t n_keys,
                                         const uint32_t *tokens, size_t n, size_t *forgotten);

/* Frees every cached block and empties the prefix index. BUSY: a block is used. */
CLKV_API clkv_status clkv_manager_reset(clkv_manager *manager);

/* Lists the blocks to clear, for runtimes with clear_freed and kernels of their own. Writes to blocks[0 … room) the
 * ids of blocks that hold data of an earlier holder: freed blocks, and blocks that a reserved batch took from the
 * cache (once its slots or copies were asked for). *n gets the number of ids. Each id is listed once: clear the block
 * before anything else is written to it. So the order of a step is: reserve; clkv_batch_get_slots and
 * clkv_batch_get_copies; this function until *n is less than room; clear; copy; write the new tokens. Cached blocks
 * are not freed, so they are not listed. STATE: the manager was created without clear_freed. INVALID. */
CLKV_API clkv_status clkv_manager_take_uncleared(clkv_manager *manager, uint32_t group, uint32_t *blocks,
                                                 uint32_t room, uint32_t *n);

/* The statistics of stats.h. The figures of a device are 0. INVALID. */
CLKV_API clkv_status clkv_manager_get_stats(clkv_manager *manager, clkv_stats *out);

/* Checks that pool, index, sequences and batches agree: the reference count of every used block is the number of
 * tables and batches that hold it. Returns NULL, or a static text that names the broken invariant. Visits every
 * object. */
CLKV_API const char *clkv_manager_validate(clkv_manager *manager);

#ifdef __cplusplus
}
#endif
#endif
