/* oracle.h: one row of attention in float64, and how far from it float32 arithmetic may be.
 *
 * u = 2^-24, the unit roundoff of float32 (2^-53 for the twin in float64); γ(n) = n·u, the bound on n roundings in
 * a row (n·u ≪ 1).
 *
 *   score of key t   s = scale · Σ q·k        e = γ(products that are not 0 + c) · |scale| · Σ |q·k|
 *   weight           w = exp(s − M), M = max s
 *     a computed weight is w·exp(±x),         x = e + 2u·|s − M| + (1 + rises)·(ε + 2u)
 *     ε: relative error of one exponential; rises: how often the running maximum can have risen, each time
 *     scaling what was summed before by one more exponential. The differences in the exponents add up to |s − M|
 *   sum              W = Σ w                   δW = Σ w·(exp(x) − 1) + γ(n)·W
 *   output           O = Σ w·v / W            δO = (Σ w·(exp(x) − 1)·|v| + γ(n)·Σ w·exp(x)·|v| + |O|·δW) / (W − δW)
 *                                                   + γ(parts + 16)·|O| + what denormals flushed to 0 can lose
 *   and never more than max v − min v of the seen keys, since the weights are positive and normalised
 *   log-sum-exp      L = M + log W            δL = −log(1 − δW/W), or max x + 2·γ(n) if less,
 *                                                   + 4u·(|M| + |log W|) + 6u·|log W|
 *
 * Keys that are all the same have scores that are all the same, whatever their error: e is left out of δO.
 *
 * Sums of independent random numbers are held to γ(min(n, 6·√n)): roundings then are as good as independent, and a
 * sum of n of them that is 6 standard deviations out has probability below 4e-8 (Higham & Mary 2019).
 *
 * Not finite: a score of NaN or +∞ makes its row NaN; −∞ is weight 0, and a row without any weight is 0 with
 * log-sum-exp −∞, as one that sees no key; a value that is not finite makes its dimension of the rows that see it
 * infinite or NaN. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TESTS_ORACLE_H
#define CLKV_TESTS_ORACLE_H

#include <stddef.h>
#include <stdint.h>

/* How float32 got its result. */
typedef struct oracle_arithmetic {
    double unit;         /* u */
    double exp_error;    /* ε */
    double scale_error;  /* c: roundings of a score beside those of its sum */
    uint32_t step;       /* tokens between two rises of the maximum; 0: it was known before */
    uint32_t parts;      /* of a split context */
    int random;          /* numbers are independent and random */
} oracle_arithmetic;

/* exp2: 3 ulp of up to 2u each by OpenCL's table; the polynomial of cl/prelude.cl is better. A step of 32 tokens is
 * the shortest. q times scale · log2 e: 3 roundings; portable adds slices of head_dim. */
static const oracle_arithmetic oracle_kernels = {0x1p-24, 6 * 0x1p-24, 8, 32, 1, 0};
/* expf: 2 ulp; two passes; 8 lanes of products, their sum, times scale. */
static const oracle_arithmetic oracle_twin = {0x1p-24, 4 * 0x1p-24, 8, 0, 1, 0};

/* The twin in float64: what is left is the rounding of its result. */
static const oracle_arithmetic oracle_rounding = {0x1p-53, 4 * 0x1p-53, 8, 0, 1, 0};

typedef struct oracle_shape {
    uint32_t head_dim, head_dim_v;
    size_t k_stride, v_stride; /* elements from token to token */
    float scale;
} oracle_shape;

typedef struct oracle_row {
    double o[256], o_bound[256]; /* [head_dim_v] */
    double lse, lse_bound;
} oracle_row;

/* q [head_dim]; k and v of the row's KV head, token 0 … seen − 1. work: 4 · seen doubles. */
void oracle_compute(oracle_row *out, const oracle_shape *shape, const oracle_arithmetic *how, const float *q,
                    const float *k, const float *v, uint32_t seen, double *work);

/* Whether a computed number may stand for the exact one; f16: it was rounded to binary16. *share (may be NULL) is
 * raised to the part of the bound that its error takes. */
int oracle_accepts(double computed, double exact, double bound, int f16, double *share);

#endif
