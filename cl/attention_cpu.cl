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
 * many rows  (prefill) widen a step of CLKV_WIDE_TOKENS tokens to float32 in private memory, first its K, then its V,
 *            and run over that with register tiles of 6 rows × 1 to 4 vectors: arithmetic bounds them.
 *
 * Three numbers depend on the processor (src/device/tuning.c): CLKV_ACCUMULATORS, CLKV_FETCH_LEVEL, CLKV_WIDE_TOKENS.
 *
 * Blocks of fewer than 16 tokens, and head_dim_v that are no multiple of 16, always take the second way. Which
 * way, and the order of every sum, follow from the item alone.
 * Slots without a token, and keys that a row must not see, may hold NaN: their scores are selected away,
 * their values never multiplied. SPDX-License-Identifier: Apache-2.0 */
#define LANES 16u
#define V_VECS ((CLKV_HEAD_DIM_V + 15u) / 16u) /* the last one half empty where head_dim_v is 8 more */
#define FEW_ROWS 8u
#define FEW_STEP 32u /* tokens */
#define MANY_STEP ((uint)CLKV_WIDE_TOKENS)
#define MICRO 6u /* rows of a register tile of many rows */
#define TILE_ROWS (CLKV_TILE_TOKENS * CLKV_GROUP)
#define SWEEP_ROWS (TILE_ROWS <= 8 ? 12u : TILE_ROWS > 48 ? 48u : (TILE_ROWS + MICRO - 1u) / MICRO * MICRO)
#define FEW_FITS (CLKV_BLOCK_SIZE >= 16 && CLKV_HEAD_DIM_V % 16 == 0)
/* Which register tiles there are. 24 accumulators want 32 registers of 16 floats; where a register holds fewer floats,
 * six of 16 floats take most of the registers, and a larger tile would go through memory. */
#define WIDE_TILES (CLKV_ACCUMULATORS >= 24)
#define MANY_VECS (!WIDE_TILES ? 1u : MANY_STEP >= 64u ? 4u : 2u) /* columns of a tile of many rows */
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

/* Asks for the cache line at p, into the cache level that CLKV_FETCH_LEVEL names. pocl's prefetch() does nothing, so
 * where the compiler makes code for the host's own CPU it is clang's builtin, whose last argument counts backwards. */
#if defined(__x86_64__) || defined(__aarch64__)
#define FETCH(p) __builtin_prefetch((const void *)(ulong)(p), 0, 4 - CLKV_FETCH_LEVEL)
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
#define ROWS_1(X) X(0)
#define ROWS_2(X) ROWS_1(X) X(1)
#define ROWS_4(X) ROWS_2(X) X(2) X(3)
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
#define SCORE(i, k) sweep->p[r + i][j + k] = c##i##k;
#define SCORE_1(i) SCORE(i, 0)
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

#include "attention_cpu/few.cl"
#include "attention_cpu/many.cl"

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
