/* bench_arena.h: a cache full of sequences, with one batch reserved, uploaded and ready for attention.
 *
 * Keys and values are rows of one random table, `noise`, in an order that the host can repeat: so only the
 * table is uploaded, every slot still gets bytes of its own, and the C twin can be handed the same content.
 * Numbers are uniform in [−1, 1) and exact in the type of the cache. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_BENCH_ARENA_H
#define CLKV_TOOLS_BENCH_ARENA_H

#include <clkv/clkv.h>

typedef struct bench_shape {
    uint32_t batch, context, queries, heads, kv_heads, head_dim, head_dim_v, block_size;
    clkv_type k_type, v_type;
    uint32_t layers; /* of the cache; attention is measured on one after the other */
    int causal;
    uint32_t parts; /* of split-KV; 0 = automatic */
} bench_shape;

/* What all arenas of a shape share: the random table, queries and results. */
typedef struct bench_noise {
    uint32_t rows;    /* tokens' worth of K and of V */
    float *k, *v, *q; /* [row][kv_head][dim] twice, [query][head][head_dim] */
    cl_mem k_mem, v_mem, q_mem, o_mem;
} bench_noise;

typedef struct bench_arena {
    const bench_shape *shape;
    const bench_noise *noise;
    clkv_cache *cache;
    clkv_batch *batch;
    clkv_sequence **sequences; /* [batch] */
    double upload_ms;          /* of the batch: plan and transfer, until the device has it */
    double append_ms;          /* of the batch's tokens */
    clkv_plan_info plan;
} bench_arena;

/* 0, or a message was printed and it is the code to exit with. Destroy takes half-made ones. */
int bench_noise_create(bench_noise *noise, clkv_device *device, const bench_shape *shape);
void bench_noise_destroy(bench_noise *noise);

/* shuffled 0: the blocks of each sequence follow each other in memory. */
int bench_arena_create(bench_arena *arena, clkv_device *device, const bench_shape *shape, const bench_noise *noise,
                       int shuffled);
void bench_arena_destroy(bench_arena *arena);

/* Attention over the batch in one layer after the other, until the device is done. Seconds of one layer, the mean;
 * negative after a message. */
double bench_arena_attention(bench_arena *arena);

/* The largest difference between o on the device and the C twin on a few rows (queries of several
 * sequences, all heads). Negative after a message. NaN when a result is. */
double bench_arena_error(bench_arena *arena);

#endif
