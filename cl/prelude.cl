/* prelude.cl: the parameters of all kernels, and the types of the callers' tensors.
 *
 * A kernel file is compiled after the shared files, in this order: prelude.cl, every kv_*.cl, slabs.cl, plan.cl.
 * OpenCL C 1.2 without any extension. Every parameter has a default, so that each file compiles without options:
 * cat prelude.cl kv_f16.cl kv_f32.cl slabs.cl plan.cl attention_cpu.cl.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_HEAD_DIM
#define CLKV_HEAD_DIM 128 /* of Q and K */
#endif
#ifndef CLKV_HEAD_DIM_V
#define CLKV_HEAD_DIM_V CLKV_HEAD_DIM
#endif
#ifndef CLKV_KV_HEADS
#define CLKV_KV_HEADS 8
#endif
#ifndef CLKV_GROUP
#define CLKV_GROUP 4 /* query heads per KV head */
#endif
#ifndef CLKV_BLOCK_SIZE
#define CLKV_BLOCK_SIZE 16
#endif
#ifndef CLKV_K_FORMAT
#define CLKV_K_FORMAT f16 /* how K is kept in the slabs: the name of a kv_*.cl */
#endif
#ifndef CLKV_V_FORMAT
#define CLKV_V_FORMAT f16
#endif
#ifndef CLKV_IN_HALF
#define CLKV_IN_HALF 0 /* Q, or the K and V handed to append */
#endif
#ifndef CLKV_OUT_HALF
#define CLKV_OUT_HALF 0 /* O, or the K and V that gather writes */
#endif
#ifndef CLKV_SLABS
#define CLKV_SLABS 1 /* 1, 2, 4, 8, 16 or 32; surplus arguments repeat the last slab */
#endif
#ifndef CLKV_TILE_TOKENS
#define CLKV_TILE_TOKENS 3 /* queries per tile, as planned by the host */
#endif
#ifndef CLKV_WORK_GROUP
#define CLKV_WORK_GROUP 64 /* work-items per work-group; 1 on the CPU tier */
#endif
#ifndef CLKV_ACCUMULATORS
#define CLKV_ACCUMULATORS 24 /* of 16 floats that fit a CPU's vector registers beside operands: 24, or 6 */
#endif
#ifndef CLKV_FETCH_LEVEL
#define CLKV_FETCH_LEVEL 1 /* cache level, 1 or 2, into which CPU kernels fetch the keys and values of the next step */
#endif
#ifndef CLKV_WIDE_TOKENS
#define CLKV_WIDE_TOKENS 64 /* tokens that CPU kernels widen to float32 at a time: 64, or 32 */
#endif
#ifndef CLKV_SUB_GROUP
#define CLKV_SUB_GROUP 0 /* lanes of a sub-group that attention asks for (Intel's extension); 0: any */
#endif

/* pocl prints the number of clang's warnings on stderr. Two of them say nothing useful here: that vectors wider than the
 * registers of a CPU are passed in memory, which differs from CPUs with wider registers (no such function is called from
 * outside); and that a loop was not unrolled, which some of pocl's passes cannot do. */
#ifdef __clang__
#pragma clang diagnostic ignored "-Wpsabi"
#pragma clang diagnostic ignored "-Wpass-failed"
#endif

#define CLKV_HEADS (CLKV_KV_HEADS * CLKV_GROUP)
#define CLKV_INLINE static inline __attribute__((always_inline))

/* The function or macro `name` of the format of K, or of V: CLKV_K(load4) is clkv_f16_load4 when K is f16. */
#define CLKV_PASTE(format, name) clkv_##format##_##name
#define CLKV_OF(format, name) CLKV_PASTE(format, name)
#define CLKV_K(name) CLKV_OF(CLKV_K_FORMAT, name)
#define CLKV_V(name) CLKV_OF(CLKV_V_FORMAT, name)

#if CLKV_IN_HALF
typedef half clkv_in;
#define CLKV_IN_LOAD(p, i) vload_half((i), (p))
#else
typedef float clkv_in;
#define CLKV_IN_LOAD(p, i) ((p)[i])
#endif
#if CLKV_OUT_HALF
typedef half clkv_out;
#define CLKV_OUT_STORE(x, p, i) vstore_half_rte((x), (i), (p))
#else
typedef float clkv_out;
#define CLKV_OUT_STORE(x, p, i) ((p)[i] = (x))
#endif

/* Eight elements at a time, for CPUs. A caller's tensor may begin at any element, but pocl's vload_halfn and
 * vstore_halfn assume alignment to the whole vector. So halves go through a private copy. */
static inline float8 clkv_in_8(__global const clkv_in *p, ulong at)
{
#if CLKV_IN_HALF
    const ushort8 bits = vload8(0, (__global const ushort *)p + at);
    return vload_half8(0, (const half *)&bits);
#else
    return vload8(0, p + at);
#endif
}

static inline void clkv_out_8(float8 x, __global clkv_out *p, ulong at)
{
#if CLKV_OUT_HALF
    ushort8 bits;
    vstore_half8_rte(x, 0, (half *)&bits);
    vstore8(bits, 0, (__global ushort *)p + at);
#else
    vstore8(x, 0, p + at);
#endif
}

/* 2^x for x ≤ 0: relative error below 2e-7, exactly 0 below −126, NaN for NaN (so no max() and min(), which would
 * lose the NaN). Truncating x − ½ rounds to nearest. */
CLKV_INLINE float16 exp2_16(float16 x)
{
    const int16 under = x < -126.0f;
    const float16 bounded = select(x, (float16)(-126.0f), under);
    const int16 whole = convert_int16(bounded - 0.5f);
    const float16 f = bounded - convert_float16(whole);
    float16 y = fma(f, (float16)(1.3264739e-3f), (float16)(9.67151672e-3f));
    y = fma(y, f, (float16)(5.55073358e-2f));
    y = fma(y, f, (float16)(2.40222424e-1f));
    y = fma(y, f, (float16)(6.93147004e-1f));
    y = fma(y, f, (float16)(1.0f)); /* exactly 1 at 0: a single key gives exactly its V */
    return select(as_float16(as_int16(y) + (whole << 23)), (float16)(0.0f), under);
}

CLKV_INLINE float max_of(float16 x)
{
    const float8 a = max(x.lo, x.hi);
    const float4 b = max(a.lo, a.hi);
    const float2 c = max(b.lo, b.hi);
    return max(c.x, c.y);
}

CLKV_INLINE float sum_of(float16 x)
{
    const float8 a = x.lo + x.hi;
    const float4 b = a.lo + a.hi;
    const float2 c = b.lo + b.hi;
    return c.x + c.y;
}

/* The number of elements that a work-item moves at a time, in the kernels that both tiers use: eight when it is alone
 * in its work-group (every head_dim is a multiple of 8), else one, so that neighbouring work-items access
 * neighbouring elements. */
#if CLKV_WORK_GROUP == 1
#define CLKV_WIDTH 8
typedef float8 clkv_wide;
#define CLKV_IN_WIDE(p, at) clkv_in_8((p), (at))
#define CLKV_OUT_WIDE(x, p, at) clkv_out_8((x), (p), (at))
#define CLKV_K_WIDE(p) CLKV_K(load8_apart)(p)
#define CLKV_K_WIDE_STORE(x, p) CLKV_K(store8_apart)((x), (p))
#define CLKV_V_WIDE(p) CLKV_V(load8)(p)
#define CLKV_V_WIDE_STORE(x, p) CLKV_V(store8)((x), (p))
#else
#define CLKV_WIDTH 1
typedef float clkv_wide;
#define CLKV_IN_WIDE(p, at) CLKV_IN_LOAD(p, at)
#define CLKV_OUT_WIDE(x, p, at) CLKV_OUT_STORE(x, p, at)
#define CLKV_K_WIDE(p) CLKV_K(load)(p)
#define CLKV_K_WIDE_STORE(x, p) CLKV_K(store)((x), (p))
#define CLKV_V_WIDE(p) CLKV_V(load)(p)
#define CLKV_V_WIDE_STORE(x, p) CLKV_V(store)((x), (p))
#endif
