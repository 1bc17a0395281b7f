/* matmul.cl: y[token][row] (+)= Σ w[row][col] · x[token][col], weights fp16 or fp32, the rest fp32.
 * OpenCL C 1.2 without any extension; the host passes LLM_GROUP and LLM_HALF.
 *
 * Both kernels take the same arguments, and rows of w lie `ld` apart, a multiple of 16, so that every vector
 * of weights is aligned. Each output is one sum over the columns in an order that does not depend on how many
 * tokens there are: within a kernel, a token's result does not change with the company that it keeps.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LLM_GROUP
#define LLM_GROUP 64 /* work-items of a work-group: a power of two; 1 on the CPU tier */
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
#else
typedef float llm_weight;
#define LLM_W(p, i) ((p)[i])
#define LLM_W4(p) vload4(0, (p))
#define LLM_W16(p) vload16(0, (p))
#define LLM_W_STORE(x, p, i) ((p)[i] = (x))
#endif

/* What every kernel of this file is called with. `tile` is in tokens. */
#define LLM_MATMUL_PARAMS                                                                                          \
    __global const llm_weight *w, ulong ld, __global const float *x, uint ldx, __global float *y, uint ldy,        \
        uint rows, uint cols, uint tokens, uint add, uint tile

static inline float llm_sum16(float16 v)
{
    const float8 a = v.lo + v.hi;
    const float4 b = a.lo + a.hi;
    const float2 c = b.lo + b.hi;
    return c.x + c.y;
}

#if LLM_GROUP == 1
/* R rows by T tokens at a time, an accumulator of 16 columns for each pair: every vector of weights serves T
 * products and every vector of x R of them. Written out by macros, since arrays of accumulators would go
 * through memory in some compilers. */
static inline float llm_rest(__global const llm_weight *w, __global const float *x, uint from, uint cols)
{
    float sum = 0.0f;
    for (uint k = from; k < cols; k++) sum = fma(LLM_W(w, k), x[k], sum);
    return sum;
}

#define EACH_ROW1(M, t) M(0, t)
#define EACH_ROW4(M, t) M(0, t) M(1, t) M(2, t) M(3, t)
#define EACH_ROW8(M, t) EACH_ROW4(M, t) M(4, t) M(5, t) M(6, t) M(7, t)
#define EACH_TOKEN1(M, R) M(R, 0)
#define EACH_TOKEN2(M, R) M(R, 0) M(R, 1)
#define EACH_TOKEN4(M, R) EACH_TOKEN2(M, R) M(R, 2) M(R, 3)
#define EACH_TOKEN6(M, R) EACH_TOKEN4(M, R) M(R, 4) M(R, 5)

#define ZERO(r, t) float16 a##r##t = (float16)(0.0f);
#define WEIGHTS(r, t) const float16 w##r = LLM_W16(w + r * ld + k);
#define MULTIPLY(r, t) a##r##t = fma(w##r, xv, a##r##t);
#define STORE(r, t)                                                                                                \
    {                                                                                                              \
        const float sum = llm_sum16(a##r##t) + llm_rest(w + r * ld, x + t * ldx, whole, cols);                     \
        y[t * ldy + r] = add ? y[t * ldy + r] + sum : sum;                                                         \
    }
#define ZERO_TOKEN(R, t) EACH_ROW##R(ZERO, t)
#define MULTIPLY_TOKEN(R, t)                                                                                       \
    {                                                                                                              \
        const float16 xv = vload16(0, x + t * ldx + k);                                                            \
        EACH_ROW##R(MULTIPLY, t)                                                                                   \
    }
#define STORE_TOKEN(R, t) EACH_ROW##R(STORE, t)

#define TILE(R, T)                                                                                                 \
    static inline void llm_tile_##R##x##T(__global const llm_weight *w, ulong ld, __global const float *x,         \
                                          ulong ldx, __global float *y, ulong ldy, uint cols, uint add)            \
    {                                                                                                              \
        const uint whole = cols & ~15u;                                                                            \
        EACH_TOKEN##T(ZERO_TOKEN, R) for (uint k = 0; k < whole; k += 16)                                          \
        {                                                                                                          \
            EACH_ROW##R(WEIGHTS, 0) EACH_TOKEN##T(MULTIPLY_TOKEN, R)                                               \
        }                                                                                                          \
        EACH_TOKEN##T(STORE_TOKEN, R)                                                                              \
    }

TILE(1, 1)
TILE(4, 1)
TILE(8, 1)
TILE(4, 2)
TILE(4, 4)
TILE(4, 6)

/* One token: a work-group takes 32 rows, eight at a time; nothing matters but that memory streams. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void llm_matmul_few(LLM_MATMUL_PARAMS)
{
    const uint first = (uint)get_group_id(0) * 32, last = min(first + 32, rows);
    for (uint t = 0; t < tokens; t++, x += ldx, y += ldy) {
        uint r = first;
        for (; r + 8 <= last; r += 8) llm_tile_8x1(w + r * ld, ld, x, ldx, y + r, ldy, cols, add);
        for (; r < last; r++) llm_tile_1x1(w + r * ld, ld, x, ldx, y + r, ldy, cols, add);
    }
}

/* Many: a work-group takes 32 rows and `tile` tokens, so few that their x stays in the second-level cache. Each
 * four rows of weights come from memory once and serve all of them. Groups of the same rows follow each other. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void llm_matmul_many(LLM_MATMUL_PARAMS)
{
    const uint tiles = (tokens + tile - 1) / tile, group = (uint)get_group_id(0);
    const uint first = group / tiles * 32, last = min(first + 32, rows);
    const uint from = group % tiles * tile, to = min(from + tile, tokens);
    uint r = first;
    for (; r + 4 <= last; r += 4) {
        __global const llm_weight *wr = w + r * ld;
        uint t = from;
        for (; t + 6 <= to; t += 6)
            llm_tile_4x6(wr, ld, x + (ulong)t * ldx, ldx, y + (ulong)t * ldy + r, ldy, cols, add);
        if (t + 4 <= to) {
            llm_tile_4x4(wr, ld, x + (ulong)t * ldx, ldx, y + (ulong)t * ldy + r, ldy, cols, add);
            t += 4;
        }
        if (t + 2 <= to) {
            llm_tile_4x2(wr, ld, x + (ulong)t * ldx, ldx, y + (ulong)t * ldy + r, ldy, cols, add);
            t += 2;
        }
        if (t < to) llm_tile_4x1(wr, ld, x + (ulong)t * ldx, ldx, y + (ulong)t * ldy + r, ldy, cols, add);
    }
    for (; r < last; r++)
        for (uint t = from; t < to; t++)
            llm_tile_1x1(w + r * ld, ld, x + (ulong)t * ldx, ldx, y + (ulong)t * ldy + r, ldy, cols, add);
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
