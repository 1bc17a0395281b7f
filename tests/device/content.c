/* content.c: the numbers of a case. SPDX-License-Identifier: Apache-2.0 */
#include "content.h"

#include "../unit/support.h"

#include <clkv/ref.h>

#include <math.h>
#include <string.h>

static float uniform(uint64_t *state) /* [-1, 1) */
{
    return (float)(rng_next(state) >> 40) / 8388608.0f - 1.0f;
}

float content_round(float x, int to_f16)
{
    return to_f16 ? clkv_ref_float(clkv_ref_half(x)) : x;
}

float content_scale(const test_case *c)
{
    if (c->scale != 0.0f) return c->scale;
    if (c->scores == SCORES_LARGE) return 1e-5f;
    const int exact = c->scores >= SCORES_LOW && c->scores <= SCORES_NONE;
    return exact ? 1.0f : (float)(1 / sqrt(c->head_dim));
}

uint32_t content_rest(const test_case *c, int f16)
{
    static const uint32_t bits[REST_KINDS][2] = {
        {0xffffffffu, 0xffffu}, {0x7f800000u, 0x7c00u}, {0xff800000u, 0xfc00u}, {0x7f7fffffu, 0x7bffu}};
    return bits[c->rest][f16];
}

/* A denormal of the type: up to 1023 · 2^-24, or 2^23 − 1 times the smallest binary32. */
static float tiny(int f16, uint64_t *state)
{
    return f16 ? uniform(state) * 0x1p-14f : ldexpf(uniform(state), -126);
}

static float one_of(const float *values, uint32_t n, uint64_t *state)
{
    return values[rng_below(state, n)];
}

static float element(const test_case *c, int is_value, int f16, uint64_t *state)
{
    static const float zeros[] = {0.0f, -0.0f, 0.0f, 1.0f, -1.0f};
    static const float large[] = {65504.0f, -65504.0f, 65504.0f, 1.5f};
    if (c->scores == SCORES_TINY) return tiny(f16, state);
    if (c->scores == SCORES_LARGE) return one_of(large, 4, state);
    if (c->scores == SCORES_ZERO) return one_of(zeros, 5, state);
    return (is_value ? 1 : 2) * uniform(state);
}

static float query(const test_case *c, uint64_t *state)
{
    static const float zeros[] = {0.0f, -0.0f, 1.0f};
    if (c->scores == SCORES_ZERO) return one_of(zeros, 3, state);
    if (c->scores == SCORES_TINY && rng_below(state, 2)) return tiny(c->in_f16, state);
    return 2 * uniform(state);
}

/* The key with the large score. */
static uint32_t peak(const test_case *c, const case_entry *e)
{
    switch (c->scores) {
    case SCORES_PEAK: return e->total > 1 ? e->total / 2 - 1 : 0;
    case SCORES_FIRST: return 0;
    case SCORES_LAST: return e->total - 1;
    case SCORES_TAIL: return (e->total - 1) / c->block_size * c->block_size;
    default: return e->total;
    }
}

/* Scores that are the product of the first dimensions alone. */
static void fill_exact(const test_case *c, const case_entry *e, float *k, float *q)
{
    const size_t per_k = (size_t)c->kv_heads * c->head_dim;
    const size_t n_q = (size_t)e->new_tokens * c->heads * c->head_dim;
    const float low = c->scores == SCORES_LOW ? -46341.0f : c->scores == SCORES_NONE ? -INFINITY : -10000.0f;
    const float most = c->scores == SCORES_HIGH ? 10000.0f : low;
    memset(k, 0, e->total * per_k * sizeof *k);
    for (size_t j = 0; j < n_q; j++) q[j] = j % c->head_dim == 0 ? 1.0f : 0.0f;
    for (uint32_t t = 0; t < e->total; t++)
        for (uint32_t h = 0; h < c->kv_heads; h++)
            k[t * per_k + h * c->head_dim] = t == peak(c, e) ? 10000.0f : most;
}

/* One element that is not finite, or becomes infinite in fp16. */
static void add_odd(const test_case *c, const case_entry *e, uint64_t *state, float *k, float *v, float *q)
{
    static const float odd[] = {INFINITY, -INFINITY, NAN, 1e5f, -65520.0f};
    const uint32_t fresh = rng_below(state, 2), old = e->total - e->new_tokens;
    const uint32_t t = fresh ? old + rng_below(state, e->new_tokens) : rng_below(state, e->total);
    const uint32_t h = rng_below(state, c->kv_heads);
    const float x = one_of(odd, 5, state);
    switch (rng_below(state, 5)) {
    case 0:
    case 1: k[((size_t)t * c->kv_heads + h) * c->head_dim + rng_below(state, c->head_dim)] = x; break;
    case 2:
    case 3: v[((size_t)t * c->kv_heads + h) * c->head_dim_v + rng_below(state, c->head_dim_v)] = x; break;
    default: q[rng_below(state, e->new_tokens * c->heads * c->head_dim)] = x;
    }
}

void content_fill(const test_case *c, uint32_t i, uint64_t *state, float *k, float *v, float *q)
{
    const case_entry *e = &c->entries[i];
    const size_t per_k = (size_t)c->kv_heads * c->head_dim, n_k = e->total * per_k;
    const size_t n_v = (size_t)e->total * c->kv_heads * c->head_dim_v;
    const size_t n_q = (size_t)e->new_tokens * c->heads * c->head_dim;
    for (size_t j = 0; j < n_k; j++) k[j] = element(c, 0, c->k_f16 || c->in_f16, state);
    for (size_t j = 0; j < n_v; j++) v[j] = element(c, 1, c->v_f16 || c->in_f16, state);
    for (size_t j = 0; j < n_q; j++) q[j] = query(c, state);
    if (c->scores >= SCORES_LOW && c->scores <= SCORES_NONE) fill_exact(c, e, k, q);
    for (size_t j = per_k; c->scores == SCORES_EQUAL && j < n_k; j++) k[j] = k[j - per_k];
    if (c->scores == SCORES_ODD) add_odd(c, e, state, k, v, q);
    for (size_t j = 0; j < n_q; j++) q[j] = content_round(q[j], c->in_f16);
    for (size_t j = 0; j < n_k; j++) k[j] = content_round(k[j], c->in_f16);
    for (size_t j = 0; j < n_v; j++) v[j] = content_round(v[j], c->in_f16);
}
