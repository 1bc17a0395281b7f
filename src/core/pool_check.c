/* pool_check.c: checks a pool. SPDX-License-Identifier: Apache-2.0 */
#include "core/pool_state.h"

#include "core/memory.h"

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

/* Counts the blocks of a slab by their words, and compares the counts with the slab's own. */
static const char *check_slab(const clkv_pool *pool, uint32_t s, uint32_t *used, uint32_t *cached)
{
    const struct slab *slab = &pool->slabs[s];
    const uint32_t size = slab->size, open = pool->open >> s & 1;
    uint32_t taken = 0, freed = 0;
    if (open != (slab->generation & 1)) return "a slab is open and its generation says otherwise";
    if (!open && (slab->stacked || slab->fresh)) return "a closed slab has blocks";
    if (slab->fresh > size) return "more blocks of a slab were used than it has";
    for (uint32_t i = 0; i < slab->fresh; i++) {
        const uint32_t word = pool->words[clkv_pool_fresh_at(pool, s, i)];
        if (word && word < RETAINED) return "a block has a priority but is neither used nor cached";
        *used += word >= ONE_REF;
        *cached += word && word < ONE_REF;
        taken += word != 0;
        freed += word == 0;
    }
    if (freed != slab->stacked) return "the length of the free stack is not the number of blocks freed";
    if ((pool->roomy >> s & 1) != (open && taken < size)) return "a slab has free blocks, or none, and says otherwise";
    return NULL;
}

/* Checks that the stack of a slab holds blocks that were used before and are free now, each once. `seen` has a zeroed
 * bit per block. */
static int stack_is_valid(const clkv_pool *pool, uint32_t s, unsigned char *seen)
{
    const struct slab *slab = &pool->slabs[s];
    for (uint32_t i = 0; i < slab->fresh; i++) {
        const uint32_t block = clkv_pool_fresh_at(pool, s, i);
        seen[block / 8] |= (unsigned char)(1u << block % 8);
    }
    for (uint32_t i = 0; i < slab->stacked; i++) {
        const uint32_t block = slab->stack[i];
        if (block >= pool->total || pool->words[block] != 0) return 0;
        if (!(seen[block / 8] & 1u << block % 8)) return 0;
        seen[block / 8] &= (unsigned char)~(1u << block % 8);
    }
    return 1;
}

const char *clkv_pool_validate(const clkv_pool *pool)
{
    if (!pool) return "pool is NULL";
    uint32_t used = 0, cached = 0, open = 0;
    for (uint32_t s = 0; s < pool->n_slabs; s++) {
        const char *broken = check_slab(pool, s, &used, &cached);
        if (broken) return broken;
        if (pool->open >> s & 1) open += pool->slabs[s].size;
    }
    const uint32_t roomy = pool->roomy;
    if (pool->first != (roomy ? &pool->slabs[__builtin_ctz(roomy)] : NULL)) return "the first slab with free blocks is wrong";
    if (used != pool->used) return "the count of used blocks is not the number of blocks with references";
    if (cached != pool->cached) return "the count of cached blocks is not the number of blocks in that state";
    if (open != pool->open_blocks) return "the count of blocks in open slabs is wrong";
    if (used > pool->peak_used) return "more blocks are used than the peak";
    if (count_rings(pool) != cached) return "the rings of cached blocks are broken or miss a block";
    const size_t seen_bytes = pool->total / 8 + 1;
    unsigned char *seen = clkv_alloc(seen_bytes);
    if (!seen) return "no memory to check with";
    int valid = 1;
    for (uint32_t s = 0; s < pool->n_slabs; s++) valid = valid && stack_is_valid(pool, s, seen);
    clkv_free(seen, seen_bytes);
    return valid ? NULL : "the stack of free blocks holds a block that is not free, or one twice";
}
