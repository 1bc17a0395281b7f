/* sampler.c: see sampler.h. SPDX-License-Identifier: Apache-2.0 */
#include "sampler.h"

#include "why.h"

#include <math.h>
#include <stdlib.h>

typedef struct candidate {
    float p;
    uint32_t id;
} candidate;

int llm_sampler_check(const llm_sampler_params *params, char *why)
{
    if (!isfinite(params->temperature) || params->temperature < 0)
        return llm_fail(why, "the temperature is %g: it must be 0 or more", (double)params->temperature);
    if (!(params->top_p >= 0 && params->top_p <= 1))
        return llm_fail(why, "top-p is %g: it must be from 0 to 1", (double)params->top_p);
    if (!(params->min_p >= 0 && params->min_p <= 1))
        return llm_fail(why, "min-p is %g: it must be from 0 to 1", (double)params->min_p);
    return 0;
}

float llm_coin(uint64_t *state)
{
    uint64_t s = *state ? *state : 0x9e3779b97f4a7c15u;
    s ^= s >> 12;
    s ^= s << 25;
    s ^= s >> 27;
    *state = s;
    const uint32_t top = (uint32_t)(s * 0x2545f4914f6cdd1du >> 32);
    return (float)(top >> 8) * 0x1p-24f;
}

static int filters_by_mass(const llm_sampler_params *how)
{
    return how->top_p < 1;
}

static uint32_t greatest(const float *x, uint32_t n)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < n; i++)
        if (x[i] > x[best] || isnan(x[best])) best = i;
    return best;
}

/* Logits, already divided by the temperature, become probabilities. Returns the greatest. */
static float softmax(float *x, uint32_t n, float max)
{
    float sum = 0, most = 0;
    for (uint32_t i = 0; i < n; i++) {
        x[i] = isnan(x[i]) ? 0 : expf(x[i] - max);
        sum += x[i];
    }
    for (uint32_t i = 0; i < n; i++) {
        x[i] /= sum;
        if (x[i] > most) most = x[i];
    }
    return most;
}

static uint32_t draw_in_id_order(const float *p, uint32_t n, float coin)
{
    float sum = 0;
    uint32_t last = 0;
    for (uint32_t i = 0; i < n; i++) {
        sum += p[i];
        if (coin < sum) return i;
        if (p[i] > 0) last = i;
    }
    return last;
}

static int by_descending_p(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    if (x->p != y->p) return x->p > y->p ? -1 : 1;
    return x->id < y->id ? -1 : 1;
}

/* The tokens that may survive the filters, at least one. What is left out here only spares sorting: top-p has
 * enough before it comes to a token below (1 − top_p) / (n − 1), as even n − 1 of those hold no more than it
 * leaves over. Top-k first needs all that it chooses from. */
static uint32_t collect(candidate *out, const float *p, uint32_t n, const llm_sampler_params *how, float most)
{
    float least = 0;
    uint32_t kept = 0;
    if (how->top_k == 0) {
        if (filters_by_mass(how) && n > 1) least = (1.0f - how->top_p) / (float)(n - 1);
        if (how->min_p * most > least) least = how->min_p * most;
        if (least > most) least = most;
    }
    for (uint32_t i = 0; i < n; i++)
        if (p[i] > 0 && p[i] >= least) out[kept++] = (candidate){p[i], i};
    return kept;
}

/* How many of the sorted candidates the filters keep; *mass is their sum. */
static uint32_t keep(const candidate *c, uint32_t n, const llm_sampler_params *how, float *mass)
{
    float limit = how->top_p, sum = 0;
    if (how->top_k > 0) {
        if (how->top_k < n) n = how->top_k;
        for (uint32_t i = 0; i < n; i++) sum += c[i].p;
        limit *= sum;
    }
    *mass = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (i > 0 && c[i].p < how->min_p * c[0].p) return i;
        *mass += c[i].p;
        if (filters_by_mass(how) && *mass > limit) return i + 1;
    }
    return n;
}

uint32_t llm_sample(float *logits, uint32_t n, const llm_sampler_params *params, float coin)
{
    const uint32_t best = greatest(logits, n);
    if (params->temperature == 0) return best;
    const float max = logits[best] / params->temperature;
    if (!isfinite(max)) return best;
    for (uint32_t i = 0; i < n; i++) logits[i] /= params->temperature;
    const float most = softmax(logits, n, max);
    if (params->top_k == 0 && params->min_p == 0 && !filters_by_mass(params))
        return draw_in_id_order(logits, n, coin);

    candidate *c = malloc(n * sizeof *c);
    if (!c) return LLM_NO_TOKEN;
    uint32_t kept = collect(c, logits, n, params, most), drawn = 0;
    float mass, sum = 0;
    qsort(c, kept, sizeof *c, by_descending_p);
    kept = keep(c, kept, params, &mass);
    const float r = coin * mass;
    while (drawn < kept - 1 && !(r < (sum += c[drawn].p))) drawn++;
    const uint32_t id = c[drawn].id;
    free(c);
    return id;
}
