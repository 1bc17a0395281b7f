/* blocks.c: the blocks of a manager: keeps pool, prefix index, pins, hidden and uncleared blocks consistent. See
 * blocks.h. SPDX-License-Identifier: Apache-2.0 */
#include "core/blocks.h"

#include "core/error.h"
#include "core/memory.h"
#include "core/pool.h"

/* ---- life ---- */

static size_t hidden_bytes(const clkv_manager *m)
{
    return m->blocks / 8 + 1;
}

/* Frees a manager that has no sequences and no batches; it may be half-built. */
static void free_manager(clkv_manager *m)
{
    clkv_pool_destroy(&m->pool);
    clkv_prefix_destroy(&m->prefix);
    clkv_pins_free(&m->pins);
    clkv_uncleared_free(&m->uncleared);
    clkv_unmap(m->hidden, hidden_bytes(m));
    clkv_free(m->free_rows, m->max_sequences * sizeof *m->free_rows);
    clkv_free(m->tails, m->max_sequences * sizeof *m->tails);
    clkv_free(m->found, m->found_capacity * sizeof *m->found);
    clkv_mutex_destroy(&m->lock);
    clkv_free(m, sizeof *m);
}

void clkv_manager_unlock_last(clkv_manager *m)
{
    const int last = m->references == 0;
    clkv_manager_unlock(m);
    if (last) free_manager(m);
}

static void evict(void *user, uint32_t block)
{
    clkv_manager *m = user;
    (void)block; /* the allocation lists its evicted blocks last, in the order of these calls */
    m->evicted++;
}

static void freed(void *user, uint32_t block)
{
    clkv_manager *m = user;
    clkv_uncleared_add(&m->uncleared, block);
}

static clkv_status make_parts(clkv_manager *m, const clkv_manager_params *params)
{
    const clkv_pool_params pool = {.size = sizeof pool,
                                   .blocks = m->blocks,
                                   .watermark = params->watermark,
                                   .shuffle_seed = params->shuffle_seed,
                                   .slab_blocks = m->growth.hooks.slab_blocks,
                                   .evict = evict,
                                   .freed = params->clear_freed ? freed : NULL,
                                   .user = m};
    clkv_status status = clkv_pool_create(&m->pool, &pool);
    for (uint32_t s = 0; status == CLKV_OK && s < m->growth.hooks.open_slabs; s++)
        status = clkv_pool_open_slab(m->pool, s, NULL);
    if (status != CLKV_OK) return status;
    if (params->prefix != CLKV_PREFIX_OFF) {
        const clkv_prefix_params prefix = {.size = sizeof prefix,
                                           .blocks = m->blocks,
                                           .block_size = m->block_size,
                                           .hash_bits = params->hash_bits,
                                           .hash_seed = params->hash_seed,
                                           .event_content = params->event_content,
                                           .wipe_tokens = params->clear_freed,
                                           .on_event = params->on_event,
                                           .user = params->user};
        status = clkv_prefix_create(&m->prefix, &prefix);
        if (status != CLKV_OK) return status;
    }
    status = clkv_pins_init(&m->pins, m->blocks);
    if (status == CLKV_OK && params->clear_freed) status = clkv_uncleared_init(&m->uncleared, m->blocks);
    if (status != CLKV_OK) return status;
    m->hidden = clkv_map(hidden_bytes(m));
    m->free_rows = clkv_alloc(m->max_sequences * sizeof *m->free_rows);
    m->tails = clkv_alloc(m->max_sequences * sizeof *m->tails);
    if (!m->hidden || !m->free_rows || !m->tails)
        return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "tables of %u blocks and %u sequences", m->blocks, m->max_sequences);
    for (uint32_t row = m->max_sequences; row-- > 0;) m->free_rows[m->n_free_rows++] = row;
    return CLKV_OK;
}

clkv_status clkv_blocks_create(clkv_manager **out, const clkv_manager_params *params, const clkv_growth_hooks *hooks)
{
    clkv_manager *m = clkv_alloc(sizeof *m);
    if (!m) return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "a manager");
    clkv_mutex_init(&m->lock);
    m->references = 1;
    m->blocks = params->blocks;
    m->block_size = params->block_size;
    while (1u << m->shift < m->block_size) m->shift++;
    m->max_sequences = params->max_sequences;
    m->max_context = params->max_context;
    m->max_batch_tokens = params->max_batch_tokens;
    m->window = params->window;
    m->clock_ms = params->clock_ms;
    m->user = params->user;
    if (hooks) m->growth.hooks = *hooks;
    const clkv_status status = make_parts(m, params);
    if (status != CLKV_OK) {
        free_manager(m);
        return status;
    }
    *out = m;
    return CLKV_OK;
}

clkv_status clkv_blocks_check_group(uint32_t group)
{
    return group == 0 ? CLKV_OK : CLKV_FAIL(CLKV_ERROR_INVALID, "layer group %u of 1", group);
}

uint64_t clkv_blocks_host_bytes(const clkv_manager *m)
{
    clkv_pool_counts pool = CLKV_PARAMS_INIT(clkv_pool_counts);
    clkv_prefix_counts prefix = CLKV_PARAMS_INIT(clkv_prefix_counts);
    clkv_pool_get_counts(m->pool, &pool);
    if (m->prefix) clkv_prefix_get_counts(m->prefix, &prefix);
    return pool.host_bytes + prefix.host_bytes + clkv_pins_bytes(&m->pins) + hidden_bytes(m) +
           clkv_uncleared_bytes(&m->uncleared);
}

/* ---- the prefix index ---- */

void clkv_blocks_drop(clkv_manager *m, const uint32_t *blocks, uint32_t n)
{
    if (n == 0) return; /* without an index no block was ever cached */
    clkv_prefix_drop_all(m->prefix, blocks, n);
    for (uint32_t i = 0; i < n; i++) clkv_pins_set(&m->pins, blocks[i], 0, 0);
}

void clkv_blocks_expire_pins(clkv_manager *m)
{
    if (m->pins.n == 0 || !m->clock_ms) return;
    const uint64_t now = m->clock_ms(m->user);
    uint32_t block;
    while ((block = clkv_pins_expire(&m->pins, now)) != CLKV_NO_BLOCK) {
        /* A hidden block is reserved now. A rollback will read its priority, 0 then, from the pins. */
        if (!clkv_blocks_is_hidden(m, block)) clkv_pool_set_priority(m->pool, block, 0);
    }
}

clkv_status clkv_blocks_match(clkv_manager *m, clkv_prefix_node from, uint64_t position, const clkv_key *keys,
                              size_t n_keys, const uint32_t *tokens, size_t n, uint32_t *out, size_t *n_out,
                              clkv_prefix_node *node)
{
    size_t found = 0;
    clkv_prefix_node last = from;
    const clkv_status status =
        clkv_prefix_match(m->prefix, from, position, keys, n_keys, tokens, n, out, &found, &last);
    if (status != CLKV_OK) return status;
    for (size_t i = 0; i < found; i++) {
        if (!clkv_blocks_is_hidden(m, out[i])) continue;
        found = i;
        last = i ? clkv_prefix_node_of(m->prefix, out[i - 1]) : from;
    }
    *n_out = found;
    if (node) *node = last;
    return CLKV_OK;
}

clkv_status clkv_blocks_reserve_found(clkv_manager *m, size_t n)
{
    void *found = m->found;
    if (clkv_grow(&found, &m->found_capacity, n, sizeof *m->found))
        return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "a lookup of %zu blocks", n);
    m->found = found;
    return CLKV_OK;
}

/* ---- clearing ---- */

static int is_free(const clkv_manager *m, uint32_t block)
{
    return !clkv_pool_refs(m->pool, block) && !clkv_blocks_is_registered(m, block);
}

void clkv_blocks_unclear_free(clkv_manager *m, const uint32_t *blocks, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (is_free(m, blocks[i]) && clkv_pool_is_open(m->pool, blocks[i])) clkv_uncleared_add(&m->uncleared, blocks[i]);
}

void clkv_blocks_unclear_all(clkv_manager *m)
{
    for (uint32_t block = 0; block < m->blocks; block++)
        if (!is_free(m, block)) clkv_uncleared_add(&m->uncleared, block);
}
