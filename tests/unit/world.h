/* world.h: a block manager and short ways to drive it, for the tests of everything above the pool.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TESTS_WORLD_H
#define CLKV_TESTS_WORLD_H

#include "core/batch_view.h"

#include "../leftovers.h"
#include "support.h"

#include <clkv/batch.h>

#include <string.h>

static inline clkv_manager *new_manager(uint32_t blocks)
{
    clkv_manager *m = NULL;
    const clkv_manager_params params = {.size = sizeof params, .blocks = blocks};
    ck_ok(clkv_manager_create(&m, &params));
    return m;
}

/* n tokens of text number `text`: equal texts are equal tokens. */
static inline void fill_tokens(uint32_t *tokens, size_t n, uint32_t text)
{
    for (size_t i = 0; i < n; i++) tokens[i] = text * 100003u + (uint32_t)i * 7u + 1u;
}

static inline clkv_sequence *new_sequence(clkv_manager *m, const uint32_t *tokens, size_t n, size_t *matched)
{
    clkv_sequence *seq = NULL;
    const clkv_sequence_params params = {.size = sizeof params, .tokens = tokens, .n_tokens = n};
    ck_ok(clkv_sequence_create(&seq, m, &params, matched));
    return seq;
}

/* One pass with this sequence alone; any status of reserve. */
static inline clkv_status try_append(clkv_manager *m, clkv_sequence *seq, const uint32_t *tokens, uint32_t n)
{
    clkv_batch *batch = NULL;
    ck_ok(clkv_batch_create(&batch, m));
    clkv_status status = clkv_batch_add(batch, seq, tokens, n, NULL);
    if (status == CLKV_OK) status = clkv_batch_reserve(batch);
    if (status == CLKV_OK) ck_ok(clkv_batch_commit(batch));
    clkv_batch_destroy(&batch);
    return status;
}

static inline void append(clkv_manager *m, clkv_sequence *seq, const uint32_t *tokens, uint32_t n)
{
    ck_ok(try_append(m, seq, tokens, n));
    ck_valid(clkv_manager_validate(m));
}

/* A sequence with this prompt computed; *matched (may be NULL) was found. */
static inline clkv_sequence *serve(clkv_manager *m, const uint32_t *tokens, size_t n, size_t *matched)
{
    size_t hit = 0;
    clkv_sequence *seq = new_sequence(m, tokens, n, &hit);
    append(m, seq, tokens + hit, (uint32_t)(n - hit));
    if (matched) *matched = hit;
    return seq;
}

static inline size_t lookup(clkv_manager *m, const uint32_t *tokens, size_t n)
{
    size_t found = 0;
    ck_ok(clkv_manager_lookup(m, NULL, 0, tokens, n, &found));
    return found;
}

static inline uint32_t block_at(const clkv_sequence *seq, uint32_t index)
{
    const uint32_t *table = NULL;
    size_t n = 0;
    clkv_sequence_get_table(seq, 0, &table, &n);
    must(index < n);
    return table[index];
}

static inline uint32_t refs_of(const clkv_manager *m, const clkv_sequence *seq, uint32_t index)
{
    return clkv_pool_refs(m->pool, block_at(seq, index));
}

static inline clkv_pool_counts counts_of(const clkv_manager *m)
{
    clkv_pool_counts counts = CLKV_PARAMS_INIT(clkv_pool_counts);
    clkv_pool_get_counts(m->pool, &counts);
    return counts;
}

static inline clkv_stats stats_of(clkv_manager *m)
{
    clkv_stats stats = {.size = sizeof stats};
    ck_ok(clkv_manager_get_stats(m, &stats));
    return stats;
}

#endif
