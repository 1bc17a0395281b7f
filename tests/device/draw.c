/* draw.c: random cases; see draw.h. SPDX-License-Identifier: Apache-2.0 */
#include "draw.h"

#include "../unit/support.h"

#include <stdio.h>
#include <string.h>

#define COUNT(a) ((uint32_t)(sizeof(a) / sizeof *(a)))
#define MAX_LIST 32

/* A case is kept to about so many multiplications. */
#define CASE_COST 3e6

static uint64_t start(uint32_t seed, uint32_t a, uint32_t b)
{
    uint64_t state = 0x9e3779b97f4a7c15u * (((uint64_t)seed << 32 | a) + 1) ^ 0xd1b54a32d192ed03u * (b + 1u);
    state += !state;
    for (int i = 0; i < 4; i++) rng_next(&state);
    return state;
}

/* Element i of a list that is walked round; each round is the whole list in an order of its own. */
static uint32_t turn(const uint32_t *values, uint32_t n, uint32_t seed, uint32_t list, uint32_t i)
{
    uint32_t order[MAX_LIST];
    uint64_t state = start(seed, list, i / n);
    for (uint32_t k = 0; k < n; k++) order[k] = k;
    for (uint32_t k = n; k > 1; k--) {
        const uint32_t other = rng_below(&state, k), last = order[k - 1];
        order[k - 1] = order[other];
        order[other] = last;
    }
    return values[order[i % n]];
}
#define TURN(values, list) turn((values), COUNT(values), seed, (list), i)

static uint32_t one_of(const uint32_t *values, uint32_t n, uint64_t *state)
{
    return values[rng_below(state, n)];
}
#define ONE_OF(values, state) one_of((values), COUNT(values), (state))

void draw_program(test_case *c, uint32_t seed, uint32_t i)
{
    static const uint32_t blocks[] = {1, 2, 4, 8, 16, 32, 64, 128, 256};
    static const uint32_t groups[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 16, 20, 32, 48, 50};
    static const uint32_t types[] = {0, 9, 2, 11, 4, 13, 6, 15, 1, 8, 3, 10, 5, 12, 7, 14};
    static const uint32_t slabs[] = {1, 1, 2, 1, 3, 1, 5, 1, 9, 1, 17, 32}; /* of 1 … 32 kernel arguments */
    static const uint32_t usual[] = {64, 128, 128, 64, 80, 96, 192, 256};
    uint32_t dims[32];
    for (uint32_t k = 0; k < 32; k++) dims[k] = 8 + 8 * k;
    uint64_t state = start(seed, 100, i);
    memset(c, 0, sizeof *c);
    snprintf(c->variant, sizeof c->variant, "any");
    /* Every fifth program has the dimensions of real models; the others walk the lists. */
    const int real = i % 5 == 4;
    const uint32_t model = usual[i / 5 % COUNT(usual)];
    i -= (i + 1) / 5;
    c->head_dim = real ? model : TURN(dims, 0);
    c->head_dim_v = real || rng_below(&state, 3) ? c->head_dim : TURN(dims, 1);
    const uint32_t group = TURN(groups, 2), type = TURN(types, 3);
    c->kv_heads = group > 12 ? 1 : 1 + rng_below(&state, 3);
    c->heads = c->kv_heads * group;
    c->block_size = real ? 16 : TURN(blocks, 4);
    c->k_f16 = type & 1;
    c->v_f16 = type >> 3 & 1;
    c->in_f16 = type >> 1 & 1;
    c->out_f16 = type >> 2 & 1;
    c->slabs = TURN(slabs, 5);
}

/* A context: on, before and behind the edges of blocks and of the kernels' steps, and anywhere. */
static uint32_t draw_total(const test_case *c, uint64_t *state)
{
    static const uint32_t steps[] = {32, 64, 96, 128, 192, 256};
    switch (rng_below(state, 10)) {
    case 0: return 1 + rng_below(state, 3);
    case 1:
    case 2:
    case 3: {
        const uint32_t n = c->block_size > 64 ? 2 : 6, at = c->block_size * (1 + rng_below(state, n));
        return at + rng_below(state, 3) - (at > 1);
    }
    case 4:
    case 5: return ONE_OF(steps, state) + rng_below(state, 3) - 1;
    case 6: return 300 + rng_below(state, 900);
    default: return 1 + rng_below(state, 200);
    }
}

static uint32_t draw_new(uint32_t total, uint64_t *state)
{
    uint32_t n = 1;
    switch (rng_below(state, 8)) {
    case 0:
    case 1: n = 2 + rng_below(state, 7); break;
    case 2: n = 9 + rng_below(state, 30); break;
    case 3: n = total; break; /* nothing before it */
    default: break;
    }
    return n < total ? n : total;
}

/* Multiplications of an entry, also of handing its tokens over. */
static double cost_of(const test_case *c, const case_entry *e)
{
    return ((double)e->new_tokens * c->heads * 2 + c->kv_heads * 8) * e->total * (c->head_dim + c->head_dim_v);
}

static void draw_entry(test_case *c, uint32_t i, double budget, uint64_t *state)
{
    case_entry *e = &c->entries[i];
    e->total = draw_total(c, state);
    e->new_tokens = draw_new(e->total, state);
    if (i > 0 && rng_below(state, 6) == 0) { /* a fork or a prefix of one before */
        const uint32_t parent = rng_below(state, i);
        const case_entry *p = &c->entries[parent];
        const uint32_t had = p->total - p->new_tokens;
        const uint32_t most = had < e->total - e->new_tokens ? had : e->total - e->new_tokens;
        if (most > 0) {
            e->from = rng_below(state, 2) ? '<' : '=';
            e->parent = parent;
            e->shared = 1 + rng_below(state, most);
        }
    }
    while (cost_of(c, e) > budget && e->new_tokens > 1) e->new_tokens -= e->new_tokens / 2;
    while (cost_of(c, e) > budget && e->total > 20 && !e->from) {
        e->total = e->total / 2 + rng_below(state, 3);
        if (e->new_tokens > e->total) e->new_tokens = e->total;
    }
}

void draw_case(test_case *c, uint32_t seed, uint32_t i, uint32_t j)
{
    static const uint32_t parts[] = {2, 3, 5, 8}, chunks[] = {1, 16, 32, 48, 64, 100, 128};
    static const float scales[] = {1.0f, 0.5f, -0.25f, 1e-3f, 3.0f, 1e4f, 1e10f};
    static const uint32_t mostly[] = {SCORES_RANDOM, SCORES_RANDOM, SCORES_RANDOM, SCORES_RANDOM, SCORES_EQUAL,
                                      SCORES_ODD,    SCORES_ODD,    SCORES_TINY};
    uint64_t state = start(seed, 1000 + i, j);
    c->seed = (uint32_t)rng_next(&state);
    c->scores = rng_below(&state, 2) ? ONE_OF(mostly, &state) : rng_below(&state, SCORES_KINDS);
    c->rest = rng_below(&state, 3) ? REST_NAN : rng_below(&state, REST_KINDS);
    c->non_causal = rng_below(&state, 5) == 0;
    c->no_lse = rng_below(&state, 4) == 0;
    c->layers = 1 + rng_below(&state, 3);
    c->layer = rng_below(&state, c->layers);
    c->scale = 0;
    if (rng_below(&state, 3) == 0 && c->scores != SCORES_LARGE) c->scale = scales[rng_below(&state, COUNT(scales))];
    c->split_tokens = c->parts = 0;
    switch (rng_below(&state, 4)) {
    case 0: c->split_tokens = ONE_OF(chunks, &state); break;
    case 1: c->split_tokens = c->block_size * (1 + rng_below(&state, 3)); break;
    case 2: c->parts = ONE_OF(parts, &state); break;
    default: break;
    }
    c->n = 1 + rng_below(&state, rng_below(&state, 4) ? 3 : CASE_ENTRIES);
    memset(c->entries, 0, sizeof c->entries);
    for (uint32_t k = 0; k < c->n; k++) draw_entry(c, k, CASE_COST / c->n, &state);
}
