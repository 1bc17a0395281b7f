/* manager.c: the public functions of the block manager: creation, look-ups, pins, reset and destruction.
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/manager.h"

#include "core/blocks.h"
#include "core/error.h"
#include "core/growth.h"
#include "core/memory.h"
#include "core/params.h"
#include "core/prefix.h"
#include "os/clock.h"

#define DEFAULT_BLOCK_SIZE    16u
#define DEFAULT_MAX_SEQUENCES 256u
#define MAX_CONTEXT           (1u << 31)
#define MAX_BLOCKS            (1u << 31) /* of a pool */

static uint64_t system_clock_ms(void *user)
{
    (void)user;
    return clkv_os_clock_ns() / 1000000;
}

/* ---- life ---- */

static uint32_t size_of(const clkv_manager_params *p)
{
    return p->block_size ? p->block_size : DEFAULT_BLOCK_SIZE;
}

clkv_status clkv_manager_check_params(const clkv_manager_params *p)
{
    const uint32_t size = size_of(p);
    if (p->blocks == 0) return CLKV_FAIL(CLKV_ERROR_INVALID, "no blocks");
    if (p->blocks > MAX_BLOCKS) return CLKV_FAIL(CLKV_ERROR_INVALID, "%u blocks are more than 2^31", p->blocks);
    if (size > 256 || (size & (size - 1)))
        return CLKV_FAIL(CLKV_ERROR_INVALID, "block_size %u is no power of two from 1 to 256", size);
    if ((uint64_t)p->blocks * size > (uint64_t)UINT32_MAX + 1)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "%u blocks of %u tokens are more than 2^32 slots", p->blocks, size);
    if (p->max_sequences > 65535)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "max_sequences %u is more than 65535", p->max_sequences);
    if (p->max_context > MAX_CONTEXT)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "max_context %u is more than 2^31", p->max_context);
    if (p->watermark >= p->blocks)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "a watermark of %u leaves none of %u blocks", p->watermark, p->blocks);
    if (p->hash_bits > 64) return CLKV_FAIL(CLKV_ERROR_INVALID, "hash_bits %u, at most 64", p->hash_bits);
    return clkv_prefix_check_use(p->prefix);
}

clkv_status clkv_manager_create_growing(clkv_manager **out, const clkv_manager_params *params,
                                           const clkv_growth_hooks *hooks)
{
    if (!out) return CLKV_FAIL(CLKV_ERROR_INVALID, "out is NULL");
    clkv_manager_params p;
    clkv_status status = CLKV_PARAMS_READ(p, params);
    if (status == CLKV_OK) status = clkv_manager_check_params(&p);
    if (status != CLKV_OK) return status;
    p.block_size = size_of(&p);
    if (p.max_sequences == 0) p.max_sequences = DEFAULT_MAX_SEQUENCES;
    const uint64_t room = (uint64_t)(p.blocks - p.watermark) * p.block_size;
    /* With a window a sequence may be longer than what the pool holds at a time. */
    if (p.max_context == 0) p.max_context = room < MAX_CONTEXT && !p.window ? (uint32_t)room : MAX_CONTEXT;
    if (!p.clock_ms) p.clock_ms = system_clock_ms;
    return clkv_blocks_create(out, &p, hooks);
}

clkv_status clkv_manager_create(clkv_manager **out, const clkv_manager_params *params)
{
    return CLKV_PUBLIC(clkv_manager_create_growing(out, params, NULL));
}

void clkv_manager_destroy(clkv_manager **manager)
{
    if (!manager || !*manager) return;
    clkv_manager *m = *manager;
    *manager = NULL;
    clkv_manager_lock(m);
    m->clock_ms = NULL;
    m->growth.hooks.open = NULL;
    clkv_prefix_stop_events(m->prefix);
    m->references--;
    clkv_manager_unlock_last(m);
}

uint32_t clkv_manager_block_size(const clkv_manager *m)
{
    return m ? m->block_size : 0;
}

uint32_t clkv_manager_available(clkv_manager *m)
{
    if (!m) return 0;
    clkv_manager_lock(m);
    const uint32_t available = clkv_growth_available(m);
    clkv_manager_unlock(m);
    return available;
}

uint32_t clkv_manager_blocks(const clkv_manager *m)
{
    return m ? m->blocks : 0;
}

/* ---- the prefix index ---- */

/* Matches into m->found. */
static clkv_status find(clkv_manager *m, const clkv_key *keys, size_t n_keys, const uint32_t *tokens, size_t n,
                        size_t *n_out)
{
    *n_out = 0;
    if (n && !tokens) return CLKV_FAIL(CLKV_ERROR_INVALID, "tokens is NULL");
    if (n_keys && !keys) return CLKV_FAIL(CLKV_ERROR_INVALID, "keys is NULL");
    if (!m->prefix || n < m->block_size) return CLKV_OK;
    clkv_prefix_node root;
    clkv_status status = clkv_blocks_reserve_found(m, n >> m->shift);
    if (status == CLKV_OK) status = clkv_prefix_root(m->prefix, keys, n_keys, &root);
    if (status != CLKV_OK) return status;
    status = clkv_blocks_match(m, root, 0, keys, n_keys, tokens, n, m->found, n_out, NULL);
    clkv_prefix_unref(m->prefix, root);
    return status;
}

clkv_status clkv_manager_lookup(clkv_manager *m, const clkv_key *keys, size_t n_keys, const uint32_t *tokens,
                                size_t n, size_t *found)
{
    if (!m || !found) return CLKV_FAIL(CLKV_ERROR_INVALID, "%s is NULL", m ? "found" : "manager");
    clkv_manager_lock(m);
    size_t blocks = 0;
    const clkv_status status = find(m, keys, n_keys, tokens, n ? n - 1 : 0, &blocks);
    if (status == CLKV_OK) *found = blocks << m->shift;
    clkv_manager_unlock(m);
    return CLKV_PUBLIC(status);
}

static clkv_status pin_locked(clkv_manager *m, const clkv_key *keys, size_t n_keys, const uint32_t *tokens,
                              size_t n, uint32_t priority, uint64_t ttl_ms, size_t *pinned)
{
    size_t blocks = 0;
    clkv_blocks_expire_pins(m);
    clkv_status status = find(m, keys, n_keys, tokens, n, &blocks);
    if (status != CLKV_OK) return status;
    uint64_t deadline = UINT64_MAX;
    if (priority && ttl_ms) {
        const uint64_t now = m->clock_ms(m->user);
        deadline = ttl_ms < UINT64_MAX - now ? now + ttl_ms : UINT64_MAX;
        status = clkv_pins_reserve(&m->pins, blocks);
        if (status != CLKV_OK) return status;
    }
    /* The tail goes first, because cached blocks of one priority are reused in this order. */
    for (size_t i = blocks; i-- > 0;) {
        clkv_pins_set(&m->pins, m->found[i], priority, deadline);
        clkv_pool_set_priority(m->pool, m->found[i], priority);
    }
    if (pinned) *pinned = blocks;
    return CLKV_OK;
}

clkv_status clkv_manager_pin(clkv_manager *m, const clkv_key *keys, size_t n_keys, const uint32_t *tokens, size_t n,
                             uint32_t priority, uint64_t ttl_ms, size_t *pinned)
{
    if (!m) return CLKV_FAIL(CLKV_ERROR_INVALID, "manager is NULL");
    if (priority >= CLKV_POOL_PRIORITIES)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "priority %u, not 0 to %d", priority, CLKV_POOL_PRIORITIES - 1);
    clkv_manager_lock(m);
    const clkv_status status = pin_locked(m, keys, n_keys, tokens, n, priority, ttl_ms, pinned);
    clkv_manager_unlock(m);
    return CLKV_PUBLIC(status);
}

clkv_status clkv_manager_reset(clkv_manager *m)
{
    if (!m) return CLKV_FAIL(CLKV_ERROR_INVALID, "manager is NULL");
    clkv_status status = CLKV_OK;
    clkv_manager_lock(m);
    clkv_pool_counts counts = CLKV_PARAMS_INIT(clkv_pool_counts);
    clkv_pool_get_counts(m->pool, &counts);
    if (counts.used) {
        status = CLKV_FAIL(CLKV_ERROR_BUSY, "%u blocks are in use", counts.used);
    } else if (m->prefix) {
        for (uint32_t block = 0; block < m->blocks; block++) {
            if (!clkv_prefix_has(m->prefix, block)) continue;
            clkv_pool_retain(m->pool, block, 0);
            clkv_pins_set(&m->pins, block, 0, 0);
        }
        clkv_prefix_reset(m->prefix);
    }
    clkv_manager_unlock(m);
    return CLKV_PUBLIC(status);
}

/* ---- clearing ---- */

static clkv_status take_uncleared(clkv_uncleared *u, uint32_t *blocks, uint32_t room, uint32_t *n)
{
    if (!clkv_uncleared_is_on(u)) return CLKV_FAIL(CLKV_ERROR_STATE, "the manager was made without clear_freed");
    *n = room < u->n ? room : u->n;
    for (uint32_t i = 0; i < *n; i++) blocks[i] = u->list[u->n - 1 - i];
    clkv_uncleared_drop_last(u, *n);
    return CLKV_OK;
}

clkv_status clkv_manager_take_uncleared(clkv_manager *m, uint32_t group, uint32_t *blocks, uint32_t room,
                                        uint32_t *n)
{
    if (!m || !n || (room && !blocks)) return CLKV_FAIL(CLKV_ERROR_INVALID, "an argument is NULL");
    clkv_status status = clkv_blocks_check_group(group);
    if (status != CLKV_OK) return CLKV_PUBLIC(status);
    clkv_manager_lock(m);
    status = take_uncleared(&m->uncleared, blocks, room, n);
    clkv_manager_unlock(m);
    return CLKV_PUBLIC(status);
}
