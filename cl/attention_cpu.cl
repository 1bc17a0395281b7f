/* attention_cpu.cl: attention for CPU devices, one work-item per work-group with explicit float16 vectors.
 *
 * An item is a tile of queries × one KV head × a range of keys. Its rows are (query, head of the group), row =
 * query · CLKV_GROUP + head, so that later rows never see fewer keys. The keys are walked in steps:
 *
 *   scores   S [row][step]        one lane is one token: K is read as it lies, [dim][token]
 *   softmax  S → P                running maximum and sum of each row, in base 2
 *   values   O [row][head_dim_v]  one lane is one dimension: V is read as it lies, [token][dim]
 *
 * few rows   (decode, drafts: up to 8) take K and V straight from the blocks, in steps of 32 tokens, while
 *            the next step is fetched into the cache: memory bounds them.
 * many rows  (prefill) widen a step of 64 tokens to float32 in private memory, first its K, then its V, and run
 *            over that with register tiles of 6 rows × 4 vectors: arithmetic bounds them.
 *
 * Blocks of fewer than 16 tokens, and head_dim_v that are no multiple of 16, always take the second way. Which
 * way, and the order of every sum, follow from the item alone.
 * Slots without a token, and keys that a row must not see, may hold NaN: their scores are selected away,
 * their values never multiplied. SPDX-License-Identifier: Apache-2.0 */
#define LANES 16u
#define V_VECS ((CLKV_HEAD_DIM_V + 15u) / 16u) /* the last one half empty where head_dim_v is 8 more */
#define FEW_ROWS 8u
#define FEW_STEP 32u /* tokens */
#define MANY_STEP 64u
#define MICRO 6u /* rows of a register tile */
#define TILE_ROWS (CLKV_TILE_TOKENS * CLKV_GROUP)
#define SWEEP_ROWS (TILE_ROWS <= 8 ? 12u : TILE_ROWS > 48 ? 48u : (TILE_ROWS + MICRO - 1u) / MICRO * MICRO)
#define FEW_FITS (CLKV_BLOCK_SIZE >= 16 && CLKV_HEAD_DIM_V % 16 == 0)
#define LOWEST (-1e30f) /* below any score; infinity is undefined under some flags */
#define UNSEEN (-2e30f) /* below that: no weight even where nothing that a row sees has any */
#define LOG2_E 1.44269504088896340736f
#define LN_2 0.69314718055994530942f

#define INLINE static inline __attribute__((always_inline)) /* the tiles below must end up in registers */
/* pocl makes three copies of a kernel's body: what is long is called, not copied. */
#define CALLED static __attribute__((noinline))

/* Bytes from one dimension of K to the next, from one token of V to the next, and of 16 elements of each. */
#define K_ROW CLKV_K(bytes)(CLKV_BLOCK_SIZE)
#define V_ROW CLKV_V(bytes)(CLKV_HEAD_DIM_V)
#define K_VEC CLKV_K(bytes)(LANES)
#define V_VEC CLKV_V(bytes)(LANES)
#define LINE 64u /* bytes that the cache fetches at once */

/* Asks for the cache line at p. pocl's prefetch() does nothing, so where the compiler makes code for the host's
 * own CPU it is clang's builtin. */
#if defined(__x86_64__) || defined(__aarch64__)
#define FETCH(p) __builtin_prefetch((const void *)(ulong)(p))
#else
#define FETCH(p) prefetch((p), LINE)
#endif

/* The work of a work-group. */
typedef struct clkv_work {
    clkv_item item;
    __global const uint *table; /* the sequence's blocks */
    ulong tile_at;              /* of the layer and KV head, in each block */
    ulong block_bytes;
    uint blocks_per_slab, kv_head;
} clkv_work;

/* What a sweep over the keys works on: rows [r0, r0 + n) of the item. */
typedef struct clkv_sweep {
    float q[SWEEP_ROWS][CLKV_HEAD_DIM];          /* times scale · log2 e; padded with rows of 0 */
    float16 p[SWEEP_ROWS][MANY_STEP / LANES];    /* scores, then their exponentials */
    float16 o[SWEEP_ROWS][V_VECS];
    float16 sum[SWEEP_ROWS];                     /* lane by lane */
    float top[SWEEP_ROWS];                       /* the running maximum */
    float rescale[SWEEP_ROWS];                   /* what the step multiplies o by */
    uint r0, n;
} clkv_sweep;

/* How many of the `tokens` keys from t0 on a row of the sweep sees. */
INLINE uint seen_by(const clkv_work *work, const clkv_sweep *sweep, uint r, uint t0, uint tokens)
{
    const uint end = clkv_row_end(&work->item, (sweep->r0 + r) / CLKV_GROUP);
    return end > t0 ? min(tokens, end - t0) : 0u;
}

/* The K tile of the block that holds token t. */
INLINE __global const uchar *tile_of(const clkv_work *work, uint t, CLKV_SLAB_PARAMS)
{
    return clkv_block(work->table[t / CLKV_BLOCK_SIZE], work->block_bytes, work->blocks_per_slab, CLKV_SLAB_ARGS) +
           work->tile_at;
}

/* K of dimension 0 of token t; the next dimension is K_ROW bytes further. */
INLINE __global const uchar *k_of(const clkv_work *work, uint t, CLKV_SLAB_PARAMS)
{
    return tile_of(work, t, CLKV_SLAB_ARGS) + CLKV_K(bytes)(t % CLKV_BLOCK_SIZE);
}

INLINE __global const uchar *v_of(const clkv_work *work, uint t, CLKV_SLAB_PARAMS)
{
    return tile_of(work, t, CLKV_SLAB_ARGS) + CLKV_K_TILE_BYTES + t % CLKV_BLOCK_SIZE * V_ROW;
}

/* One row's scores of a step of `vecs` vectors, a constant, to their exponentials; it sees the first `seen`. */
INLINE void softmax(clkv_sweep *sweep, uint r, uint seen, const uint vecs)
{
    const float16 lane = (float16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    float16 s[MANY_STEP / LANES];
    float16 highest = (float16)(LOWEST);
    sweep->rescale[r] = 1.0f;
    if (seen == 0) {
        return;
    }
#pragma unroll
    for (uint j = 0; j < vecs; j++) {
        s[j] = sweep->p[r][j];
        if (seen < vecs * LANES) {
            s[j] = select((float16)(UNSEEN), s[j], lane + (float)(j * LANES) < (float)seen);
        }
        highest = max(highest, s[j]);
    }
    const float before = sweep->top[r];
    const float top = max(before, max_of(highest));
    float16 sum = sweep->sum[r];
    if (top > before) {
        sweep->top[r] = top;
        sweep->rescale[r] = exp2_16((float16)(before - top)).s0;
        sum *= sweep->rescale[r];
    }
#pragma unroll
    for (uint j = 0; j < vecs; j++) {
        const float16 p = exp2_16(s[j] - top);
        sweep->p[r][j] = p;
        sum += p;
    }
    sweep->sum[r] = sum;
}

/* Register tiles: C [rows][cols] = Σ A [rows][i] · B [i][cols], A scalars ROW_STRIDE apart from row to row, B and
 * C vectors. Compilers do not reliably keep an array in registers, so the rows and columns are names. */
#define ROWS_4(X) X(0) X(1) X(2) X(3)
#define ROWS_6(X) ROWS_4(X) X(4) X(5)
#define ROWS_8(X) ROWS_6(X) X(6) X(7)
#define ZERO_1(i) float16 c##i##0 = (float16)(0.0f);
#define ZERO_2(i) ZERO_1(i) float16 c##i##1 = (float16)(0.0f);
#define ZERO_4(i) ZERO_2(i) float16 c##i##2 = (float16)(0.0f), c##i##3 = (float16)(0.0f);
#define FMA(i, j) c##i##j = fma(x, b##j, c##i##j);
#define A(i) const float16 x = (float16)(a[i * ROW_STRIDE]);
#define FMA_1(i) { A(i) FMA(i, 0) }
#define FMA_2(i) { A(i) FMA(i, 0) FMA(i, 1) }
#define FMA_4(i) { A(i) FMA(i, 0) FMA(i, 1) FMA(i, 2) FMA(i, 3) }
#define SCORE(i, j) sweep->p[r + i][j] = c##i##j;
#define SCORE_2(i) SCORE(i, 0) SCORE(i, 1)
#define SCORE_4(i) SCORE_2(i) SCORE(i, 2) SCORE(i, 3)
#define VALUE(i, j) sweep->o[r + i][c + j] = fma(sweep->o[r + i][c + j], (float16)(sweep->rescale[r + i]), c##i##j);
#define VALUE_1(i) VALUE(i, 0)
#define VALUE_2(i) VALUE_1(i) VALUE(i, 1)
#define VALUE_4(i) VALUE_2(i) VALUE(i, 2) VALUE(i, 3)

/* O += P V for rows [r, r + rows) and the tokens [all, any) that only some of them see, from the blocks. */
INLINE void values_rest(const clkv_work *work, clkv_sweep *sweep, uint r, uint rows, uint t0, uint all, uint any,
                        CLKV_SLAB_PARAMS)
{
    for (uint t = all; t < any; t++) {
        __global const uchar *v = v_of(work, t0 + t, CLKV_SLAB_ARGS);
        for (uint i = r; i < min(r + rows, sweep->n); i++) {
            if (t < seen_by(work, sweep, i, t0, any)) {
                const float p = ((const float *)sweep->p[i])[t];
                for (uint d = 0; d < CLKV_HEAD_DIM_V; d += 8) {
                    float *o = (float *)sweep->o[i] + d;
                    vstore8(fma((float8)(p), CLKV_V(load8)(v + CLKV_V(bytes)(d)), vload8(0, o)), 0, o);
                }
            }
        }
    }
}

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

/* The lines of the next step's K that belong to dimensions 2d and 2d + 1. */
#if CLKV_K(bytes)(16) == 64
#define FETCH_K FETCH(n0); FETCH(n1); FETCH(n0 + K_ROW); FETCH(n1 + K_ROW);
#elif CLKV_BLOCK_SIZE == 16
#define FETCH_K FETCH(n0); FETCH(n1);
#else
#define FETCH_K FETCH(n0); FETCH(n0 + K_ROW); (void)n1; /* the same line as n0 */
#endif

#define ROW_STRIDE CLKV_HEAD_DIM
#define SCORES_FEW(rows)                                                                                       \
    INLINE void scores_few_##rows(clkv_sweep *sweep, const clkv_step *step, const clkv_step *next)               \
    {                                                                                                          \
        const uint r = 0;                                                                                      \
        const float *a = sweep->q[0];                                                                           \
        __global const uchar *k0 = step->k0, *k1 = step->k1, *n0 = next->k0, *n1 = next->k1;                 \
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
SCORES_FEW(4)
SCORES_FEW(8)
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
                                           uint c, uint tokens)                                                \
    {                                                                                                          \
        const uint r = 0;                                                                                      \
        uint t = 0;                                                                                            \
        const float *a = (const float *)sweep->p[0];                                                            \
        __global const uchar *v0 = step->v0 + c * V_VEC, *v1 = step->v1 + c * V_VEC;                           \
        __global const uchar *n0 = next->v0 + c * LANES * V_VEC, *n1 = next->v1 + c * LANES * V_VEC;           \
        ROWS_##rows(ZERO_##cols)                                                                               \
        for (; t + LANES < tokens; t++) {                                                                      \
            FETCH_##cols(n0)                                                                                   \
            {                                                                                                  \
                LOAD_##cols(v0)                                                                                \
                ROWS_##rows(FMA_##cols)                                                                        \
            }                                                                                                  \
            a += LANES;                                                                                        \
            FETCH_##cols(n1)                                                                                   \
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
VALUES_FEW(4, 4)
VALUES_FEW(4, 2)
VALUES_FEW(4, 1)
VALUES_FEW(8, 2)
VALUES_FEW(8, 1)
#undef ROW_STRIDE

/* All columns, as many at a time as registers hold, then those that are left. Passes of one or two rows take the
 * tile of four too: with less arithmetic between them the prefetches come faster than the memory answers, and
 * reading gets slower, not faster. */
#define COLS(rows, cols, c) values_few_##rows##_##cols(sweep, &step, &next, (c), all)
#define VALUES_4                                                                                               \
    for (uint c = 0; c < V_VECS / 4 * 4; c += 4) {                                                             \
        COLS(4, 4, c);                                                                                         \
    }                                                                                                          \
    if (V_VECS & 2) {                                                                                          \
        COLS(4, 2, V_VECS / 4 * 4);                                                                            \
    }                                                                                                          \
    if (V_VECS & 1) {                                                                                          \
        COLS(4, 1, V_VECS - 1);                                                                                \
    }
#define VALUES_8                                                                                               \
    for (uint c = 0; c < V_VECS / 2 * 2; c += 2) {                                                             \
        COLS(8, 2, c);                                                                                         \
    }                                                                                                          \
    if (V_VECS & 1) {                                                                                          \
        COLS(8, 1, V_VECS - 1);                                                                                \
    }

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
            scores_few_4(sweep, &step, &next);
        } else {
            scores_few_8(sweep, &step, &next);
            fetch_first(&far, 0); /* here the softmax hides it, and one line is enough */
        }
        for (uint r = 0; r < sweep->n; r++) {
            softmax(sweep, r, seen_by(work, sweep, r, t0, tokens), FEW_STEP / LANES);
        }
        const uint all = seen_by(work, sweep, 0, t0, tokens);
        if (sweep->n <= 4) {
            VALUES_4
        } else {
            VALUES_8
        }
        values_rest(work, sweep, 0, sweep->n, t0, all, seen_by(work, sweep, sweep->n - 1u, t0, tokens), CLKV_SLAB_ARGS);
    }
}
#endif

#define ROW_STRIDE CLKV_HEAD_DIM
INLINE void scores_many(clkv_sweep *sweep, const float16 *k, uint r)
{
    const float *a = sweep->q[r];
    ROWS_6(ZERO_4)
    for (uint d = 0; d < CLKV_HEAD_DIM; d++) {
        const float16 b0 = k[0], b1 = k[1], b2 = k[2], b3 = k[3];
        ROWS_6(FMA_4)
        a++;
        k += 4;
    }
    ROWS_6(SCORE_4)
}
#undef ROW_STRIDE

#define ROW_STRIDE MANY_STEP
#define WIDE_1 const float16 b0 = v[0];
#define WIDE_2 WIDE_1 const float16 b1 = v[1];
#define WIDE_4 WIDE_2 const float16 b2 = v[2], b3 = v[3];
#define VALUES_MANY(cols)                                                                                      \
    INLINE void values_many_##cols(clkv_sweep *sweep, const float16 *wide, uint r, uint c, uint tokens)          \
    {                                                                                                          \
        const float *a = (const float *)sweep->p[r];                                                            \
        const float16 *v = wide + c;                                                                           \
        ROWS_6(ZERO_##cols)                                                                                    \
        for (uint t = 0; t < tokens; t++) {                                                                    \
            WIDE_##cols                                                                                        \
            ROWS_6(FMA_##cols)                                                                                 \
            a++;                                                                                               \
            v += V_VECS;                                                                                       \
        }                                                                                                      \
        ROWS_6(VALUE_##cols)                                                                                   \
    }
#if V_VECS >= 4
VALUES_MANY(4)
#endif
#if V_VECS & 2
VALUES_MANY(2)
#endif
#if V_VECS & 1
VALUES_MANY(1)
#endif
#undef ROW_STRIDE

/* K of the step at t0 to wide [dim][4]. */
INLINE void widen_k(const clkv_work *work, float16 *wide, uint t0, uint end, CLKV_SLAB_PARAMS)
{
    for (uint j = 0; j < MANY_STEP / LANES; j++) {
#if CLKV_BLOCK_SIZE >= 16
        const uint t = t0 + j * LANES < end ? t0 + j * LANES : t0;
        __global const uchar *k = k_of(work, t, CLKV_SLAB_ARGS);
        for (uint d = 0; d < CLKV_HEAD_DIM; d++) {
            wide[d * (MANY_STEP / LANES) + j] = CLKV_K(load16)(k);
            k += K_ROW;
        }
#else
        __global const CLKV_K(raw) *k[LANES / CLKV_BLOCK_SIZE];
        for (uint b = 0; b < LANES / CLKV_BLOCK_SIZE; b++) {
            const uint t = t0 + j * LANES + b * CLKV_BLOCK_SIZE;
            k[b] = (__global const CLKV_K(raw) *)k_of(work, t < end ? t : t0, CLKV_SLAB_ARGS);
        }
        for (uint d = 0; d < CLKV_HEAD_DIM; d++) {
            CLKV_K(raw) bits[LANES];
            for (uint i = 0; i < LANES; i++) {
                bits[i] = k[i / CLKV_BLOCK_SIZE][d * CLKV_BLOCK_SIZE + i % CLKV_BLOCK_SIZE];
            }
            wide[d * (MANY_STEP / LANES) + j] = CLKV_K(widen16)(bits);
        }
#endif
    }
}

/* V of the step at t0 to wide [token][V_VECS]. */
INLINE void widen_v(const clkv_work *work, float16 *wide, uint t0, uint tokens, CLKV_SLAB_PARAMS)
{
    const uint run = CLKV_BLOCK_SIZE < LANES ? CLKV_BLOCK_SIZE : LANES; /* tokens that lie together */
    for (uint t = 0; t < tokens;) {
        __global const uchar *v = v_of(work, t0 + t, CLKV_SLAB_ARGS);
        const uint run_end = min(t + run, tokens);
        for (; t < run_end; t++) {
            for (uint c = 0; c < CLKV_HEAD_DIM_V / LANES; c++) {
                *wide++ = CLKV_V(load16)(v + c * V_VEC);
            }
#if CLKV_HEAD_DIM_V % 16
            *wide++ = (float16)(CLKV_V(load8)(v + CLKV_V(bytes)(CLKV_HEAD_DIM_V - 8)), (float8)(0.0f));
#endif
            v += V_ROW;
        }
    }
}

/* Fetch share i of n of the K, or the V, of a step: the arithmetic of a register tile hides it. */
INLINE void fetch_k(const clkv_work *work, uint t0, uint end, uint i, uint n, CLKV_SLAB_PARAMS)
{
    const uint line_dims = K_ROW < LINE ? 2 : 1; /* dimensions per line */
    for (uint t = t0; t < min(t0 + MANY_STEP, end); t += LANES) {
        __global const uchar *k = k_of(work, t, CLKV_SLAB_ARGS);
        for (uint d = i * CLKV_HEAD_DIM / n; d < (i + 1u) * CLKV_HEAD_DIM / n; d += line_dims) {
            FETCH(k + d * K_ROW);
        }
    }
}

INLINE void fetch_v(const clkv_work *work, uint t0, uint tokens, uint i, uint n, CLKV_SLAB_PARAMS)
{
    for (uint t = i * tokens / n; t < (i + 1u) * tokens / n; t++) {
        __global const uchar *v = v_of(work, t0 + t, CLKV_SLAB_ARGS);
        for (uint at = 0; at < V_ROW; at += LINE) {
            FETCH(v + at);
        }
    }
}

CALLED void many(const clkv_work *work, clkv_sweep *sweep, uint end, CLKV_SLAB_PARAMS)
{
    float16 wide[CLKV_HEAD_DIM * 4 > MANY_STEP * V_VECS ? CLKV_HEAD_DIM * 4 : MANY_STEP * V_VECS];
    const uint tiles = (sweep->n + MICRO - 1u) / MICRO;
    for (uint t0 = work->item.first; t0 < end; t0 += MANY_STEP) {
        const uint tokens = min(MANY_STEP, end - t0);
        widen_k(work, wide, t0, end, CLKV_SLAB_ARGS);
        for (uint r = 0; r < sweep->n; r += MICRO) {
            fetch_v(work, t0, tokens, r / MICRO, tiles, CLKV_SLAB_ARGS);
            scores_many(sweep, wide, r);
        }
        for (uint r = 0; r < sweep->n; r++) {
            softmax(sweep, r, seen_by(work, sweep, r, t0, tokens), MANY_STEP / LANES);
        }
        widen_v(work, wide, t0, tokens, CLKV_SLAB_ARGS);
        for (uint r = 0; r < sweep->n; r += MICRO) {
            const uint last = min(r + MICRO, sweep->n) - 1u;
            const uint all = seen_by(work, sweep, r, t0, tokens);
            uint c = 0;
            fetch_k(work, t0 + MANY_STEP, end, r / MICRO, tiles, CLKV_SLAB_ARGS);
#if V_VECS >= 4
            for (; c + 4 <= V_VECS; c += 4) {
                values_many_4(sweep, wide, r, c, all);
            }
#endif
#if V_VECS & 2
            values_many_2(sweep, wide, r, c, all);
            c += 2;
#endif
#if V_VECS & 1
            values_many_1(sweep, wide, r, c, all);
#endif
            values_rest(work, sweep, r, MICRO, t0, all, seen_by(work, sweep, last, t0, tokens), CLKV_SLAB_ARGS);
        }
    }
}

/* Row r of the sweep in a caller's tensor [token][head][dim]: elements from its first one. */
INLINE ulong row_at(const clkv_work *work, const clkv_sweep *sweep, uint r, uint stride, uint dim)
{
    const uint row = sweep->r0 + r, head = work->kv_head * CLKV_GROUP + row % CLKV_GROUP;
    return (ulong)(work->item.token + row / CLKV_GROUP) * stride + head * dim;
}

CALLED void begin(const clkv_work *work, clkv_sweep *sweep, float scale, __global const clkv_in *q, ulong q_offset,
                  uint q_stride)
{
    for (uint r = 0; r < SWEEP_ROWS; r++) {
        const ulong at = q_offset + row_at(work, sweep, r, q_stride, CLKV_HEAD_DIM);
        for (uint d = 0; d < CLKV_HEAD_DIM; d += 8) {
            vstore8(r < sweep->n ? clkv_in_8(q, at + d) * (scale * LOG2_E) : (float8)(0.0f), 0, sweep->q[r] + d);
        }
        for (uint c = 0; c < V_VECS; c++) {
            sweep->o[r][c] = (float16)(0.0f);
        }
        sweep->sum[r] = (float16)(0.0f);
        sweep->top[r] = LOWEST;
        sweep->rescale[r] = 1.0f;
    }
}

CALLED void finish(const clkv_work *work, const clkv_sweep *sweep, __global clkv_out *o, ulong o_offset,
                   uint o_stride, __global float *lse, ulong lse_offset, uint lse_stride, uint want_lse,
                   __global float *part_o, __global float2 *part_sums)
{
    for (uint r = 0; r < sweep->n; r++) {
        const float sum = sum_of(sweep->sum[r]);
        const float norm = sum == 0.0f ? 0.0f : 1.0f / sum;
        const float row_lse = (sweep->top[r] + log2(sum)) * LN_2;
        if (work->item.part == CLKV_DIRECT) {
            const ulong o_at = o_offset + row_at(work, sweep, r, o_stride, CLKV_HEAD_DIM_V);
            for (uint d = 0; d < CLKV_HEAD_DIM_V; d += 8) {
                clkv_out_8(vload8(0, (const float *)sweep->o[r] + d) * norm, o, o_at + d);
            }
            if (want_lse) {
                lse[lse_offset + row_at(work, sweep, r, lse_stride, 1)] =
                    sum == 0.0f ? as_float(0xff800000u) : row_lse; /* −inf */
            }
        } else {
            const uint row = sweep->r0 + r;
            const ulong at = (ulong)(work->item.part + row / CLKV_GROUP) * CLKV_HEADS + work->kv_head * CLKV_GROUP +
                             row % CLKV_GROUP;
            for (uint d = 0; d < CLKV_HEAD_DIM_V; d += 8) {
                vstore8(vload8(0, (const float *)sweep->o[r] + d) * norm, 0, part_o + at * CLKV_HEAD_DIM_V + d);
            }
            part_sums[at] = (float2)(sweep->top[r], sum);
        }
    }
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void clkv_attention(CLKV_SLAB_PARAMS, __global const uint *rows, uint row_stride, __global const uint *batch,
                    uint items_at, uint layer, ulong block_bytes, uint blocks_per_slab, float scale,
                    __global const clkv_in *q, ulong q_offset, uint q_stride, __global clkv_out *o, ulong o_offset,
                    uint o_stride, __global float *lse, ulong lse_offset, uint lse_stride, uint want_lse,
                    __global float *part_o, __global float2 *part_sums)
{
    clkv_work work;
    clkv_sweep sweep;
    clkv_read_item(&work.item, batch, items_at, get_group_id(0) / CLKV_KV_HEADS);
    work.table = rows + (ulong)work.item.row * row_stride;
    work.kv_head = get_group_id(0) % CLKV_KV_HEADS;
    work.tile_at = clkv_tile_at(layer, work.kv_head);
    work.block_bytes = block_bytes;
    work.blocks_per_slab = blocks_per_slab;
    const uint n_rows = work.item.queries * CLKV_GROUP;

    for (sweep.r0 = 0; sweep.r0 < n_rows; sweep.r0 += SWEEP_ROWS) {
        sweep.n = min(SWEEP_ROWS, n_rows - sweep.r0);
        begin(&work, &sweep, scale, q, q_offset, q_stride);
        /* the last row sees the most */
        const uint end = clkv_row_end(&work.item, (sweep.r0 + sweep.n - 1u) / CLKV_GROUP);
#if FEW_FITS
        if (sweep.n <= FEW_ROWS) {
            few(&work, &sweep, end, CLKV_SLAB_ARGS);
        } else
#endif
        {
            many(&work, &sweep, end, CLKV_SLAB_ARGS);
        }
        finish(&work, &sweep, o, o_offset, o_stride, lse, lse_offset, lse_stride, want_lse, part_o, part_sums);
    }
}
