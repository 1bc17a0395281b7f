/* growth.c: opens and closes slabs; see growth.h. SPDX-License-Identifier: Apache-2.0 */
#include "core/growth.h"

#include "core/log.h"
#include "core/params.h"

/* For so long after a refusal the blocks of closed slabs do not count as available. Then a caller who asks what is
 * available before it reserves may try again. */
#define REFUSED_MS 1000u

static clkv_pool_counts counts_of(const clkv_manager *m)
{
    clkv_pool_counts counts = CLKV_PARAMS_INIT(clkv_pool_counts);
    clkv_pool_get_counts(m->pool, &counts);
    return counts;
}

/* A slab that is closed and that nobody is opening, or -1. */
static int next_closed(const clkv_manager *m, uint32_t slabs)
{
    for (uint32_t s = 0; s < slabs; s++)
        if (!clkv_pool_slab_at(m->pool, s) && !(m->growth.opening >> s & 1)) return (int)s;
    return -1;
}

uint32_t clkv_growth_available(const clkv_manager *m)
{
    const uint32_t now = clkv_pool_available(m->pool);
    if (!m->growth.hooks.open) return now;
    if (m->growth.refused && (!m->clock_ms || m->clock_ms(m->user) - m->growth.refused_ms < REFUSED_MS)) return now;
    const clkv_pool_counts c = counts_of(m);
    const uint32_t unused = c.total - c.used;
    return unused > c.watermark ? unused - c.watermark : 0;
}

int clkv_growth_has_room(const clkv_manager *m, uint64_t n)
{
    if (!m->growth.hooks.open) return 1;
    const clkv_pool_counts c = counts_of(m);
    return n <= clkv_pool_available(m->pool) && n <= c.open_blocks - c.used - c.cached;
}

static int is_refusal(clkv_status status)
{
    return status == CLKV_ERROR_DEVICE_MEMORY || status == CLKV_ERROR_NO_MEMORY;
}

/* A refusal is OK too: m->growth.refused says so. */
static clkv_status open_one(clkv_manager *m, uint32_t slab)
{
    const clkv_growth_hooks hooks = m->growth.hooks;
    const int known = m->growth.refused;
    m->growth.opening |= 1u << slab;
    clkv_manager_unlock(m);
    const clkv_status status = hooks.open(hooks.user, slab);
    if (is_refusal(status) && !known) /* the caller's function for log lines may wait */
        clkv_log(CLKV_LOG_WARNING, "no memory for slab %u, the pool goes on with what it has: %s", (unsigned)slab,
                 clkv_last_error()->message);
    clkv_manager_lock(m);
    m->growth.opening &= ~(1u << slab);
    if (status == CLKV_OK) clkv_pool_open_slab(m->pool, slab, NULL);
    m->growth.refused = status != CLKV_OK;
    if (status != CLKV_OK && m->clock_ms) m->growth.refused_ms = m->clock_ms(m->user);
    return is_refusal(status) ? CLKV_OK : status;
}

clkv_status clkv_growth_make_room(clkv_manager *m, uint64_t n)
{
    const clkv_pool_counts c = counts_of(m);
    if (n + c.used + c.watermark > c.total) return CLKV_OK;
    while (!clkv_growth_has_room(m, n)) {
        const int slab = next_closed(m, c.slabs);
        if (slab < 0) return CLKV_OK;
        const clkv_status status = open_one(m, (uint32_t)slab);
        if (status != CLKV_OK || m->growth.refused) return status;
    }
    return CLKV_OK;
}

static int is_empty(const clkv_manager *m, uint32_t slab)
{
    clkv_slab_counts counts = CLKV_PARAMS_INIT(clkv_slab_counts);
    const clkv_slab_id id = clkv_pool_slab_at(m->pool, slab);
    return id && clkv_pool_get_slab(m->pool, id, &counts) == CLKV_OK && counts.taken == 0;
}

/* Blocks that are listed for clearing must be cleared while their memory is there. */
static int may_close(const clkv_manager *m)
{
    return m->growth.hooks.open && m->uncleared.n == 0;
}

static int close_highest(clkv_manager *m, uint32_t slabs)
{
    for (uint32_t s = slabs; s-- > 0;) {
        if (!is_empty(m, s)) continue;
        clkv_pool_close_slab(m->pool, clkv_pool_slab_at(m->pool, s));
        m->growth.hooks.close(m->growth.hooks.user, s);
        m->growth.refused = 0; /* there is memory again */
        return 1;
    }
    return 0;
}

uint32_t clkv_growth_close_down_to(clkv_manager *m, uint32_t n)
{
    if (!may_close(m)) return 0;
    const clkv_pool_counts c = counts_of(m);
    uint32_t closed = 0;
    while (c.open_slabs - closed > (n ? n : 1) && close_highest(m, c.slabs)) closed++;
    return closed;
}

uint32_t clkv_growth_close_empty(clkv_manager *m, uint32_t spare)
{
    if (!may_close(m)) return 0;
    const clkv_pool_counts c = counts_of(m);
    if (c.open_slabs <= c.needed_slabs + spare) return 0; /* at most so many are empty */
    uint32_t empty = 0;
    for (uint32_t s = 0; s < c.slabs; s++) empty += (uint32_t)is_empty(m, s);
    return empty > spare ? clkv_growth_close_down_to(m, c.open_slabs - (empty - spare)) : 0;
}
