/* manager_stats.c: the statistics of a manager. SPDX-License-Identifier: Apache-2.0 */
#include "core/manager.h"

#include "core/batch.h"
#include "core/error.h"
#include "core/params.h"

#include <stdlib.h>

static int compare_tails(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The number of slots of used blocks that hold no token. Only tails and reserved blocks have such slots. When several
 * sequences share a tail, the sequence with the most tokens in it counts. The tail is full when it is in the middle
 * of another table, or in the index. */
static uint64_t slots_wasted(clkv_manager *m)
{
    uint64_t wasted = 0;
    uint32_t n_shared = 0;
    for (const clkv_sequence *seq = m->oldest; seq; seq = seq->younger) {
        const uint32_t filled = seq->length & (m->block_size - 1);
        if (filled == 0 || seq->reserved) continue;
        const uint32_t tail = seq->table[seq->n_blocks - 1];
        if (clkv_blocks_is_registered(m, tail)) continue;
        if (clkv_pool_refs(m->pool, tail) == 1) {
            wasted += m->block_size - filled;
        } else {
            m->tails[n_shared++] = (uint64_t)tail << 32 | filled;
        }
    }
    for (const clkv_batch *batch = m->batches; batch; batch = batch->next) {
        if (!batch->reserved) continue;
        for (uint32_t i = 0; i < batch->n_entries; i++) {
            /* The tail and the fresh blocks of a reserved entry count as if they were filled already. */
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
    clkv_pool_counts pool = CLKV_PARAMS_INIT(clkv_pool_counts);
    clkv_pool_get_counts(m->pool, &pool);
    out->blocks_total = pool.total;
    out->blocks_used = pool.used;
    out->blocks_cached = pool.cached;
    out->blocks_free = pool.free;
    out->blocks_peak_used = pool.peak_used;
    out->allocations = pool.allocations;
    out->evictions = pool.evictions;
    out->slabs = pool.slabs;
    out->slabs_open = pool.open_slabs;
    out->slabs_needed = pool.needed_slabs;
    out->sequences = m->live;
    out->slots_wasted = slots_wasted(m);
    out->tokens_held = (uint64_t)pool.used * m->block_size - out->slots_wasted;
    out->host_bytes = clkv_blocks_host_bytes(m);
    clkv_prefix_counts prefix = CLKV_PARAMS_INIT(clkv_prefix_counts);
    if (m->prefix) clkv_prefix_get_counts(m->prefix, &prefix);
    out->hash_collisions = prefix.collisions;
}

clkv_status clkv_manager_get_stats(clkv_manager *m, clkv_stats *out)
{
    if (!m) return CLKV_FAIL(CLKV_ERROR_INVALID, "manager is NULL");
    clkv_stats all;
    clkv_manager_lock(m);
    clkv_manager_stats_locked(m, &all);
    clkv_manager_unlock(m);
    return CLKV_PUBLIC(CLKV_PARAMS_WRITE(out, all));
}
