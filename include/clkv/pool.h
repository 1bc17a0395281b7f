/* clkv/pool.h: the block pool. Hands out 32-bit block ids and counts references; knows nothing of what
 * a block holds. Most users need clkv/manager.h, which owns a pool; this one is for those who want the
 * allocator alone.
 *
 *            allocate                    release to 0, nothing findable
 *   free ───────────────▶ used (refs ≥ 1) ───────────────▶ free
 *    ▲                     ▲        │ release to 0, retained
 *    │ evict, force_free   │acquire ▼
 *    └───────────────────── cached (refs 0, content intact)
 *
 * Invariants: free + cached + used = total; a block is in exactly one state; cached blocks are on the
 * list of their priority, least recently released first.
 *
 * Every operation on one block is O(1), also taking a cached block out of the middle of its list.
 * Not thread-safe: one thread at a time (clkv_manager locks its own).
 * Never blocks. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_POOL_H
#define CLKV_POOL_H

#include <clkv/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct clkv_pool clkv_pool;

/* Cached blocks of priority 0 are plain LRU and reused first; those of a higher priority only when no
 * lower one is left. */
#define CLKV_POOL_PRIORITIES 8

typedef struct clkv_pool_params {
    size_t size;
    uint32_t blocks;    /* total; 1 … 2^31; no default. Memory is touched only as blocks are first used */
    uint32_t watermark; /* blocks that clkv_pool_allocate leaves alone; default 0. See clkv_pool_available */
    uint64_t shuffle_seed; /* 0: first use in the order 0, 1, 2 …; else a pseudo-random order, for tests */
    /* Called when a cached block's content is about to be lost: it is taken by an allocation, or
     * forced free. Must not call the pool. */
    void (*evict)(void *user, uint32_t block);
    void *user;
    /* Called when a block that was used or cached has become free: by its last release, when it is no longer
     * retained, or by force. Must not call the pool. Default none. */
    void (*freed)(void *user, uint32_t block);
} clkv_pool_params;

typedef struct clkv_pool_counts {
    uint32_t total, used, cached, free;
    uint32_t peak_used; /* the most blocks ever used at once */
    uint64_t evictions; /* cached blocks that an allocation took */
    uint64_t allocations; /* blocks handed out by allocate */
    size_t host_bytes;  /* address space of the pool's own tables, all of it, touched or not */
} clkv_pool_counts;

/* INVALID: no blocks, too many, bad size. NO_MEMORY. */
CLKV_API clkv_status clkv_pool_create(clkv_pool **out, const clkv_pool_params *params);
CLKV_API void clkv_pool_destroy(clkv_pool **pool);

/* Takes n blocks, each with one reference, into out[0 … n): free ones first (the most recently freed
 * before those never used), then cached ones, lowest
 * priority first and least recently released first. All or nothing. n = 0 is OK.
 * NO_BLOCKS: fewer than n are available (above the watermark). */
CLKV_API clkv_status clkv_pool_allocate(clkv_pool *pool, uint32_t n, uint32_t *out);

/* One more reference; a cached block becomes used again (is resurrected), content intact.
 * INVALID: no such block. STATE: the block is free. LIMIT: it has 2^28 − 1 references. */
CLKV_API clkv_status clkv_pool_acquire(clkv_pool *pool, uint32_t block);

/* One reference less. The last one makes the block cached when it is retained, else free.
 * INVALID: no such block. STATE: nobody holds it (double release). */
CLKV_API clkv_status clkv_pool_release(clkv_pool *pool, uint32_t block);

/* Whether the block, once nobody holds it, stays cached (content findable) or becomes free. Turning it
 * off on a cached block frees it at once, without calling evict. INVALID; STATE: the block is free. */
CLKV_API clkv_status clkv_pool_retain(clkv_pool *pool, uint32_t block, int retained);

/* The priority of a block, 0 … CLKV_POOL_PRIORITIES − 1; a cached block moves to the recent end of its
 * new list (0 → plain LRU). Allocation resets it to 0. INVALID; STATE: the block is free. */
CLKV_API clkv_status clkv_pool_set_priority(clkv_pool *pool, uint32_t block, uint32_t priority);

/* Makes the block free whatever its reference count; calls evict when it was retained. For tearing down
 * after a fault. INVALID: no such block. STATE: it is free already. */
CLKV_API clkv_status clkv_pool_force_free(clkv_pool *pool, uint32_t block);

/* References held on a block; 0 for cached, free and foreign ids. */
CLKV_API uint32_t clkv_pool_refs(const clkv_pool *pool, uint32_t block);

/* Blocks that allocate could hand out now: free + cached − watermark, at least 0. */
CLKV_API uint32_t clkv_pool_available(const clkv_pool *pool);

CLKV_API void clkv_pool_get_counts(const clkv_pool *pool, clkv_pool_counts *out);

/* Walks every list and count, O(total). NULL when all invariants hold, else a static text naming the
 * one that is broken. */
CLKV_API const char *clkv_pool_validate(const clkv_pool *pool);

#ifdef __cplusplus
}
#endif
#endif
