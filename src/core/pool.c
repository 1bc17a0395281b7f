/* pool.c: the block pool: allocation, references, cached blocks. pool_state.h has the data structures and a drawing.
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/pool.h"

#include "core/error.h"
#include "core/memory.h"
#include "core/params.h"
#include "core/pool_state.h"

#include <stdatomic.h>
#include <string.h>

#define MAX_BLOCKS (1u << 31)

/* The size of the words, and of the stack. */
static size_t words_bytes(const clkv_pool *pool)
{
    return (size_t)pool->total * sizeof *pool->words;
}

static size_t links_bytes(const clkv_pool *pool)
{
    return ((size_t)pool->total + ENDS) * sizeof *pool->links;
}

/* Divides a new pool into slabs, all closed; a pool without slabs has a single one, which is open. */
static void set_slabs(clkv_pool *pool, const clkv_pool_params *params)
{
    static atomic_uint last_tag;
    pool->tag = atomic_fetch_add(&last_tag, 1) + 1;
    pool->slab_blocks = params->slab_blocks && params->slab_blocks < pool->total ? params->slab_blocks : pool->total;
    pool->n_slabs = (pool->total - 1) / pool->slab_blocks + 1;
    clkv_shuffle_init(&pool->order, pool->slab_blocks, params->shuffle_seed);
    for (uint32_t s = 0; s < pool->n_slabs; s++) pool->slabs[s].size = pool->slab_blocks;
    struct slab *last = &pool->slabs[pool->n_slabs - 1];
    last->size = pool->total - (pool->n_slabs - 1) * pool->slab_blocks;
    clkv_shuffle_init(&pool->last_order, last->size, params->shuffle_seed);
    pool->undivided = !params->slab_blocks;
    if (!pool->undivided) return;
    pool->slabs[0].generation = 1;
    pool->open = 1;
    pool->open_blocks = pool->total;
    clkv_pool_set_roomy(pool, 0, 1);
}

clkv_status clkv_pool_create(clkv_pool **out, const clkv_pool_params *params)
{
    if (!out) return CLKV_FAIL(CLKV_ERROR_INVALID, "out is NULL");
    clkv_pool_params own;
    const clkv_status status = CLKV_PARAMS_READ(own, params);
    if (status != CLKV_OK) return CLKV_PUBLIC(status);
    params = &own;
    if (params->blocks == 0 || params->blocks > MAX_BLOCKS)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "%u blocks, not 1 to 2^31", params->blocks);
    if (params->slab_blocks && (params->blocks - 1) / params->slab_blocks >= CLKV_POOL_SLABS)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "%u blocks in slabs of %u are more than %d slabs", params->blocks,
                         params->slab_blocks, CLKV_POOL_SLABS);

    clkv_pool *pool = clkv_alloc(sizeof *pool);
    if (!pool) return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "%zu bytes", sizeof *pool);
    pool->total = params->blocks;
    pool->watermark = params->watermark;
    pool->shuffled = params->shuffle_seed != 0;
    set_slabs(pool, params);
    pool->evict = params->evict;
    pool->freed = params->freed;
    pool->user = params->user;
    pool->words = clkv_map(words_bytes(pool));
    pool->links = clkv_map(links_bytes(pool));
    pool->stack = clkv_map(words_bytes(pool));
    if (!pool->words || !pool->links || !pool->stack) {
        clkv_pool_destroy(&pool);
        return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "tables of %u blocks", params->blocks);
    }
    for (uint32_t s = 0; s < pool->n_slabs; s++) pool->slabs[s].stack = pool->stack + (size_t)s * pool->slab_blocks;
    for (uint32_t end = 0; end < ENDS; end++) pool->links[end] = (struct link){end, end, 0};
    *out = pool;
    return CLKV_OK;
}

void clkv_pool_destroy(clkv_pool **pool)
{
    if (!pool || !*pool) return;
    clkv_unmap((*pool)->words, words_bytes(*pool));
    clkv_unmap((*pool)->links, links_bytes(*pool));
    clkv_unmap((*pool)->stack, words_bytes(*pool));
    clkv_free(*pool, sizeof **pool);
    *pool = NULL;
}

/* ---- the lists ---- */

static void ring_append(clkv_pool *pool, uint32_t block, uint32_t priority)
{
    struct link *links = pool->links;
    const uint32_t entry = block + ENDS, newest = links[priority].prev;
    uint32_t *recent = &pool->recent[priority][pool->appended[priority]++ % AHEAD];
    links[*recent].later = entry; /* at first *recent is 0, an end, whose `later` is not read */
    *recent = entry;
    links[entry] = (struct link){newest, priority, 0};
    links[newest].next = entry;
    links[priority].prev = entry;
    pool->filled |= 1u << priority;
    pool->cached++;
}

/* Undoes the removal of a block from its ring; its `later` is still right. */
static void ring_prepend(clkv_pool *pool, uint32_t block, uint32_t priority)
{
    struct link *links = pool->links;
    const uint32_t entry = block + ENDS, oldest = links[priority].next;
    links[entry].prev = priority;
    links[entry].next = oldest;
    links[oldest].prev = entry;
    links[priority].next = entry;
    pool->filled |= 1u << priority;
    pool->cached++;
}

static void ring_remove(clkv_pool *pool, uint32_t block, uint32_t priority)
{
    struct link *links = pool->links;
    const struct link at = links[block + ENDS];
    links[at.prev].next = at.next;
    links[at.next].prev = at.prev;
    /* Both neighbours are the end itself only when the ring has become empty. */
    if (at.prev == at.next) pool->filled &= ~(1u << priority);
    pool->cached--;
}

static void set_free(clkv_pool *pool, uint32_t block)
{
    clkv_pool_put_free(pool, block);
    if (pool->freed) pool->freed(pool->user, block);
}

/* The least recently released block of the lowest priority whose ring is not empty. */
static uint32_t ring_oldest(const clkv_pool *pool)
{
    return pool->links[__builtin_ctz(pool->filled)].next - ENDS;
}

/* ---- operations ---- */

static int is_foreign(const clkv_pool *pool, uint32_t block)
{
    return !pool || block >= pool->total;
}

#define CHECK_BLOCK(pool, block)                                                                                   \
    do {                                                                                                           \
        if (is_foreign(pool, block)) return CLKV_FAIL(CLKV_ERROR_INVALID, "no such block: %u", block);             \
    } while (0)

/* The same check, and the block must not be free. */
#define CHECK_NOT_FREE(pool, block)                                                                                \
    do {                                                                                                           \
        CHECK_BLOCK(pool, block);                                                                                  \
        if ((pool)->words[block] == 0) return CLKV_FAIL(CLKV_ERROR_STATE, "block %u is free", block);              \
    } while (0)

static uint32_t evict_one(clkv_pool *pool)
{
    const uint32_t block = ring_oldest(pool), later = pool->links[block + ENDS].later;
    ring_remove(pool, block, pool->words[block] & PRIORITY);
    if (later) {
        __builtin_prefetch(&pool->links[later].prev, 1); /* a link may cross a cache line */
        __builtin_prefetch(&pool->links[later].later, 1);
        __builtin_prefetch(&pool->words[later - ENDS], 1);
    }
    pool->evictions++;
    if (pool->evict) pool->evict(pool->user, block);
    return block;
}

clkv_status clkv_pool_allocate(clkv_pool *pool, uint32_t n, uint32_t *out)
{
    if (!pool || (n && !out)) return CLKV_FAIL(CLKV_ERROR_INVALID, "%s is NULL", pool ? "out" : "pool");
    const uint32_t available = clkv_pool_available(pool);
    if (n > available)
        return CLKV_FAIL(CLKV_ERROR_NO_BLOCKS, "%u blocks wanted, %u available of %u", n, available,
                         pool->open_blocks);
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t block = pool->first ? clkv_pool_take_free(pool, pool->first) : evict_one(pool);
        pool->words[block] = ONE_REF;
        out[i] = block;
    }
    pool->used += n;
    pool->allocations += n;
    if (pool->used > pool->peak_used) pool->peak_used = pool->used;
    return CLKV_OK;
}

void clkv_pool_undo(clkv_pool *pool, const uint32_t *blocks, uint32_t n, uint32_t n_evicted,
                    const uint8_t *priorities)
{
    /* In reverse, because the block that was taken last was the deepest on the stack. */
    for (uint32_t i = n; i-- > 0;) {
        const uint32_t block = blocks[i];
        if (i < n - n_evicted) {
            clkv_pool_put_free(pool, block);
        } else {
            pool->words[block] = RETAINED | priorities[block];
            ring_prepend(pool, block, priorities[block]);
        }
    }
    pool->used -= n;
    pool->allocations -= n;
    pool->evictions -= n_evicted;
}

uint32_t clkv_pool_drop_cached(clkv_pool *pool, uint32_t n, uint32_t *out)
{
    uint32_t dropped = 0;
    for (; dropped < n && pool->filled; dropped++) {
        const uint32_t block = out[dropped] = ring_oldest(pool);
        ring_remove(pool, block, pool->words[block] & PRIORITY);
        set_free(pool, block);
    }
    return dropped;
}

clkv_status clkv_pool_acquire(clkv_pool *pool, uint32_t block)
{
    CHECK_NOT_FREE(pool, block);
    const uint32_t word = pool->words[block];
    if (word > UINT32_MAX - ONE_REF)
        return CLKV_FAIL(CLKV_ERROR_LIMIT, "block %u has %u references", block, word / ONE_REF);
    if (word < ONE_REF) {
        ring_remove(pool, block, word & PRIORITY);
        if (++pool->used > pool->peak_used) pool->peak_used = pool->used;
    }
    pool->words[block] = word + ONE_REF;
    return CLKV_OK;
}

clkv_status clkv_pool_release(clkv_pool *pool, uint32_t block)
{
    CHECK_BLOCK(pool, block);
    const uint32_t word = pool->words[block];
    if (word < ONE_REF) return CLKV_FAIL(CLKV_ERROR_STATE, "nobody holds block %u", block);
    pool->words[block] = word - ONE_REF;
    if (word - ONE_REF >= ONE_REF) return CLKV_OK;
    pool->used--;
    if (word & RETAINED)
        ring_append(pool, block, word & PRIORITY);
    else
        set_free(pool, block);
    return CLKV_OK;
}

clkv_status clkv_pool_retain(clkv_pool *pool, uint32_t block, int retained)
{
    CHECK_NOT_FREE(pool, block);
    const uint32_t word = pool->words[block];
    if (retained) {
        pool->words[block] = word | RETAINED;
    } else if (word >= ONE_REF) {
        pool->words[block] = word & ~RETAINED;
    } else {
        ring_remove(pool, block, word & PRIORITY);
        set_free(pool, block);
    }
    return CLKV_OK;
}

clkv_status clkv_pool_set_priority(clkv_pool *pool, uint32_t block, uint32_t priority)
{
    CHECK_NOT_FREE(pool, block);
    if (priority >= CLKV_POOL_PRIORITIES)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "priority %u, not 0 to %u", priority, CLKV_POOL_PRIORITIES - 1);
    const uint32_t word = pool->words[block];
    pool->words[block] = (word & ~PRIORITY) | priority;
    if (word < ONE_REF) {
        ring_remove(pool, block, word & PRIORITY);
        ring_append(pool, block, priority);
    }
    return CLKV_OK;
}

clkv_status clkv_pool_force_free(clkv_pool *pool, uint32_t block)
{
    CHECK_NOT_FREE(pool, block);
    const uint32_t word = pool->words[block];
    if (word >= ONE_REF)
        pool->used--;
    else
        ring_remove(pool, block, word & PRIORITY);
    if ((word & RETAINED) && pool->evict) pool->evict(pool->user, block);
    set_free(pool, block);
    return CLKV_OK;
}

uint32_t clkv_pool_refs(const clkv_pool *pool, uint32_t block)
{
    return is_foreign(pool, block) ? 0 : pool->words[block] / ONE_REF;
}

uint32_t clkv_pool_available(const clkv_pool *pool)
{
    if (!pool) return 0;
    const uint32_t unused = pool->open_blocks - pool->used;
    return unused > pool->watermark ? unused - pool->watermark : 0;
}

clkv_status clkv_pool_get_counts(const clkv_pool *pool, clkv_pool_counts *out)
{
    if (!pool) return CLKV_FAIL(CLKV_ERROR_INVALID, "pool is NULL");
    clkv_pool_counts counts;
    memset(&counts, 0, sizeof counts); /* its padding too, so that callers may compare bytes */
    counts.size = sizeof counts;
    counts.total = pool->total;
    counts.used = pool->used;
    counts.cached = pool->cached;
    counts.free = pool->total - pool->used - pool->cached;
    counts.peak_used = pool->peak_used;
    counts.evictions = pool->evictions;
    counts.allocations = pool->allocations;
    counts.host_bytes = sizeof *pool + 2 * words_bytes(pool) + links_bytes(pool);
    counts.slabs = pool->n_slabs;
    counts.open_slabs = (uint32_t)__builtin_popcount(pool->open);
    counts.open_blocks = pool->open_blocks;
    counts.watermark = pool->watermark;
    counts.needed_slabs = (pool->used + pool->cached + pool->slab_blocks - 1) / pool->slab_blocks;
    return CLKV_PUBLIC(CLKV_PARAMS_WRITE(out, counts));
}
