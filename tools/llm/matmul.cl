/* matmul.cl: y[token][row] (+)= Σ w[row][col] · x[token][col], weights fp16 or fp32, the rest fp32.
 * OpenCL C 1.2 without any extension; the host passes LLM_GROUP, LLM_STRIP and LLM_HALF.
 *
 * Weights lie in strips of LLM_STRIP rows, and within a strip column by column: element (row, col) is at
 * (row / LLM_STRIP · ld + col) · LLM_STRIP + row % LLM_STRIP. With strips of one row that is row by row, `ld`
 * apart, a multiple of 16. The CPU tier has strips of 32: one lane is one row, no sum goes across lanes, and what
 * a core reads is one run of memory.
 *
 *   strip   col 0  r0 r1 r2 … r31        one fp16 cache line, 32 products for each token
 *           col 1  r0 r1 r2 … r31
 *           …
 *
 * Each output is one sum over the columns in an order that does not depend on how many tokens there are: within
 * a kernel, a token's result does not change with the company that it keeps. SPDX-License-Identifier: Apache-2.0 */
#ifdef __clang__
#pragma clang diagnostic ignored "-Wpsabi" /* as in clkv's prelude.cl: pocl would print the number of warnings */
#endif
#ifndef LLM_GROUP
#define LLM_GROUP 64 /* work-items of a work-group: a power of two; 1 on the CPU tier */
#endif
#ifndef LLM_STRIP
#define LLM_STRIP 1 /* rows of a strip: 32 on the CPU tier, or 1 where a library reads the weights too */
#endif
#ifndef LLM_HALF
#define LLM_HALF 1 /* weights: 1 = binary16, 0 = binary32 */
#endif

#if LLM_HALF
typedef half llm_weight;
#define LLM_W(p, i) vload_half((i), (p))
#define LLM_W4(p) vload_half4(0, (p))
#define LLM_W16(p) vload_half16(0, (p))
#define LLM_W_STORE(x, p, i) vstore_half_rte((x), (i), (p))
#define LLM_W_STORE16(x, p, i) vstore_half16_rte((x), (i), (p))
#else
typedef float llm_weight;
#define LLM_W(p, i) ((p)[i])
#define LLM_W4(p) vload4(0, (p))
#define LLM_W16(p) vload16(0, (p))
#define LLM_W_STORE(x, p, i) ((p)[i] = (x))
#define LLM_W_STORE16(x, p, i) vstore16((x), (i), (p))
#endif

/* What every kernel of this file is called with. `tile` is in tokens. */
#define LLM_MATMUL_PARAMS                                                                                          \
    __global const llm_weight *w, ulong ld, __global const float *x, uint ldx, __global float *y, uint ldy,        \
        uint rows, uint cols, uint tokens, uint add, uint tile

/* Where a row's first element is; its others are LLM_STRIP apart. */
#define LLM_ROW(row, ld) ((ulong)((row) / LLM_STRIP) * (ld) * LLM_STRIP + (row) % LLM_STRIP)

#if LLM_GROUP == 1
/* A strip by T tokens at a time, its 32 rows in two vectors for each token. Written out by macros, since arrays of
 * accumulators would go through memory in some compilers; called, not inlined, since some make several copies
 * of a kernel's body. Columns come in blocks that the first-level cache holds while all tokens use them, and
 * which make long sums in two levels. */
#define BLOCK_COLS 512
#define AHEAD 8192 /* bytes of weights between what is asked for and what is used */

/* pocl's prefetch() does nothing, so where the compiler makes code for the host's own CPU it is clang's. */
#if defined(__x86_64__) || defined(__aarch64__)
#define FETCH(p) __builtin_prefetch((const void *)((ulong)(p) + AHEAD))
#else
#define FETCH(p) prefetch((__global const uint *)((p) + AHEAD / sizeof(llm_weight)), 1) /* of halves: only with fp16 */
#endif
#if LLM_HALF
#define FETCH_COLUMN(p) FETCH(p)
#else
#define FETCH_COLUMN(p)                                                                                            \
    FETCH(p);                                                                                                      \
    FETCH((p) + 16)
#endif

/* y[0 … lanes) of a token, the sums so far added when `more`. */
static inline void llm_put(float16 a, float16 b, __global float *y, uint lanes, uint more)
{
    if (lanes == 32) {
        vstore16(more ? vload16(0, y) + a : a, 0, y);
        vstore16(more ? vload16(1, y) + b : b, 1, y);
        return;
    }
    float all[32];
    vstore16(a, 0, all);
    vstore16(b, 1, all);
    for (uint r = 0; r < lanes; r++) y[r] = more ? y[r] + all[r] : all[r];
}

#define EACH1(M) M(0)
#define EACH2(M) EACH1(M) M(1)
#define EACH3(M) EACH2(M) M(2)
#define EACH4(M) EACH3(M) M(3)
#define EACH5(M) EACH4(M) M(4)
#define EACH6(M) EACH5(M) M(5)
#define EACH7(M) EACH6(M) M(6)
#define EACH8(M) EACH7(M) M(7)
#define EACH9(M) EACH8(M) M(8)
#define EACH10(M) EACH9(M) M(9)
#define EACH11(M) EACH10(M) M(10)
#define EACH12(M) EACH11(M) M(11)

#define ZERO(t) float16 a##t = (float16)(0.0f), b##t = a##t;
#define MULTIPLY(t)                                                                                                \
    {                                                                                                              \
        const float16 xv = (float16)(x[t * ldx + k]);                                                              \
        a##t = fma(wa, xv, a##t);                                                                                  \
        b##t = fma(wb, xv, b##t);                                                                                  \
    }
#define PUT(t) llm_put(a##t, b##t, y + t * ldy, lanes, more);

#define TILE(T)                                                                                                    \
    static __attribute__((noinline)) void llm_tile_##T(__global const llm_weight *w, __global const float *x,      \
                                                       ulong ldx, __global float *y, ulong ldy, uint cols,         \
                                                       uint lanes, uint more)                                      \
    {                                                                                                              \
        EACH##T(ZERO) for (uint k = 0; k < cols; k++, w += 32)                                                     \
        {                                                                                                          \
            FETCH_COLUMN(w);                                                                                       \
            const float16 wa = LLM_W16(w), wb = LLM_W16(w + 16);                                                   \
            EACH##T(MULTIPLY)                                                                                      \
        }                                                                                                          \
        EACH##T(PUT)                                                                                               \
    }

TILE(1)
TILE(2)
TILE(3)
TILE(4)
TILE(5)
TILE(6)
TILE(7)
TILE(8)
TILE(9)
TILE(10)
TILE(11)
TILE(12)

/* A work-group takes a strip and `tile` tokens. Groups of the same strip follow each other. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void llm_matmul_many(LLM_MATMUL_PARAMS)
{
    const uint tiles = (tokens + tile - 1) / tile, group = (uint)get_group_id(0);
    const uint first = group / tiles * 32, lanes = min(rows - first, 32u);
    const uint from = group % tiles * tile, to = min(from + tile, tokens);
    w += first * ld;
    y += first;
    for (uint k = 0; k < cols; k += BLOCK_COLS) {
        const uint n = min(cols - k, (uint)BLOCK_COLS), more = add || k > 0;
        __global const llm_weight *wk = w + (ulong)k * 32;
        for (uint t = from; t < to; t += 12) {
#define TAKE(T)                                                                                                    \
    case T: llm_tile_##T(wk, x + (ulong)t * ldx + k, ldx, y + (ulong)t * ldy, ldy, n, lanes, more); break;
            switch (min(to - t, 12u)) {
                TAKE(1)
                TAKE(2)
                TAKE(3)
                TAKE(4)
                TAKE(5)
                TAKE(6)
                TAKE(7)
                TAKE(8)
                TAKE(9)
                TAKE(10)
                TAKE(11)
                TAKE(12)
            }
        }
    }
}

#else
/* A few tokens: a work-group takes one row, its work-items share the columns, four tokens at a time. */
__kernel __attribute__((reqd_work_group_size(LLM_GROUP, 1, 1))) void llm_matmul_few(LLM_MATMUL_PARAMS)
{
    __local float4 part[LLM_GROUP];
    const uint row = (uint)get_group_id(0), lane = (uint)get_local_id(0);
    w += row * ld;
    for (uint t = 0; t < tokens; t += 4) {
        /* Past the last token the last one again, whose result is not kept. */
        __global const float *x0 = x + (ulong)t * ldx;
        __global const float *x1 = x + (ulong)min(t + 1, tokens - 1) * ldx;
        __global const float *x2 = x + (ulong)min(t + 2, tokens - 1) * ldx;
        __global const float *x3 = x + (ulong)min(t + 3, tokens - 1) * ldx;
        float4 sum = (float4)(0.0f);
        uint k = lane * 4;
        for (; k + 4 <= cols; k += LLM_GROUP * 4) {
            const float4 a = LLM_W4(w + k);
            sum.x += dot(a, vload4(0, x0 + k));
            sum.y += dot(a, vload4(0, x1 + k));
            sum.z += dot(a, vload4(0, x2 + k));
            sum.w += dot(a, vload4(0, x3 + k));
        }
        for (; k < cols; k++) sum += LLM_W(w, k) * (float4)(x0[k], x1[k], x2[k], x3[k]);
        part[lane] = sum;
        barrier(CLK_LOCAL_MEM_FENCE);
        for (uint half_way = LLM_GROUP / 2; half_way > 0; half_way /= 2) {
            if (lane < half_way) part[lane] += part[lane + half_way];
            barrier(CLK_LOCAL_MEM_FENCE);
        }
        if (lane == 0) {
            const float4 all = part[0];
            for (uint i = 0; i < 4 && t + i < tokens; i++) {
                const float s = i == 0 ? all.x : i == 1 ? all.y : i == 2 ? all.z : all.w;
                __global float *to = y + (ulong)(t + i) * ldy + row;
                *to = add ? *to + s : s;
            }
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
}

/* Many: a work-group takes a tile of rows by tokens, 16 columns at a time through local memory; a work-item
 * has four rows by four tokens of it. */
#define ITEMS_X (LLM_GROUP < 8 ? LLM_GROUP : 8)
#define ITEMS_Y (LLM_GROUP / ITEMS_X)
#define TILE_ROWS (4 * ITEMS_X)
#define TILE_TOKENS (4 * ITEMS_Y)
#define TILE_COLS 16

__kernel __attribute__((reqd_work_group_size(LLM_GROUP, 1, 1))) void llm_matmul_many(LLM_MATMUL_PARAMS)
{
    __local float ws[TILE_COLS][TILE_ROWS];
    __local float xs[TILE_COLS][TILE_TOKENS];
    const uint tiles = (tokens + TILE_TOKENS - 1) / TILE_TOKENS, group = (uint)get_group_id(0);
    const uint row0 = group / tiles * TILE_ROWS, token0 = group % tiles * TILE_TOKENS;
    const uint lane = (uint)get_local_id(0), mine_x = lane % ITEMS_X * 4, mine_y = lane / ITEMS_X * 4;
    float4 s0 = (float4)(0.0f), s1 = s0, s2 = s0, s3 = s0; /* of a token each, four rows */
    for (uint k0 = 0; k0 < cols; k0 += TILE_COLS) {
        for (uint i = lane; i < TILE_ROWS * TILE_COLS; i += LLM_GROUP) {
            const uint r = i / TILE_COLS, k = i % TILE_COLS;
            ws[k][r] = row0 + r < rows && k0 + k < cols ? LLM_W(w + (ulong)(row0 + r) * ld, k0 + k) : 0.0f;
        }
        for (uint i = lane; i < TILE_TOKENS * TILE_COLS; i += LLM_GROUP) {
            const uint t = i / TILE_COLS, k = i % TILE_COLS;
            xs[k][t] = token0 + t < tokens && k0 + k < cols ? x[(ulong)(token0 + t) * ldx + k0 + k] : 0.0f;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (uint k = 0; k < TILE_COLS; k++) {
            const float4 a = vload4(0, &ws[k][mine_x]), b = vload4(0, &xs[k][mine_y]);
            s0 = fma(a, (float4)(b.x), s0);
            s1 = fma(a, (float4)(b.y), s1);
            s2 = fma(a, (float4)(b.z), s2);
            s3 = fma(a, (float4)(b.w), s3);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    /* Unrolled, or the choice among the sums puts them into memory. */
#pragma unroll
    for (uint i = 0; i < 16; i++) {
        const float4 s = i / 4 == 0 ? s0 : i / 4 == 1 ? s1 : i / 4 == 2 ? s2 : s3;
        const float one = i % 4 == 0 ? s.x : i % 4 == 1 ? s.y : i % 4 == 2 ? s.z : s.w;
        const uint t = token0 + mine_y + i / 4, r = row0 + mine_x + i % 4;
        if (t < tokens && r < rows) {
            __global float *to = y + (ulong)t * ldy + r;
            *to = add ? *to + one : one;
        }
    }
}
#endif
