/* oracle.c: one row of attention in float64 with its error bound; the formulas are in oracle.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "oracle.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define FLOAT_UNIT 0x1p-24 /* every result is rounded to float32 */

static double gamma_of(const oracle_arithmetic *how, double n)
{
    const double typical = 6 * sqrt(n);
    return (how->random && typical < n ? typical : n) * how->unit;
}

/* One key's score, and the bound on its error. */
static double score_of(const oracle_shape *shape, const oracle_arithmetic *how, const float *q, const float *k,
                       double *error)
{
    double sum[4] = {0}, size[4] = {0};
    uint32_t terms = 0;
    for (uint32_t d = 0; d < shape->head_dim; d += 4) {
        for (uint32_t i = 0; i < 4; i++) {
            const double x = (double)q[d + i] * k[d + i];
            sum[i] += x;
            size[i] += fabs(x);
            terms += x != 0;
        }
    }
    const double scale = shape->scale;
    *error = gamma_of(how, terms + how->scale_error) * fabs(scale) * (size[0] + size[1] + size[2] + size[3]);
    return scale * (sum[0] + sum[1] + sum[2] + sum[3]);
}

static void fill_row(oracle_row *out, const oracle_shape *shape, double o, double lse)
{
    for (uint32_t d = 0; d < shape->head_dim_v; d++) {
        out->o[d] = o;
        out->o_bound[d] = 0;
    }
    out->lse = lse;
    out->lse_bound = 0;
}

/* Scores to weights w, in place, and to what w · (exp(x) − 1) can add to each; *worst is the largest x. Returns M;
 * NaN where there is no result; −∞ where no key has weight. */
static double weigh(const oracle_arithmetic *how, uint32_t seen, int same, double *s, const double *e, double *more,
                    double *worst)
{
    double top = -INFINITY;
    for (uint32_t t = 0; t < seen; t++) {
        if (isnan(s[t]) || s[t] == INFINITY) return NAN;
        if (s[t] > top) top = s[t];
    }
    const double u = how->unit, rises = how->step ? (seen - 1) / how->step : 0;
    *worst = 0;
    for (uint32_t t = 0; t < seen && top > -INFINITY; t++) {
        const double below = s[t] - top;
        if (below == -INFINITY) {
            s[t] = more[t] = 0;
            continue;
        }
        const double x = (same ? 0 : e[t]) + (1 + rises) * (how->exp_error + 2 * u) +
                         (below > -1e4 ? 2 * u * -below : 0);
        if (x > *worst) *worst = x;
        s[t] = exp(below);
        more[t] = x < 1 ? s[t] * expm1(x) : exp(below + x) - s[t];
    }
    return top;
}

static void compute_lse(oracle_row *out, double u, double top, double sum, double sum_error, double score_error,
                        double worst, double sum_rounding)
{
    const double share = sum_error / sum, inner = log(sum);
    double error = share < 0.9 ? -log1p(-share) : INFINITY;
    if (!(error < worst + 2 * sum_rounding)) error = worst + 2 * sum_rounding; /* no weight is off by more */
    out->lse = top + inner;
    out->lse_bound = error + score_error + 4 * u * (fabs(top) + fabs(inner)) + 6 * u * fabs(inner) +
                     FLOAT_UNIT * fabs(out->lse) + 1e-30;
}

static int all_the_same(const oracle_shape *shape, const float *k, uint32_t seen)
{
    for (uint32_t t = 1; t < seen; t++)
        if (memcmp(k, k + t * shape->k_stride, shape->head_dim * sizeof *k)) return 0;
    return 1;
}

void oracle_compute(oracle_row *out, const oracle_shape *shape, const oracle_arithmetic *how, const float *q,
                    const float *k, const float *v, uint32_t seen, double *work)
{
    double *w = work, *e = work + seen, *more = work + 2 * (size_t)seen, worst = 0;
    const int same = all_the_same(shape, k, seen);
    for (uint32_t t = 0; t < seen; t++) w[t] = score_of(shape, how, q, k + t * shape->k_stride, &e[t]);
    const double score_error = same && seen ? e[0] : 0;
    const double top = weigh(how, seen, same, w, e, more, &worst);
    if (isnan(top) || top == -INFINITY) {
        fill_row(out, shape, isnan(top) ? NAN : 0, top);
        return;
    }
    double sum = 0, sum_more = 0, size[256] = {0}, shaken[256] = {0}, low[256], high[256];
    const uint32_t dims = shape->head_dim_v;
    for (uint32_t d = 0; d < dims; d++) {
        out->o[d] = 0;
        low[d] = INFINITY;
        high[d] = -INFINITY;
    }
    for (uint32_t t = 0; t < seen; t++) {
        const float *row = v + t * shape->v_stride;
        sum += w[t];
        sum_more += more[t];
        for (uint32_t d = 0; d < dims; d++) {
            const double x = row[d], a = fabs(x);
            out->o[d] += w[t] * x;
            size[d] += w[t] * a;
            shaken[d] += more[t] * a;
            low[d] = x < low[d] ? x : low[d];
            high[d] = x > high[d] ? x : high[d];
        }
    }
    const double g = gamma_of(how, seen + 4.0), sum_error = sum_more + g * (sum + sum_more);
    for (uint32_t d = 0; d < dims; d++) {
        out->o[d] /= sum;
        const double o = fabs(out->o[d]), last = (how->parts + 16.0) * how->unit + FLOAT_UNIT;
        double error = sum_error < 0.5 * sum
                           ? (shaken[d] + g * (size[d] + shaken[d]) + o * sum_error) / (sum - sum_error)
                           : INFINITY;
        const double most = high[d] - low[d] + 2 * g * fmax(fabs(high[d]), fabs(low[d]));
        if (!(error < most)) error = most;
        out->o_bound[d] = error + last * (o + error) + (seen + 4.0) * 4 * FLT_MIN;
    }
    compute_lse(out, how->unit, top, sum, sum_error, score_error, worst, g);
}

int oracle_accepts(double computed, double exact, double bound, int f16, double *share)
{
    if (isnan(exact)) return isnan(computed);
    if (isinf(exact)) return isnan(computed) || computed == exact;
    if (f16) {
        if (fabs(exact) + bound >= 65520 && isinf(computed) && (computed > 0) == (exact > 0)) return 1;
        bound += (fabs(exact) + bound) * 0x1p-11 + 0x1p-25;
    }
    const double error = fabs(computed - exact);
    if (!(error <= bound)) return 0;
    if (share && bound > 0 && error / bound > *share) *share = error / bound;
    return 1;
}
