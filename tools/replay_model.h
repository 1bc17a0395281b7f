/* replay_model.h: the forward pass of a replay: append and attention of a model's shape, for every layer.
 *
 * There are no weights. K, V and Q are a function of (token id, position, layer, head, dimension) alone, made
 * on the device from the uploaded ids and positions: so a block found by its prefix holds exactly what would
 * have been computed, and a wrong one would show.
 *
 *   ids, positions ──upload──▶ make_qkv ──▶ K, V ──clkv_append──▶ blocks
 *                                  └──────▶ Q ────clkv_attention──▶ O ──sampled rows──▶ host: check
 *
 * Values are uniform in ±1, those of Q in ±8: scaled scores then reach about ±10, so that few keys carry most
 * of the weight and an output row is of the size of V however long the context is. With plain ±1 a row would
 * be the mean of thousands of values, close to 0, and a check of it could hardly fail.
 *
 * Nothing in a step blocks; the host runs at most a few steps ahead of the device.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_REPLAY_MODEL_H
#define CLKV_TOOLS_REPLAY_MODEL_H

#include <clkv/attention.h>
#include <clkv/cache.h>

#include <stdbool.h>

typedef struct replay_shape {
    uint32_t layers, heads, kv_heads, head_dim;
    clkv_type k_type, v_type;
} replay_shape;

typedef struct replay_model_params {
    replay_shape shape;
    clkv_cache *cache;
    uint32_t batch_tokens; /* the most in a step */
    uint32_t context;      /* the longest */
    bool check;
    uint64_t seed;
} replay_model_params;

typedef struct replay_model replay_model;

/* Returns 0 or the code to exit with, after a message. The cache must outlive the model. */
int replay_model_create(replay_model **out, const replay_model_params *params);

/* Waits for the device. */
void replay_model_destroy(replay_model **model);

/* replay_params.step and .finish; user is the model. */
int replay_model_step(void *user, clkv_batch *batch);
int replay_model_finish(void *user);

/* What the check found: rows compared, and the largest |O − reference| over them. K and V are the same on
 * both sides, also when rounded to float16 (replay_rows.h). */
void replay_model_check(const replay_model *model, uint64_t *rows, double *max_abs_error);

#endif
