/* pending.c: what a sequence would find in the cache once the batches that are open now have been committed.
 *
 *   mine     [ shared … | L ) tokens …                      L: where what is findable now ends
 *   other's  [ chained … ) tail and new tokens of a batch   from `chained` on it will register whole blocks
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/batch.h"
#include "core/error.h"
#include "core/prefix.h"
#include "core/prefix_keys.h"

#include <string.h>

/* A history, and how much of it the cache has. */
typedef struct history {
    const clkv_sequence *seq;
    const uint32_t *tokens;
    clkv_key_list content;
    clkv_prefix_node node; /* of the last block that is found now */
    uint64_t found;        /* tokens that are found now */
    uint64_t end;          /* no more than these are ever looked for: whole blocks */
} history;

/* Token i of those that an entry's sequence will have registered or still has in its tail, counted from the end of
 * its chain. */
static uint32_t token_of(const clkv_batch *batch, const clkv_batch_entry *entry, uint64_t i)
{
    const clkv_sequence *seq = entry->sequence;
    const uint64_t held = seq->length - ((uint64_t)seq->chained << seq->manager->shift);
    return i < held ? seq->tail[i] : batch->tokens[entry->first + (i - held)];
}

static int block_is_equal(const history *mine, const clkv_batch *batch, const clkv_batch_entry *entry,
                          const clkv_key_list *others, uint64_t at, uint64_t start)
{
    const uint32_t size = batch->manager->block_size;
    for (uint32_t i = 0; i < size; i++)
        if (mine->tokens[at + i] != token_of(batch, entry, at + i - start)) return 0;
    clkv_key_list a, b;
    clkv_key_list_overlapping(&a, &mine->content, at, size);
    clkv_key_list_overlapping(&b, others, at, size);
    return clkv_key_list_equal(&a, &b);
}

/* Where the blocks end that this entry will register and that continue what the history finds now. */
static uint64_t end_of(const history *mine, const clkv_batch *batch, uint32_t index)
{
    const clkv_manager *m = batch->manager;
    const clkv_batch_entry *entry = &batch->entries[index];
    const clkv_batch_part *part = &batch->parts[index];
    const clkv_sequence *seq = entry->sequence;
    const uint64_t start = (uint64_t)seq->chained << m->shift;
    uint64_t end = (uint64_t)seq->length + part->accept, at = start;
    if (end > mine->end) end = mine->end;
    /* The cheap questions first: a scheduler asks for each prompt, and most entries decode something else. */
    if (seq == mine->seq || seq->broken || !part->has_tokens || start > mine->found) return 0;
    if (end < mine->found + m->block_size) return 0;
    if (clkv_prefix_ancestor(m->prefix, mine->node, seq->chained) != seq->node) return 0;
    clkv_key_list others;
    if (clkv_key_list_content(&others, seq->keys, seq->n_keys) != CLKV_OK) return 0;
    while (at + m->block_size <= end && block_is_equal(mine, batch, entry, &others, at, start)) at += m->block_size;
    return at;
}

static clkv_status pending_locked(const clkv_sequence *seq, const uint32_t *tokens, size_t n, size_t *pending)
{
    clkv_manager *m = seq->manager;
    *pending = 0;
    if (seq->batch || seq->broken || seq->length & (m->block_size - 1) || n <= seq->length) return CLKV_OK;
    history mine = {.seq = seq, .tokens = tokens, .end = (n - 1) >> m->shift << m->shift};
    size_t blocks = 0;
    clkv_status status = clkv_blocks_reserve_found(m, (n - 1 - seq->length) >> m->shift);
    if (status == CLKV_OK) status = clkv_key_list_content(&mine.content, seq->keys, seq->n_keys);
    if (status == CLKV_OK)
        status = clkv_blocks_match(m, seq->node, seq->length, seq->keys, seq->n_keys, tokens + seq->length,
                                   n - 1 - seq->length, m->found, &blocks, &mine.node);
    if (status != CLKV_OK) return status;
    mine.found = seq->length + ((uint64_t)blocks << m->shift);
    uint64_t end = mine.found;
    for (const clkv_batch *batch = m->batches; batch; batch = batch->next) {
        for (uint32_t i = 0; i < batch->n_entries; i++) {
            const uint64_t at = end_of(&mine, batch, i);
            if (at > end) end = at;
        }
    }
    *pending = (size_t)(end - mine.found);
    return CLKV_OK;
}

clkv_status clkv_sequence_pending(const clkv_sequence *seq, const uint32_t *tokens, size_t n_tokens, size_t *pending)
{
    if (!seq || !pending || (n_tokens && !tokens))
        return CLKV_FAIL(CLKV_ERROR_INVALID, "%s is NULL", !seq ? "sequence" : !pending ? "pending" : "tokens");
    clkv_manager_lock(seq->manager);
    const clkv_status status = pending_locked(seq, tokens, n_tokens, pending);
    clkv_manager_unlock(seq->manager);
    return CLKV_PUBLIC(status);
}
