/* replay_rows.c: see replay_rows.h. SPDX-License-Identifier: Apache-2.0 */
#include "replay_rows.h"

#include <math.h>
#include <stdlib.h>

struct replay_rows {
    uint32_t heads, kv_heads, head_dim, seed;
    float *q, *k, *v; /* [group][head_dim], [context][head_dim], [context][head_dim] */
};

replay_rows *replay_rows_create(uint32_t heads, uint32_t kv_heads, uint32_t head_dim, uint32_t seed,
                                uint32_t context)
{
    replay_rows *rows = calloc(1, sizeof *rows);
    if (!rows) return NULL;
    *rows = (replay_rows){ .heads = heads, .kv_heads = kv_heads, .head_dim = head_dim, .seed = seed };
    rows->q = malloc((size_t)(heads / kv_heads) * head_dim * sizeof *rows->q);
    rows->k = malloc((size_t)context * head_dim * sizeof *rows->k);
    rows->v = malloc((size_t)context * head_dim * sizeof *rows->v);
    if (!rows->q || !rows->k || !rows->v) replay_rows_destroy(&rows);
    return rows;
}

void replay_rows_destroy(replay_rows **rows)
{
    if (!*rows) return;
    free((*rows)->q);
    free((*rows)->k);
    free((*rows)->v);
    free(*rows);
    *rows = NULL;
}

static uint32_t mix(uint32_t x)
{
    x ^= x >> 16;
    x *= UINT32_C(0x7feb352d);
    x ^= x >> 15;
    x *= UINT32_C(0x846ca68b);
    return x ^ x >> 16;
}

/* n elements from `first` on of the row [heads of Q, of K, of V][head_dim] that a token has. */
static void make(const replay_rows *rows, uint32_t token, uint32_t position, uint32_t layer, uint32_t first,
                 uint32_t n, float factor, float *out)
{
    uint32_t base = mix(token ^ mix(position ^ mix(layer ^ rows->seed)));
    for (uint32_t i = 0; i < n; i++)
        out[i] = factor * ((float)((int32_t)(mix(base ^ mix(first + i)) >> 21) - 1024) * 0.0009765625f);
}

clkv_status replay_rows_compute(replay_rows *rows, const uint32_t *history, uint32_t position, uint32_t layer,
                                uint32_t kv_head, float *out)
{
    uint32_t d = rows->head_dim, group = rows->heads / rows->kv_heads;
    uint32_t k_first = (rows->heads + kv_head) * d, v_first = k_first + rows->kv_heads * d;
    make(rows, history[position], position, layer, kv_head * group * d, group * d, 8.0f, rows->q);
    for (uint32_t i = 0; i <= position; i++) {
        make(rows, history[i], i, layer, k_first, d, 1.0f, rows->k + (size_t)i * d);
        make(rows, history[i], i, layer, v_first, d, 1.0f, rows->v + (size_t)i * d);
    }
    clkv_ref_attention_params params = CLKV_PARAMS_INIT(clkv_ref_attention_params);
    params.q_len = 1;
    params.kv_len = position + 1;
    params.heads = group;
    params.kv_heads = 1;
    params.head_dim = params.head_dim_v = d;
    params.causal = 1;
    params.q = rows->q;
    params.k = rows->k;
    params.v = rows->v;
    params.o = out;
    return clkv_ref_attention(&params);
}

double replay_rows_error(const float *a, const float *b, size_t n)
{
    double worst = 0;
    for (size_t i = 0; i < n; i++) {
        double error = fabs((double)a[i] - b[i]);
        if (!(error <= worst)) worst = isnan(error) ? INFINITY : error;
    }
    return worst;
}
