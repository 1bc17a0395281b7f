/* few.cl: the part of attention_cpu.cl for up to eight rows: K and V straight from the blocks into register tiles.
 * SPDX-License-Identifier: Apache-2.0 */
#if FEW_FITS
/* Where the two vectors of tokens of a step lie. */
typedef struct clkv_step {
    __global const uchar *k0, *k1, *v0, *v1;
} clkv_step;

/* The step at t0. Tokens past the end are taken from its first vector: table and slots there hold anything. */
INLINE void locate(clkv_step *step, const clkv_work *work, uint t0, uint end, CLKV_SLAB_PARAMS)
{
    const uint t1 = t0 + LANES < end ? t0 + LANES : t0;
    step->k0 = k_of(work, t0, CLKV_SLAB_ARGS);
    step->k1 = k_of(work, t1, CLKV_SLAB_ARGS);
    step->v0 = v_of(work, t0, CLKV_SLAB_ARGS);
    step->v1 = v_of(work, t1, CLKV_SLAB_ARGS);
}

/* The lines of the next step's K that belong to dimensions 2d and 2d + 1: of both vectors of tokens, and of one. */
#if CLKV_K(bytes)(16) == 64
#define FETCH_K FETCH(n0); FETCH(n1); FETCH(n0 + K_ROW); FETCH(n1 + K_ROW);
#define FETCH_K_ONE FETCH(n0); FETCH(n0 + K_ROW);
#elif CLKV_BLOCK_SIZE == 16
#define FETCH_K FETCH(n0); FETCH(n1);
#define FETCH_K_ONE FETCH(n0);
#else
#define FETCH_K FETCH(n0); FETCH(n0 + K_ROW); (void)n1; /* the same line as n0 */
#define FETCH_K_ONE FETCH(n0); FETCH(n0 + K_ROW);
#endif

/* Scores of rows [r, r + rows) for both vectors of tokens. */
#define ROW_STRIDE CLKV_HEAD_DIM
#define SCORES_FEW(rows)                                                                                       \
    INLINE void scores_few_##rows(clkv_sweep *sweep, const clkv_step *step, const clkv_step *next)             \
    {                                                                                                          \
        const uint r = 0, j = 0;                                                                               \
        const float *a = sweep->q[0];                                                                          \
        __global const uchar *k0 = step->k0, *k1 = step->k1, *n0 = next->k0, *n1 = next->k1;                   \
        ROWS_##rows(ZERO_2)                                                                                    \
        for (uint d = 0; d < CLKV_HEAD_DIM; d += 2) {                                                          \
            FETCH_K                                                                                            \
            {                                                                                                  \
                const float16 b0 = CLKV_K(load16)(k0), b1 = CLKV_K(load16)(k1);                                \
                ROWS_##rows(FMA_2)                                                                             \
            }                                                                                                  \
            a++;                                                                                               \
            {                                                                                                  \
                const float16 b0 = CLKV_K(load16)(k0 + K_ROW), b1 = CLKV_K(load16)(k1 + K_ROW);                \
                ROWS_##rows(FMA_2)                                                                             \
            }                                                                                                  \
            a++;                                                                                               \
            k0 += 2 * K_ROW;                                                                                   \
            k1 += 2 * K_ROW;                                                                                   \
            n0 += 2 * K_ROW;                                                                                   \
            n1 += 2 * K_ROW;                                                                                   \
        }                                                                                                      \
        ROWS_##rows(SCORE_2)                                                                                   \
    }
SCORES_FEW(1)
SCORES_FEW(2)
#if WIDE_TILES
SCORES_FEW(4)
SCORES_FEW(8)
#else
/* Scores of rows [r, r + 4) for vector j of the step's tokens, whose K is at k0; n0 is that of the next step. */
INLINE void scores_few_narrow(clkv_sweep *sweep, __global const uchar *k0, __global const uchar *n0, const uint r,
                              const uint j)
{
    const float *a = sweep->q[r];
    ROWS_4(ZERO_1)
    for (uint d = 0; d < CLKV_HEAD_DIM; d += 2) {
        if (r == 0) {
            FETCH_K_ONE
        }
        {
            const float16 b0 = CLKV_K(load16)(k0);
            ROWS_4(FMA_1)
        }
        a++;
        {
            const float16 b0 = CLKV_K(load16)(k0 + K_ROW);
            ROWS_4(FMA_1)
        }
        a++;
        k0 += 2 * K_ROW;
        n0 += 2 * K_ROW;
    }
    ROWS_4(SCORE_1)
}
#endif
#undef ROW_STRIDE

/* Values of `cols` vectors from c on. The two vectors of tokens are taken in turns, and the next step's V is
 * fetched in the order in which it lies, this call's share of it: two long streams read faster than many short
 * ones. */
#define FETCH_1(n) FETCH(n);
#if CLKV_V(bytes)(16) == 64
#define FETCH_2(n) FETCH(n); FETCH((n) + V_VEC);
#else
#define FETCH_2(n) FETCH(n);
#endif
#define FETCH_4(n) FETCH_2(n) FETCH_2((n) + 2 * V_VEC)
#define LOAD_1(v) const float16 b0 = CLKV_V(load16)(v);
#define LOAD_2(v) LOAD_1(v) const float16 b1 = CLKV_V(load16)((v) + V_VEC);
#define LOAD_4(v) LOAD_2(v) const float16 b2 = CLKV_V(load16)((v) + 2 * V_VEC), b3 = CLKV_V(load16)((v) + 3 * V_VEC);
#define ROW_STRIDE MANY_STEP
#define VALUES_FEW(rows, cols)                                                                                 \
    INLINE void values_few_##rows##_##cols(clkv_sweep *sweep, const clkv_step *step, const clkv_step *next,      \
                                           uint c, uint tokens, const uint r)                                  \
    {                                                                                                          \
        uint t = 0;                                                                                            \
        const float *a = (const float *)sweep->p[r];                                                           \
        __global const uchar *v0 = step->v0 + c * V_VEC, *v1 = step->v1 + c * V_VEC;                           \
        __global const uchar *n0 = next->v0 + c * LANES * V_VEC, *n1 = next->v1 + c * LANES * V_VEC;           \
        ROWS_##rows(ZERO_##cols)                                                                               \
        for (; t + LANES < tokens; t++) {                                                                      \
            if (r == 0) { FETCH_##cols(n0) }                                                                   \
            {                                                                                                  \
                LOAD_##cols(v0)                                                                                \
                ROWS_##rows(FMA_##cols)                                                                        \
            }                                                                                                  \
            a += LANES;                                                                                        \
            if (r == 0) { FETCH_##cols(n1) }                                                                   \
            {                                                                                                  \
                LOAD_##cols(v1)                                                                                \
                ROWS_##rows(FMA_##cols)                                                                        \
            }                                                                                                  \
            a -= LANES - 1;                                                                                    \
            v0 += V_ROW;                                                                                       \
            v1 += V_ROW;                                                                                       \
            n0 += cols * V_VEC;                                                                                \
            n1 += cols * V_VEC;                                                                                \
        }                                                                                                      \
        for (; t < min(LANES, tokens); t++) {                                                                  \
            LOAD_##cols(v0)                                                                                    \
            ROWS_##rows(FMA_##cols)                                                                            \
            a++;                                                                                               \
            v0 += V_ROW;                                                                                       \
        }                                                                                                      \
        ROWS_##rows(VALUE_##cols)                                                                              \
    }
VALUES_FEW(1, 4)
VALUES_FEW(1, 2)
VALUES_FEW(1, 1)
VALUES_FEW(2, 2)
VALUES_FEW(2, 1)
VALUES_FEW(4, 1)
#if WIDE_TILES
VALUES_FEW(2, 4)
VALUES_FEW(4, 4)
VALUES_FEW(4, 2)
VALUES_FEW(8, 2)
VALUES_FEW(8, 1)
#endif
#undef ROW_STRIDE

/* All columns of rows [r, r + rows), as many at a time as registers hold, then those that are left. */
#define COLS(rows, cols, c, r) values_few_##rows##_##cols(sweep, &step, &next, (c), all, (r))
#define VALUES_BY_4(rows)                                                                                      \
    for (uint c = 0; c < V_VECS / 4 * 4; c += 4) {                                                             \
        COLS(rows, 4, c, 0);                                                                                   \
    }                                                                                                          \
    if (V_VECS & 2) {                                                                                          \
        COLS(rows, 2, V_VECS / 4 * 4, 0);                                                                      \
    }                                                                                                          \
    if (V_VECS & 1) {                                                                                          \
        COLS(rows, 1, V_VECS - 1, 0);                                                                          \
    }
#define VALUES_BY_2(rows)                                                                                      \
    for (uint c = 0; c < V_VECS / 2 * 2; c += 2) {                                                             \
        COLS(rows, 2, c, 0);                                                                                   \
    }                                                                                                          \
    if (V_VECS & 1) {                                                                                          \
        COLS(rows, 1, V_VECS - 1, 0);                                                                          \
    }
#define VALUES_BY_1(rows, r)                                                                                   \
    for (uint c = 0; c < V_VECS; c++) {                                                                        \
        COLS(rows, 1, c, r);                                                                                   \
    }

/* Sweeps of one and two rows have tiles of their own where the next step is fetched into the second level. Where it goes
 * into the first, they take the tile of four: with less arithmetic between them the prefetches come faster than the
 * memory answers, and reading gets slower. */
#define SMALL_TILES (CLKV_FETCH_LEVEL > 1)
#if WIDE_TILES
#define SCORES_4 scores_few_4(sweep, &step, &next);
#define SCORES_8 scores_few_8(sweep, &step, &next);
#define VALUES_2 VALUES_BY_4(2)
#define VALUES_4 VALUES_BY_4(4)
#define VALUES_8 VALUES_BY_2(8)
#else
#define SCORES_NARROW(r)                                                                                       \
    scores_few_narrow(sweep, step.k0, next.k0, (r), 0);                                                        \
    scores_few_narrow(sweep, step.k1, next.k1, (r), 1);
#define SCORES_4 SCORES_NARROW(0)
#define SCORES_8 SCORES_NARROW(0) SCORES_NARROW(4)
#define VALUES_2 VALUES_BY_2(2)
#define VALUES_4 VALUES_BY_1(4, 0)
#define VALUES_8 VALUES_BY_1(4, 0) VALUES_BY_1(4, 4)
#endif

/* The line at `line` of each K and V of the step after the next: starts the hardware's own prefetchers on them. */
INLINE void fetch_first(const clkv_step *far, uint line)
{
    FETCH(far->k0 + line);
    FETCH(far->v0 + line);
    FETCH(far->k1 + line);
    FETCH(far->v1 + line);
}

CALLED void few(const clkv_work *work, clkv_sweep *sweep, uint end, CLKV_SLAB_PARAMS)
{
    clkv_step step, next, far;
    locate(&next, work, work->item.first, end, CLKV_SLAB_ARGS);
    far = next;
    if (work->item.first + FEW_STEP < end) {
        locate(&far, work, work->item.first + FEW_STEP, end, CLKV_SLAB_ARGS);
    }
    for (uint t0 = work->item.first; t0 < end; t0 += FEW_STEP) {
        const uint tokens = min(FEW_STEP, end - t0);
        step = next;
        next = far;
        if (t0 + 2 * FEW_STEP < end) {
            locate(&far, work, t0 + 2 * FEW_STEP, end, CLKV_SLAB_ARGS);
        }
        if (sweep->n <= 4) {
            fetch_first(&far, 0);
            fetch_first(&far, LINE);
            if (SMALL_TILES && sweep->n == 1) {
                scores_few_1(sweep, &step, &next);
            } else if (SMALL_TILES && sweep->n == 2) {
                scores_few_2(sweep, &step, &next);
            } else {
                SCORES_4
            }
        } else {
            SCORES_8
            fetch_first(&far, 0); /* here the softmax hides it, and one line is enough */
        }
        for (uint r = 0; r < sweep->n; r++) {
            softmax(sweep, r, seen_by(work, sweep, r, t0, tokens), FEW_STEP / LANES);
        }
        const uint all = seen_by(work, sweep, 0, t0, tokens);
        if (SMALL_TILES && sweep->n == 1) {
            VALUES_BY_4(1)
        } else if (SMALL_TILES && sweep->n == 2) {
            VALUES_2
        } else if (sweep->n <= 4) {
            VALUES_4
        } else {
            VALUES_8
        }
        values_rest(work, sweep, 0, sweep->n, t0, all, seen_by(work, sweep, sweep->n - 1u, t0, tokens), CLKV_SLAB_ARGS);
    }
}
#endif
