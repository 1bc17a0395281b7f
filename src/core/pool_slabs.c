/* pool_slabs.c: the slabs of a pool: opening, closing, and moving blocks between them. pool_state.h has a drawing.
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/pool.h"

#include "core/error.h"
#include "core/params.h"
#include "core/pool_state.h"

#include <string.h>

/* ---- ids: tag of the pool (24 bits), slab (8), generation (32) ---- */

static clkv_slab_id id_of(const clkv_pool *pool, uint32_t slab)
{
    return (uint64_t)(pool->tag & 0xffffff) << 40 | (uint64_t)slab << 32 | pool->slabs[slab].generation;
}

clkv_status clkv_pool_find_slab(const clkv_pool *pool, clkv_slab_id id, uint32_t *slab)
{
    const uint32_t index = (uint32_t)(id >> 32) & 0xff;
    if (id >> 40 != (pool->tag & 0xffffff) || index >= pool->n_slabs)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "slab id %#llx is not of this pool", (unsigned long long)id);
    if (!(pool->open >> index & 1) || (uint32_t)id != pool->slabs[index].generation)
        return CLKV_FAIL(CLKV_ERROR_STATE, "slab %u was closed after this id was made", (unsigned)index);
    *slab = index;
    return CLKV_OK;
}

/* ---- opening and closing ---- */

static clkv_status open_slab(clkv_pool *pool, uint32_t slab, clkv_slab_id *id)
{
    if (!pool) return CLKV_FAIL(CLKV_ERROR_INVALID, "pool is NULL");
    if (slab >= pool->n_slabs)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "slab %u of %u", (unsigned)slab, (unsigned)pool->n_slabs);
    if (pool->open >> slab & 1) return CLKV_FAIL(CLKV_ERROR_STATE, "slab %u is open", (unsigned)slab);
    pool->slabs[slab].generation++;
    pool->open |= 1u << slab;
    clkv_pool_set_roomy(pool, slab, 1);
    pool->open_blocks += pool->slabs[slab].size;
    if (id) *id = id_of(pool, slab);
    return CLKV_OK;
}

clkv_status clkv_pool_open_slab(clkv_pool *pool, uint32_t slab, clkv_slab_id *id)
{
    return CLKV_PUBLIC(open_slab(pool, slab, id));
}

static clkv_status close_slab(clkv_pool *pool, clkv_slab_id id)
{
    if (!pool) return CLKV_FAIL(CLKV_ERROR_INVALID, "pool is NULL");
    uint32_t slab = 0;
    const clkv_status st = clkv_pool_find_slab(pool, id, &slab);
    if (st != CLKV_OK) return st;
    if (pool->undivided) return CLKV_FAIL(CLKV_ERROR_STATE, "a pool without slab_blocks keeps its slab");
    struct slab *at = &pool->slabs[slab];
    const uint32_t taken = clkv_pool_taken(at);
    if (taken) return CLKV_FAIL(CLKV_ERROR_BUSY, "slab %u has %u used and cached blocks", (unsigned)slab, (unsigned)taken);
    at->stacked = at->fresh = 0;
    at->generation++;
    pool->open &= ~(1u << slab);
    clkv_pool_set_roomy(pool, slab, 0);
    pool->open_blocks -= pool->slabs[slab].size;
    return CLKV_OK;
}

clkv_status clkv_pool_close_slab(clkv_pool *pool, clkv_slab_id id)
{
    return CLKV_PUBLIC(close_slab(pool, id));
}

clkv_slab_id clkv_pool_slab_at(const clkv_pool *pool, uint32_t slab)
{
    return pool && slab < pool->n_slabs && pool->open >> slab & 1 ? id_of(pool, slab) : 0;
}

int clkv_pool_is_open(const clkv_pool *pool, uint32_t block)
{
    return (int)(pool->open >> clkv_pool_slab_of(pool, block) & 1);
}

static clkv_status get_slab(const clkv_pool *pool, clkv_slab_id id, clkv_slab_counts *out)
{
    if (!pool) return CLKV_FAIL(CLKV_ERROR_INVALID, "pool is NULL");
    uint32_t slab = 0;
    const clkv_status st = clkv_pool_find_slab(pool, id, &slab);
    if (st != CLKV_OK) return st;
    clkv_slab_counts counts;
    memset(&counts, 0, sizeof counts);
    counts.size = sizeof counts;
    counts.slab = slab;
    counts.first_block = slab * pool->slab_blocks;
    counts.blocks = pool->slabs[slab].size;
    counts.taken = clkv_pool_taken(&pool->slabs[slab]);
    return CLKV_PARAMS_WRITE(out, counts);
}

clkv_status clkv_pool_get_slab(const clkv_pool *pool, clkv_slab_id id, clkv_slab_counts *out)
{
    return CLKV_PUBLIC(get_slab(pool, id, out));
}

/* ---- moving blocks ---- */

uint32_t clkv_pool_next_free(const clkv_pool *pool, uint32_t slab, uint32_t n)
{
    const struct slab *at = &pool->slabs[slab];
    return n < at->stacked ? at->stack[at->stacked - 1 - n]
                           : clkv_pool_fresh_at(pool, slab, at->fresh + n - at->stacked);
}

uint32_t clkv_pool_move(clkv_pool *pool, uint32_t from, uint32_t slab)
{
    const uint32_t to = clkv_pool_take_free(pool, &pool->slabs[slab]), word = pool->words[from];
    pool->words[to] = word;
    if (word < ONE_REF) { /* cached: `to` gets the place of `from` in its ring */
        struct link *links = pool->links;
        const struct link at = links[from + ENDS];
        links[to + ENDS] = at;
        links[at.prev].next = to + ENDS;
        links[at.next].prev = to + ENDS;
    }
    clkv_pool_put_free(pool, from);
    return to;
}
