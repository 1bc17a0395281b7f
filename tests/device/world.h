/* world.h: a case brought to life: a cache on a device whose slots hold what the case says but for what was
 * appended, and whose block tables name no block but for what was uploaded; the sequences of the case with their
 * histories in it; and the same keys and values on the host, rounded as the cache rounds them.
 *
 *   world_open ─▶ world_reserve(which) ─▶ world_pass … world_pass ─▶ world_rollback ─▶ … world_close
 *                                                                └─▶ world_commit ─▶ world_check_blocks ─▶ close
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TESTS_WORLD_H
#define CLKV_TESTS_WORLD_H

#include "case.h"
#include "open.h"

#include <clkv/clkv.h>

typedef struct world {
    const test_case *c;
    clkv_cache *cache;
    clkv_manager *manager;
    clkv_batch *batch;
    clkv_sequence *sequences[CASE_ENTRIES];
    uint32_t *tokens[CASE_ENTRIES];
    float *k[CASE_ENTRIES], *v[CASE_ENTRIES]; /* [total][kv_heads][dim], as the cache holds them */
    float *k_in[CASE_ENTRIES], *v_in[CASE_ENTRIES]; /* as they are appended */
    float *q[CASE_ENTRIES];                   /* [new][heads][head_dim] */
    float scale;
    uint32_t chunk;                             /* of the last pass, tokens */
    uint32_t n_batch, batch_of[CASE_ENTRIES];   /* entries of the reserved batch */
    float *o[CASE_ENTRIES], *lse[CASE_ENTRIES]; /* of the last pass; lse NULL where it was not wanted */
} world;

void world_open(world *w, const test_case *c, clkv_device *device);
void world_close(world *w);

/* The new tokens of entries whose bit is set, as one batch. */
void world_reserve(world *w, uint32_t which);
void world_rollback(world *w);
void world_commit(world *w);

/* Uploads, appends, attends; *info may be NULL. */
void world_pass(world *w, uint32_t split_tokens, uint32_t parts, clkv_plan_info *info);

/* Compares what the last pass computed with the oracle. NULL, or a text (static storage) naming the first
 * element that is wrong. *share (may be NULL) is raised to the largest part of a bound that an error took,
 * where the numbers are random, the scale is the default and outputs are float32. */
const char *world_check(const world *w, double *share);

/* The twins in float64 and float32 against the oracle, for one query of every entry of the batch. */
const char *world_check_twins(const world *w, double *share);

/* Gathers n tokens of an entry's sequence, in binary16 or binary32, and compares every bit with the host's numbers.
 * want: 1 K, 2 V, 3 both. As world_check. */
const char *world_check_blocks(const world *w, uint32_t entry, uint32_t first, uint32_t n, int f16, uint32_t want);

#endif
