/* pool.c: the block pool. One state word and one set of links per block.
 *
 *   word   refs << 4 | retained << 3 | priority        0 means free, so fresh zero pages are a fresh pool
 *
 *          refs > 0              used
 *          refs = 0, retained    cached, on the ring of its priority
 *          word = 0              free: on the free stack, or never used yet
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
 *   stack  the blocks that were freed, the most recent last. It is an array and not a list through `next`, so that
 *          taking many scattered blocks waits for memory once and not at each block.
 *
 * Blocks that were never used are numbers fresh … total − 1 of the order of first use. No list holds them, and their
 * memory has never been written. Invariants: total = used + cached + free; free = stacked + (total − fresh); every
 * word below `fresh` agrees with the list that its block is on. SPDX-License-Identifier: Apache-2.0 */
#include "core/pool.h"

#include "core/error.h"
#include "core/memory.h"
#include "core/params.h"
#include "core/shuffle.h"

#include <string.h>

#define ENDS       CLKV_POOL_PRIORITIES
#define RETAINED   8u
#define PRIORITY   7u
#define ONE_REF    16u
#define AHEAD      32u /* a power of two */
#define MAX_BLOCKS (1u << 31)

struct link {
    uint32_t prev, next, later;
};

struct clkv_pool {
    uint32_t *words;    /* [total] */
    struct link *links; /* [ENDS + total] */
    uint32_t total, used, cached, stacked, fresh;
    uint32_t *stack; /* [total]; the first `stacked` are in use */
    uint32_t filled; /* bit p: the ring of priority p is not empty */
    uint32_t recent[ENDS][AHEAD], appended[ENDS]; /* `appended`: the next place in `recent`, modulo AHEAD */
    uint32_t watermark, peak_used;
    uint64_t evictions, allocations;
    clkv_shuffle order; /* of first use; unused when not shuffled */
    int shuffled;
    void (*evict)(void *user, uint32_t block);
    void (*freed)(void *user, uint32_t block);
    void *user;
};

/* The size of the words, and of the stack. */
static size_t words_bytes(const clkv_pool *pool)
{
    return (size_t)pool->total * sizeof *pool->words;
}

static size_t links_bytes(const clkv_pool *pool)
{
    return ((size_t)pool->total + ENDS) * sizeof *pool->links;
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

    clkv_pool *pool = clkv_alloc(sizeof *pool);
    if (!pool) return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "%zu bytes", sizeof *pool);
    pool->total = params->blocks;
    pool->watermark = params->watermark;
    pool->shuffled = params->shuffle_seed != 0;
    clkv_shuffle_init(&pool->order, params->blocks, params->shuffle_seed);
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

static void stack_push(clkv_pool *pool, uint32_t block)
{
    pool->words[block] = 0;
    pool->stack[pool->stacked++] = block;
}

static void set_free(clkv_pool *pool, uint32_t block)
{
    stack_push(pool, block);
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

static uint32_t take_one(clkv_pool *pool)
{
    if (pool->stacked) return pool->stack[--pool->stacked];
    if (pool->fresh < pool->total) {
        const uint32_t number = pool->fresh++;
        return pool->shuffled ? clkv_shuffle_at(&pool->order, number) : number;
    }
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
        return CLKV_FAIL(CLKV_ERROR_NO_BLOCKS, "%u blocks wanted, %u available of %u", n, available, pool->total);
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t block = take_one(pool);
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
            stack_push(pool, block);
        } else {
            pool->words[block] = RETAINED | priorities[block];
            ring_prepend(pool, block, priorities[block]);
        }
    }
    pool->used -= n;
    pool->allocations -= n;
    pool->evictions -= n_evicted;
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
    const uint32_t unused = pool->total - pool->used;
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
    return CLKV_PUBLIC(CLKV_PARAMS_WRITE(out, counts));
}

/* ---- validity ---- */

/* Counts the blocks on the rings. UINT32_MAX if one of them has not the word of a cached block of that priority. */
static uint32_t count_rings(const clkv_pool *pool)
{
    uint32_t n = 0;
    for (uint32_t end = 0; end < ENDS; end++) {
        if ((pool->links[end].next != end) != (pool->filled >> end & 1)) return UINT32_MAX;
        uint32_t from = end;
        for (uint32_t at = pool->links[end].next; at != end; at = pool->links[at].next) {
            if (at < ENDS || at - ENDS >= pool->total || n == pool->total) return UINT32_MAX;
            const uint32_t later = pool->links[at].later;
            if (later && (later < ENDS || later - ENDS >= pool->total)) return UINT32_MAX;
            if (pool->links[at].prev != from || pool->words[at - ENDS] != (RETAINED | end)) return UINT32_MAX;
            from = at;
            n++;
        }
        if (pool->links[end].prev != from) return UINT32_MAX;
    }
    return n;
}

/* Checks that the stack holds blocks that were used before and are free now, each once. `seen` has a zeroed bit per
 * block. */
static int stack_is_valid(const clkv_pool *pool, unsigned char *seen)
{
    for (uint32_t i = 0; i < pool->fresh; i++) {
        const uint32_t block = pool->shuffled ? clkv_shuffle_at(&pool->order, i) : i;
        seen[block / 8] |= (unsigned char)(1u << block % 8);
    }
    for (uint32_t i = 0; i < pool->stacked; i++) {
        const uint32_t block = pool->stack[i];
        if (block >= pool->total || pool->words[block] != 0) return 0;
        if (!(seen[block / 8] & 1u << block % 8)) return 0;
        seen[block / 8] &= (unsigned char)~(1u << block % 8);
    }
    return 1;
}

const char *clkv_pool_validate(const clkv_pool *pool)
{
    if (!pool) return "pool is NULL";
    if (pool->fresh > pool->total) return "more blocks were used than there are";
    uint32_t used = 0, cached = 0, freed = 0;
    for (uint32_t i = 0; i < pool->fresh; i++) {
        const uint32_t word = pool->words[pool->shuffled ? clkv_shuffle_at(&pool->order, i) : i];
        if (word >= ONE_REF)
            used++;
        else if (word & RETAINED)
            cached++;
        else if (word == 0)
            freed++;
        else
            return "a block has a priority but is neither used nor cached";
    }
    if (used != pool->used) return "the count of used blocks is not the number of blocks with references";
    if (cached != pool->cached) return "the count of cached blocks is not the number of blocks in that state";
    if (freed != pool->stacked) return "the length of the free stack is not the number of blocks freed";
    if (used > pool->peak_used) return "more blocks are used than the peak";
    if (count_rings(pool) != cached) return "the rings of cached blocks are broken or miss a block";
    const size_t seen_bytes = pool->total / 8 + 1;
    unsigned char *seen = clkv_alloc(seen_bytes);
    if (!seen) return "no memory to check with";
    const int valid = stack_is_valid(pool, seen);
    clkv_free(seen, seen_bytes);
    return valid ? NULL : "the stack of free blocks holds a block that is not free, or one twice";
}
