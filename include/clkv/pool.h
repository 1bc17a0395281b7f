/* clkv/pool.h: the block pool. It hands out 32-bit block ids and counts references; it does not know what a
 * block holds. Most users need clkv/manager.h, which owns a pool; this header is for users who want the
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
 * Slabs. The memory of a large pool can come and go in slabs of slab_blocks blocks each (the last slab may have
 * fewer). Only blocks of open slabs are handed out. Slabs are opened and closed by the caller, who provides the memory;
 * a pool without slab_blocks has one slab, which is always open.
 *
 * Every operation on one block is O(1), even when it takes a cached block out of the middle of its list.
 * Threads: not thread-safe; one thread at a time (a clkv_manager locks its own pool). No function blocks.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_POOL_H
#define CLKV_POOL_H

#include <clkv/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct clkv_pool clkv_pool;

/* Cached blocks of priority 0 are reused first, least recently released first. Blocks of a higher priority are reused
 * only when no block of a lower priority is left. */
#define CLKV_POOL_PRIORITIES 8

/* The most slabs that a pool can have. */
#define CLKV_POOL_SLABS 32

typedef struct clkv_pool_params {
    size_t size;
    uint32_t blocks;    /* total; 1 … 2^31; no default. Memory for a block's data is used from its first use on */
    uint32_t watermark; /* blocks that clkv_pool_allocate does not take; default 0. See clkv_pool_available */
    uint64_t shuffle_seed; /* 0: first use in the order 0, 1, 2 …; else a pseudo-random order, for tests */
    /* Called when the content of a cached block is about to be lost, because an allocation takes the block or
     * clkv_pool_force_free frees it. Must not call the pool. */
    void (*evict)(void *user, uint32_t block);
    void *user;
    /* Called when a used or cached block has become free: by its last release, by clkv_pool_retain, or by
     * clkv_pool_force_free. Must not call the pool. Default none. */
    void (*freed)(void *user, uint32_t block);
    uint32_t slab_blocks; /* blocks of a slab, so that there are at most 32 slabs, all closed at first; default 0: no
                             slabs to open */
} clkv_pool_params;

typedef struct clkv_pool_counts {
    size_t size;
    uint32_t total, used, cached, free; /* `free` includes the blocks of closed slabs */
    uint32_t peak_used; /* the most blocks ever used at once */
    uint64_t evictions; /* cached blocks that allocations have taken */
    uint64_t allocations; /* blocks that clkv_pool_allocate has handed out */
    size_t host_bytes;  /* address space of the pool's own tables, used or not */
    uint32_t slabs, open_slabs;
    uint32_t open_blocks;  /* blocks of open slabs */
    uint32_t needed_slabs; /* the fewest slabs that could hold the used and cached blocks */
    uint32_t watermark;    /* as in clkv_pool_params */
} clkv_pool_counts;

/* Names an open slab of one pool. An id is never used again after its slab was closed; 0 names none. */
typedef uint64_t clkv_slab_id;

typedef struct clkv_slab_counts {
    size_t size;
    uint32_t slab;        /* its number */
    uint32_t first_block; /* its blocks are first_block … first_block + blocks − 1 */
    uint32_t blocks;
    uint32_t taken;       /* used and cached blocks */
} clkv_slab_counts;

/* Creates a pool. INVALID: no blocks, too many, more than 32 slabs, bad size. NO_MEMORY. */
CLKV_API clkv_status clkv_pool_create(clkv_pool **out, const clkv_pool_params *params);
CLKV_API void clkv_pool_destroy(clkv_pool **pool);

/* Takes n blocks, each with one reference, into out[0 … n), or none. Free blocks are taken first, those of the lowest
 * open slab before others, and in a slab the most recently freed ones, then those never used. Then cached blocks are taken: those of the lowest priority first, and among
 * these the least recently released first. n = 0 is OK. NO_BLOCKS: fewer than n are available (above the
 * watermark). */
CLKV_API clkv_status clkv_pool_allocate(clkv_pool *pool, uint32_t n, uint32_t *out);

/* Adds a reference. A cached block becomes used again (is resurrected) with its content.
 * INVALID: no such block. STATE: the block is free. LIMIT: it has 2^28 − 1 references. */
CLKV_API clkv_status clkv_pool_acquire(clkv_pool *pool, uint32_t block);

/* Takes a reference away. After the last one the block is cached if it is retained, else free.
 * INVALID: no such block. STATE: the block has no reference (double release). */
CLKV_API clkv_status clkv_pool_release(clkv_pool *pool, uint32_t block);

/* Sets whether the block stays cached (retained) or becomes free after its last release. When a cached block is no
 * longer retained it becomes free at once, without a call of evict. INVALID. STATE: the block is free. */
CLKV_API clkv_status clkv_pool_retain(clkv_pool *pool, uint32_t block, int retained);

/* Sets the priority of a block, 0 … CLKV_POOL_PRIORITIES − 1. A cached block moves to the most recent end of the list
 * of that priority. An allocation resets the priority to 0. INVALID. STATE: the block is free. */
CLKV_API clkv_status clkv_pool_set_priority(clkv_pool *pool, uint32_t block, uint32_t priority);

/* Makes the block free whatever its reference count; calls evict if the block was retained. For tearing down after a
 * fault. INVALID: no such block. STATE: the block is free already. */
CLKV_API clkv_status clkv_pool_force_free(clkv_pool *pool, uint32_t block);

/* The number of references of a block; 0 for cached and free blocks and for ids of no block. */
CLKV_API uint32_t clkv_pool_refs(const clkv_pool *pool, uint32_t block);

/* The number of blocks that clkv_pool_allocate could hand out now: free blocks of open slabs + cached − watermark, at
 * least 0. */
CLKV_API uint32_t clkv_pool_available(const clkv_pool *pool);

/* Opens slab number `slab`: its blocks are free, and none was used before. *id (may be NULL) gets its id. INVALID: no
 * such slab. STATE: it is open. */
CLKV_API clkv_status clkv_pool_open_slab(clkv_pool *pool, uint32_t slab, clkv_slab_id *id);

/* Closes a slab, so that none of its blocks is handed out. INVALID: an id of another pool. STATE: the slab was closed
 * already, even if it was opened again since; or the pool has no slab_blocks. BUSY: it has used or cached blocks. */
CLKV_API clkv_status clkv_pool_close_slab(clkv_pool *pool, clkv_slab_id id);

/* The id of slab number `slab`, or 0 if there is no such slab or it is closed. */
CLKV_API clkv_slab_id clkv_pool_slab_at(const clkv_pool *pool, uint32_t slab);

/* INVALID: an id of another pool, bad size. STATE: the slab was closed. */
CLKV_API clkv_status clkv_pool_get_slab(const clkv_pool *pool, clkv_slab_id id, clkv_slab_counts *out);

/* INVALID: pool is NULL, bad size. */
CLKV_API clkv_status clkv_pool_get_counts(const clkv_pool *pool, clkv_pool_counts *out);

/* Checks every list and count, O(total). Returns NULL when all invariants hold, else a static text that names the
 * broken invariant. */
CLKV_API const char *clkv_pool_validate(const clkv_pool *pool);

#ifdef __cplusplus
}
#endif
#endif
