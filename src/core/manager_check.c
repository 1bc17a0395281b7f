/* manager_check.c: checks a manager with its sequences and batches. SPDX-License-Identifier: Apache-2.0 */
#include "core/batch.h"
#include "core/blocks.h"
#include "core/memory.h"

/* Counts the tables and batches that hold each block. */
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
            /* The copy is in the sequence's table already, and was counted there too. */
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
        const int has = clkv_blocks_is_registered(m, block);
        if (clkv_pool_refs(m->pool, block) != refs[block])
            return "manager: a block's count is not the number of its holders";
        if (has && refs[block] == 0) cached++;
        registered += (uint64_t)has;
        hidden += (uint32_t)clkv_blocks_is_hidden(m, block);
        if (m->pins.priority[block] && !has) return "manager: a pinned block is not registered";
    }
    for (const clkv_batch *batch = m->batches; batch; batch = batch->next) evicted += batch->n_evicted;
    if (hidden != evicted) return "manager: a hidden block is in no batch";
    clkv_pool_counts pool = CLKV_PARAMS_INIT(clkv_pool_counts);
    clkv_pool_get_counts(m->pool, &pool);
    if (cached != pool.cached) return "manager: cached blocks and registered ones that nobody holds differ";
    if (pool.used + pool.cached + pool.free != pool.total) return "manager: free + cached + used is not the total";
    if (!m->prefix) return NULL;
    clkv_prefix_counts prefix = CLKV_PARAMS_INIT(clkv_prefix_counts);
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
