/* world.h: a case brought to life: a cache on a device whose slots are NaN but for what was appended, the
 * sequences of the case with their histories in it, and the same keys and values on the host, rounded as the
 * cache rounds them.
 *
 *   world_open ─▶ world_reserve(which) ─▶ world_pass … world_pass ─▶ world_rollback ─▶ … world_close
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TESTS_WORLD_H
#define CLKV_TESTS_WORLD_H

#include "case.h"
#include "open.h"

#include <clkv/clkv.h>

#define WORLD_LAYERS 2
#define WORLD_LAYER  1 /* the one that is used; the other stays NaN */

typedef struct world {
    const test_case *c;
    clkv_cache *cache;
    clkv_manager *manager;
    clkv_batch *batch;
    clkv_sequence *sequences[CASE_ENTRIES];
    uint32_t *tokens[CASE_ENTRIES];
    float *k[CASE_ENTRIES], *v[CASE_ENTRIES]; /* [total][kv_heads][dim] */
    float *q[CASE_ENTRIES];                   /* [new][heads][head_dim] */
    float scale;
    uint32_t n_batch, batch_of[CASE_ENTRIES];   /* entries of the reserved batch */
    float *o[CASE_ENTRIES], *lse[CASE_ENTRIES]; /* what the last pass computed; malloc'ed */
} world;

void world_open(world *w, const test_case *c, clkv_device *device);
void world_close(world *w);

/* The new tokens of entries whose bit is set, as one batch. */
void world_reserve(world *w, uint32_t which);
void world_rollback(world *w);

/* Uploads, appends, attends; *info may be NULL. */
void world_pass(world *w, uint32_t split_tokens, uint32_t parts, clkv_plan_info *info);

/* Compares what the last pass computed with the oracle. NULL, or a text (static storage) naming the first
 * element that is wrong. */
const char *world_check(const world *w);

#endif
