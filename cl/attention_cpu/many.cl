/* many.cl: the part of attention_cpu.cl for many rows: a step is widened to float32 once for all of them.
 * SPDX-License-Identifier: Apache-2.0 */
#define ROW_STRIDE CLKV_HEAD_DIM
#if !WIDE_TILES
#define MANY_ROWS(X) ROWS_6(X##_1)
#define MANY_K const float16 b0 = k[0];
#elif CLKV_WIDE_TOKENS >= 64
#define MANY_ROWS(X) ROWS_6(X##_4)
#define MANY_K const float16 b0 = k[0], b1 = k[1], b2 = k[2], b3 = k[3];
#else
#define MANY_ROWS(X) ROWS_6(X##_2)
#define MANY_K const float16 b0 = k[0], b1 = k[1];
#endif
INLINE void scores_many(clkv_sweep *sweep, const float16 *wide, uint r)
{
    for (uint j = 0; j < MANY_STEP / LANES; j += MANY_VECS) {
        const float *a = sweep->q[r];
        const float16 *k = wide + j;
        MANY_ROWS(ZERO)
        for (uint d = 0; d < CLKV_HEAD_DIM; d++) {
            MANY_K
            MANY_ROWS(FMA)
            a++;
            k += MANY_STEP / LANES;
        }
        MANY_ROWS(SCORE)
    }
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
#if WIDE_TILES && V_VECS >= 4
VALUES_MANY(4)
#endif
#if WIDE_TILES && V_VECS & 2
VALUES_MANY(2)
#endif
#if !WIDE_TILES || V_VECS & 1
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
    float16 wide[CLKV_HEAD_DIM * (MANY_STEP / LANES) > MANY_STEP * V_VECS ? CLKV_HEAD_DIM * (MANY_STEP / LANES)
                                                                          : MANY_STEP * V_VECS];
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
#if WIDE_TILES && V_VECS >= 4
            for (; c + 4 <= V_VECS; c += 4) {
                values_many_4(sweep, wide, r, c, all);
            }
#endif
#if WIDE_TILES && V_VECS & 2
            values_many_2(sweep, wide, r, c, all);
            c += 2;
#endif
#if !WIDE_TILES || V_VECS & 1
            for (; c < V_VECS; c++) {
                values_many_1(sweep, wide, r, c, all);
            }
#endif
            values_rest(work, sweep, r, MICRO, t0, all, seen_by(work, sweep, last, t0, tokens), CLKV_SLAB_ARGS);
        }
    }
}
