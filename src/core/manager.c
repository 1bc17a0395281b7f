/* manager.c: the block manager: ties pool, prefix index, sequences and batches together.
 * SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */
#include "core/manager.h"

#include "core/batch.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/stats.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DEFAULT_BLOCK_SIZE    16u
#define DEFAULT_MAX_SEQUENCES 256u
#define MAX_CONTEXT           (1u << 31)
#define MAX_BLOCKS            (1u << 31) /* of a pool */

static uint64_t system_clock_ms(void *user)
{
    (void)user;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- life ---- */

static size_t hidden_bytes(const clkv_manager *m)
{
    return m->blocks / 8 + 1;
}

static void evict(void *user, uint32_t block)
{
    clkv_manager *m = user;
    (void)block; /* the last ones of the batch's fresh blocks, in this order */
    m->reserving->n_evicted++;
}

static void freed(void *user, uint32_t block)
{
    clkv_manager *m = user;
    clkv_uncleared_add(&m->uncleared, block);
}

static uint32_t size_of(const clkv_manager_params *p)
{
    return p->block_size ? p->block_size : DEFAULT_BLOCK_SIZE;
}

clkv_status clkv_manager_check_params(const clkv_manager_params *p)
{
    CLKV_CHECK_PARAMS(p, clkv_manager_params);
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
    return CLKV_OK;
}

/* Frees a manager, also a half-made one, that has neither sequences nor batches. */
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
    pthread_mutex_destroy(&m->lock);
    clkv_free(m, sizeof *m);
}

static clkv_status make_parts(clkv_manager *m, const clkv_manager_params *params)
{
    const clkv_pool_params pool = {.size = sizeof pool,
                                   .blocks = m->blocks,
                                   .watermark = m->watermark,
                                   .shuffle_seed = params->shuffle_seed,
                                   .evict = evict,
                                   .freed = params->clear_freed ? freed : NULL,
                                   .user = m};
    clkv_status status = clkv_pool_create(&m->pool, &pool);
    if (status != CLKV_OK) return status;
    if (!params->no_prefix) {
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

clkv_status clkv_manager_create(clkv_manager **out, const clkv_manager_params *params)
{
    if (!out) return CLKV_FAIL(CLKV_ERROR_INVALID, "out is NULL");
    clkv_status status = clkv_manager_check_params(params);
    if (status != CLKV_OK) return status;
    clkv_manager *m = clkv_alloc(sizeof *m);
    if (!m) return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "a manager");
    pthread_mutex_init(&m->lock, NULL);
    m->blocks = params->blocks;
    m->block_size = size_of(params);
    while (1u << m->shift < m->block_size) m->shift++;
    m->max_sequences = params->max_sequences ? params->max_sequences : DEFAULT_MAX_SEQUENCES;
    m->watermark = params->watermark;
    const uint64_t room = (uint64_t)(m->blocks - m->watermark) * m->block_size;
    m->max_context = params->max_context ? params->max_context : room < MAX_CONTEXT ? (uint32_t)room : MAX_CONTEXT;
    m->clock_ms = params->clock_ms ? params->clock_ms : system_clock_ms;
    m->user = params->user;
    status = make_parts(m, params);
    if (status != CLKV_OK) {
        free_manager(m);
        return status;
    }
    *out = m;
    return CLKV_OK;
}

void clkv_manager_destroy(clkv_manager **manager)
{
    if (!manager || !*manager) return;
    clkv_manager *m = *manager;
    *manager = NULL;
    while (m->batches) {
        clkv_batch *batch = m->batches;
        clkv_batch_destroy(&batch);
    }
    while (m->oldest) clkv_sequence_free(m->oldest);
    free_manager(m);
}

uint32_t clkv_manager_block_size(const clkv_manager *m)
{
    return m ? m->block_size : 0;
}

uint32_t clkv_manager_blocks(const clkv_manager *m)
{
    return m ? m->blocks : 0;
}

/* ---- the prefix index ---- */

void clkv_manager_drop(clkv_manager *m, uint32_t block)
{
    if (m->prefix) clkv_prefix_drop(m->prefix, block);
    clkv_pins_set(&m->pins, block, 0, 0);
}

void clkv_manager_expire_pins(clkv_manager *m)
{
    if (m->pins.n == 0) return;
    const uint64_t now = m->clock_ms(m->user);
    uint32_t block;
    while ((block = clkv_pins_expire(&m->pins, now)) != CLKV_NO_BLOCK) {
        /* A hidden block is a reserved one for now; rolling back will find it without priority. */
        if (!clkv_manager_is_hidden(m, block)) clkv_pool_set_priority(m->pool, block, 0);
    }
}

clkv_status clkv_manager_match(clkv_manager *m, clkv_prefix_node root, const clkv_key *keys, size_t n_keys,
                               const uint32_t *tokens, size_t n, uint32_t *out, size_t *n_out,
                               clkv_prefix_node *node)
{
    size_t found = 0;
    clkv_prefix_node last = root;
    const clkv_status status = clkv_prefix_match(m->prefix, root, 0, keys, n_keys, tokens, n, out, &found, &last);
    if (status != CLKV_OK) return status;
    for (size_t i = 0; i < found; i++) {
        if (!clkv_manager_is_hidden(m, out[i])) continue;
        found = i;
        last = i ? clkv_prefix_node_of(m->prefix, out[i - 1]) : root;
    }
    *n_out = found;
    if (node) *node = last;
    return CLKV_OK;
}

/* Matches into m->found. */
static clkv_status find(clkv_manager *m, const clkv_key *keys, size_t n_keys, const uint32_t *tokens, size_t n,
                        size_t *n_out)
{
    *n_out = 0;
    if (n && !tokens) return CLKV_FAIL(CLKV_ERROR_INVALID, "tokens is NULL");
    if (n_keys && !keys) return CLKV_FAIL(CLKV_ERROR_INVALID, "keys is NULL");
    if (!m->prefix || n < m->block_size) return CLKV_OK;
    void *scratch = m->found;
    if (clkv_grow(&scratch, &m->found_capacity, n >> m->shift, sizeof *m->found))
        return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "a lookup of %zu tokens", n);
    m->found = scratch;
    clkv_prefix_node root;
    clkv_status status = clkv_prefix_root(m->prefix, keys, n_keys, &root);
    if (status != CLKV_OK) return status;
    status = clkv_manager_match(m, root, keys, n_keys, tokens, n, m->found, n_out, NULL);
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
    return status;
}

static clkv_status pin_locked(clkv_manager *m, const clkv_key *keys, size_t n_keys, const uint32_t *tokens,
                              size_t n, uint32_t priority, uint64_t ttl_ms, size_t *pinned)
{
    size_t blocks = 0;
    clkv_manager_expire_pins(m);
    clkv_status status = find(m, keys, n_keys, tokens, n, &blocks);
    if (status != CLKV_OK) return status;
    uint64_t deadline = UINT64_MAX;
    if (priority && ttl_ms) {
        const uint64_t now = m->clock_ms(m->user);
        deadline = ttl_ms < UINT64_MAX - now ? now + ttl_ms : UINT64_MAX;
        status = clkv_pins_reserve(&m->pins, blocks);
        if (status != CLKV_OK) return status;
    }
    /* The tail first: cached blocks of one priority are reused in this order. */
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
    return status;
}

clkv_status clkv_manager_reset(clkv_manager *m)
{
    if (!m) return CLKV_FAIL(CLKV_ERROR_INVALID, "manager is NULL");
    clkv_status status = CLKV_OK;
    clkv_manager_lock(m);
    clkv_pool_counts counts;
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
    return status;
}

/* ---- clearing ---- */

clkv_status clkv_manager_take_uncleared(clkv_manager *m, uint32_t *blocks, uint32_t room, uint32_t *n)
{
    if (!m || !n || (room && !blocks)) return CLKV_FAIL(CLKV_ERROR_INVALID, "an argument is NULL");
    clkv_status status = CLKV_OK;
    clkv_manager_lock(m);
    clkv_uncleared *u = &m->uncleared;
    if (clkv_uncleared_is_on(u)) {
        *n = room < u->n ? room : u->n;
        for (uint32_t i = 0; i < *n; i++) blocks[i] = u->list[u->n - 1 - i];
        clkv_uncleared_drop_last(u, *n);
    } else {
        status = CLKV_FAIL(CLKV_ERROR_STATE, "the manager was made without clear_freed");
    }
    clkv_manager_unlock(m);
    return status;
}

static int is_free(const clkv_manager *m, uint32_t block)
{
    return !clkv_pool_refs(m->pool, block) && !(m->prefix && clkv_prefix_has(m->prefix, block));
}

void clkv_manager_unclear_free(clkv_manager *m, const uint32_t *blocks, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (is_free(m, blocks[i])) clkv_uncleared_add(&m->uncleared, blocks[i]);
}

void clkv_manager_unclear_all(clkv_manager *m)
{
    for (uint32_t block = 0; block < m->blocks; block++)
        if (!is_free(m, block)) clkv_uncleared_add(&m->uncleared, block);
}

/* ---- statistics ---- */

static int compare_tails(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Slots of used blocks that hold no token. Only tails and blocks that are merely reserved have any. A tail
 * that several sequences share is as full as the one of them that fills it most; it is full when somebody
 * has it in the middle of a table, or the index has it. */
static uint64_t slots_wasted(clkv_manager *m)
{
    uint64_t wasted = 0;
    uint32_t n_shared = 0;
    for (const clkv_sequence *seq = m->oldest; seq; seq = seq->younger) {
        const uint32_t filled = seq->length & (m->block_size - 1);
        if (filled == 0 || (seq->batch && clkv_batch_is_reserved(seq->batch))) continue;
        const uint32_t tail = seq->table[seq->n_blocks - 1];
        if (m->prefix && clkv_prefix_has(m->prefix, tail)) continue;
        if (clkv_pool_refs(m->pool, tail) == 1) {
            wasted += m->block_size - filled;
        } else {
            m->tails[n_shared++] = (uint64_t)tail << 32 | filled;
        }
    }
    for (const clkv_batch *batch = m->batches; batch; batch = batch->next) {
        if (!clkv_batch_is_reserved(batch)) continue;
        for (uint32_t i = 0; i < batch->n_entries; i++) {
            /* A reserved entry's tail and fresh blocks count as what they will hold. */
            const uint32_t filled = batch->entries[i].context & (m->block_size - 1);
            if (filled) wasted += m->block_size - filled;
        }
    }
    qsort(m->tails, n_shared, sizeof *m->tails, compare_tails);
    for (uint32_t i = 0; i < n_shared;) {
        const uint32_t tail = (uint32_t)(m->tails[i] >> 32);
        uint32_t holders = 0, most = 0;
        for (; i < n_shared && m->tails[i] >> 32 == tail; i++, holders++) most = (uint32_t)m->tails[i];
        if (holders == clkv_pool_refs(m->pool, tail)) wasted += m->block_size - most;
    }
    return wasted;
}

void clkv_manager_stats_locked(clkv_manager *m, clkv_stats *out)
{
    *out = m->counters;
    out->size = sizeof *out;
    clkv_pool_counts pool;
    clkv_pool_get_counts(m->pool, &pool);
    out->blocks_total = pool.total;
    out->blocks_used = pool.used;
    out->blocks_cached = pool.cached;
    out->blocks_free = pool.free;
    out->blocks_peak_used = pool.peak_used;
    out->allocations = pool.allocations;
    out->evictions = pool.evictions;
    out->sequences = m->live;
    out->slots_wasted = slots_wasted(m);
    out->tokens_held = (uint64_t)pool.used * m->block_size - out->slots_wasted;
    out->host_bytes = pool.host_bytes + clkv_pins_bytes(&m->pins) + hidden_bytes(m) +
                      clkv_uncleared_bytes(&m->uncleared);
    if (!m->prefix) return;
    clkv_prefix_counts prefix;
    clkv_prefix_get_counts(m->prefix, &prefix);
    out->hash_collisions = prefix.collisions;
    out->host_bytes += prefix.host_bytes;
}

clkv_status clkv_manager_stats(clkv_manager *m, clkv_stats *out)
{
    if (!m) return CLKV_FAIL(CLKV_ERROR_INVALID, "manager is NULL");
    const clkv_status status = clkv_stats_check(out);
    if (status != CLKV_OK) return status;
    clkv_stats all;
    clkv_manager_lock(m);
    clkv_manager_stats_locked(m, &all);
    clkv_manager_unlock(m);
    clkv_stats_give(&all, out);
    return CLKV_OK;
}

/* ---- validity ---- */

/* Adds up who holds what. */
static const char *count_references(const clkv_manager *m, uint32_t *refs)
{
    uint32_t live = 0, rows = 0;
    const clkv_sequence *older = NULL;
    for (const clkv_sequence *seq = m->oldest; seq; older = seq, seq = seq->younger) {
        if (seq->older != older) return "manager: the list of sequences is broken";
        const char *broken = clkv_sequence_validate(seq);
        if (broken) return broken;
        if (seq->dead && !seq->batch) return "manager: a dead sequence that no batch needs";
        live += !seq->dead;
        rows++;
        for (uint32_t i = seq->first_block; i < seq->n_blocks; i++) refs[seq->table[i]]++;
    }
    if (older != m->youngest) return "manager: the youngest sequence is not the last";
    if (live != m->live) return "manager: the number of sequences is wrong";
    if (rows + m->n_free_rows != m->max_sequences) return "manager: a row is lost";
    for (const clkv_batch *batch = m->batches; batch; batch = batch->next) {
        const char *broken = clkv_batch_validate(batch);
        if (broken) return broken;
        for (uint32_t i = 0; i < batch->n_fresh; i++) refs[batch->fresh[i]]++;
        for (uint32_t i = 0; batch->reserved && i < batch->n_entries; i++) {
            const clkv_batch_part *part = &batch->parts[i];
            if (part->copied_from == CLKV_NO_BLOCK) continue;
            refs[part->copied_from]++;
            /* The copy stands in the sequence's table already, and was counted there as well. */
            refs[batch->entries[i].sequence->table[part->tail]]--;
        }
    }
    return NULL;
}

static const char *check_blocks(const clkv_manager *m, const uint32_t *refs)
{
    uint32_t cached = 0, hidden = 0, evicted = 0;
    uint64_t registered = 0;
    for (uint32_t block = 0; block < m->blocks; block++) {
        const int has = m->prefix && clkv_prefix_has(m->prefix, block);
        if (clkv_pool_refs(m->pool, block) != refs[block])
            return "manager: a block's count is not the number of its holders";
        if (has && refs[block] == 0) cached++;
        registered += (uint64_t)has;
        hidden += (uint32_t)clkv_manager_is_hidden(m, block);
        if (m->pins.priority[block] && !has) return "manager: a pinned block is not registered";
    }
    for (const clkv_batch *batch = m->batches; batch; batch = batch->next) evicted += batch->n_evicted;
    if (hidden != evicted) return "manager: a hidden block is in no batch";
    clkv_pool_counts pool;
    clkv_pool_get_counts(m->pool, &pool);
    if (cached != pool.cached) return "manager: cached blocks and registered ones that nobody holds differ";
    if (pool.used + pool.cached + pool.free != pool.total) return "manager: free + cached + used is not the total";
    if (!m->prefix) return NULL;
    clkv_prefix_counts prefix;
    clkv_prefix_get_counts(m->prefix, &prefix);
    return prefix.blocks == registered ? NULL : "manager: the index counts other blocks than it has";
}

const char *clkv_manager_validate(clkv_manager *m)
{
    if (!m) return "manager is NULL";
    clkv_manager_lock(m);
    const char *broken = clkv_pool_validate(m->pool);
    if (!broken && m->prefix) broken = clkv_prefix_validate(m->prefix);
    if (!broken) broken = clkv_pins_validate(&m->pins);
    if (!broken && clkv_uncleared_is_on(&m->uncleared)) broken = clkv_uncleared_validate(&m->uncleared);
    uint32_t *refs = NULL;
    if (!broken) {
        refs = clkv_alloc(m->blocks * sizeof *refs);
        broken = refs ? count_references(m, refs) : "manager: no memory to validate";
    }
    if (!broken) broken = check_blocks(m, refs);
    clkv_free(refs, m->blocks * sizeof *refs);
    clkv_manager_unlock(m);
    return broken;
}
