/* forget.c: takes prefixes out of the index. The state of each of their blocks decides what happens to it:
 *
 *   used       the block stays used, cannot be found, and becomes free after its last release
 *   cached     the block becomes free
 *   reserved   the batch that took the block from the cache keeps it like a block that was free before
 *
 * A sequence whose history includes a forgotten prefix registers no more blocks from there on, because blocks that
 * continue forgotten ones must not be found either. SPDX-License-Identifier: Apache-2.0 */
#include "core/batch.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/prefix.h"

/* Moves a hidden block from the evicted blocks of its batch to the batch's other blocks. */
static void unlist_evicted(clkv_manager *m, uint32_t block)
{
    clkv_blocks_hide(m, block, 0);
    for (clkv_batch *batch = m->batches; batch; batch = batch->next) {
        uint32_t *evicted = batch->n_evicted ? batch->fresh + (batch->n_fresh - batch->n_evicted) : NULL;
        for (uint32_t i = 0; i < batch->n_evicted; i++) {
            if (evicted[i] != block) continue;
            /* The others keep their order, in which a rollback returns them to the cache. */
            for (; i > 0; i--) evicted[i] = evicted[i - 1];
            evicted[0] = block;
            batch->n_evicted--;
            batch->n_evictions = 0;
            /* A batch that may have written has listed its blocks already: they may be cleared, and hold new tokens. */
            if (!batch->written && clkv_uncleared_is_on(&m->uncleared)) clkv_uncleared_add(&m->uncleared, block);
            return;
        }
    }
}

static void cut_sequences(clkv_manager *m, clkv_prefix_node top, uint32_t depth)
{
    for (clkv_sequence *seq = m->oldest; seq; seq = seq->younger) {
        if (seq->no_prefix || seq->chained < depth) continue;
        if (clkv_prefix_ancestor(m->prefix, seq->node, depth) == top) clkv_sequence_cut_chain(seq, depth ? depth - 1 : 0);
    }
}

/* Forgets node `top` and all nodes below it. NO_MEMORY. */
static clkv_status forget_node(clkv_manager *m, clkv_prefix_node top, size_t *forgotten)
{
    uint32_t *blocks = NULL;
    size_t n = 0;
    const clkv_status status = clkv_prefix_subtree(m->prefix, top, &blocks, &n);
    if (status != CLKV_OK) return status;
    const uint32_t depth = clkv_prefix_depth(m->prefix, top);
    clkv_prefix_ref(m->prefix, top); /* keeps the node when its last block is dropped */
    for (size_t i = 0; i < n; i++) {
        if (clkv_blocks_is_hidden(m, blocks[i])) unlist_evicted(m, blocks[i]);
        clkv_blocks_drop(m, &blocks[i], 1);
        clkv_pool_retain(m->pool, blocks[i], 0);
    }
    cut_sequences(m, top, depth);
    clkv_prefix_unref(m->prefix, top);
    clkv_free(blocks, n * sizeof *blocks);
    *forgotten = n;
    return CLKV_OK;
}

clkv_status clkv_sequence_forget(clkv_sequence *seq, size_t from)
{
    if (!seq) return CLKV_FAIL(CLKV_ERROR_INVALID, "sequence is NULL");
    clkv_manager *m = seq->manager;
    clkv_status status = CLKV_OK;
    size_t forgotten = 0;
    clkv_manager_lock(m);
    const size_t keep = from >> m->shift;
    if (!seq->no_prefix && keep < seq->chained)
        status = forget_node(m, clkv_prefix_ancestor(m->prefix, seq->node, (uint32_t)keep + 1), &forgotten);
    if (status == CLKV_OK && from < seq->length) clkv_sequence_cut_chain(seq, seq->chained);
    clkv_manager_unlock(m);
    return CLKV_PUBLIC(status);
}

static clkv_status forget_prefix(clkv_manager *m, const clkv_key *keys, size_t n_keys, const uint32_t *tokens,
                                 size_t n, size_t *forgotten)
{
    if (n && !tokens) return CLKV_FAIL(CLKV_ERROR_INVALID, "tokens is NULL");
    if (n_keys && !keys) return CLKV_FAIL(CLKV_ERROR_INVALID, "keys is NULL");
    if (!m->prefix || (n && n < m->block_size)) return CLKV_OK;
    clkv_prefix_node root, node;
    clkv_status status = clkv_prefix_root(m->prefix, keys, n_keys, &root);
    if (status != CLKV_OK) return status;
    status = clkv_prefix_find(m->prefix, root, keys, n_keys, tokens, n, &node);
    if (status == CLKV_OK && node != CLKV_PREFIX_UNKNOWN) status = forget_node(m, node, forgotten);
    clkv_prefix_unref(m->prefix, root);
    return status;
}

clkv_status clkv_manager_forget(clkv_manager *m, const clkv_key *keys, size_t n_keys, const uint32_t *tokens,
                                size_t n, size_t *forgotten)
{
    if (!m) return CLKV_FAIL(CLKV_ERROR_INVALID, "manager is NULL");
    size_t blocks = 0;
    clkv_manager_lock(m);
    const clkv_status status = forget_prefix(m, keys, n_keys, tokens, n, &blocks);
    clkv_manager_unlock(m);
    if (status == CLKV_OK && forgotten) *forgotten = blocks;
    return CLKV_PUBLIC(status);
}
