/* prelude.cl: what every kernel file is compiled after: parameters, types, the layout of slabs and plans.
 * OpenCL C 1.2 without any extension. Every parameter has a default, so that each file compiles alone:
 * cat prelude.cl attention_cpu.cl.
 *
 *   slab   [layer][block of the slab][kv_head]{ K [head_dim][block_size], V [block_size][head_dim_v] }
 *
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
#ifndef CLKV_KV_HALF
#define CLKV_KV_HALF 1 /* K and V in the slabs: 1 = binary16, 0 = binary32 */
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
#ifndef CLKV_SUB_GROUP
#define CLKV_SUB_GROUP 0 /* lanes of a sub-group that attention asks for (Intel's extension); 0: any */
#endif

#define CLKV_HEADS (CLKV_KV_HEADS * CLKV_GROUP)
#define CLKV_K_TILE (CLKV_HEAD_DIM * CLKV_BLOCK_SIZE)
#define CLKV_KV_TILE ((CLKV_HEAD_DIM + CLKV_HEAD_DIM_V) * CLKV_BLOCK_SIZE) /* elements per block and KV head */

#if CLKV_KV_HALF
typedef half clkv_kv;
#define CLKV_KV_LOAD(p, i) vload_half((i), (p))
#define CLKV_KV_STORE(x, p, i) vstore_half_rte((x), (i), (p))
#else
typedef float clkv_kv;
#define CLKV_KV_LOAD(p, i) ((p)[i])
#define CLKV_KV_STORE(x, p, i) ((p)[i] = (x))
#endif
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

/* Kernels take the slabs as the first CLKV_SLABS arguments. OpenCL C 1.2 has no pointers in buffers, and
 * a private array of pointers would spill on GPUs: a chain of selects is free where all lanes agree. */
#define CLKV_SP(i) __global clkv_kv *slab##i
#define CLKV_SP4(a, b, c, d) CLKV_SP(a), CLKV_SP(b), CLKV_SP(c), CLKV_SP(d)
#if CLKV_SLABS == 1
#define CLKV_SLAB_PARAMS CLKV_SP(0)
#define CLKV_SLAB_ARGS slab0
#elif CLKV_SLABS == 2
#define CLKV_SLAB_PARAMS CLKV_SP(0), CLKV_SP(1)
#define CLKV_SLAB_ARGS slab0, slab1
#elif CLKV_SLABS == 4
#define CLKV_SLAB_PARAMS CLKV_SP4(0, 1, 2, 3)
#define CLKV_SLAB_ARGS slab0, slab1, slab2, slab3
#elif CLKV_SLABS == 8
#define CLKV_SLAB_PARAMS CLKV_SP4(0, 1, 2, 3), CLKV_SP4(4, 5, 6, 7)
#define CLKV_SLAB_ARGS slab0, slab1, slab2, slab3, slab4, slab5, slab6, slab7
#elif CLKV_SLABS == 16
#define CLKV_SLAB_PARAMS CLKV_SP4(0, 1, 2, 3), CLKV_SP4(4, 5, 6, 7), CLKV_SP4(8, 9, 10, 11), CLKV_SP4(12, 13, 14, 15)
#define CLKV_SLAB_ARGS slab0, slab1, slab2, slab3, slab4, slab5, slab6, slab7, slab8, slab9, slab10, slab11, \
    slab12, slab13, slab14, slab15
#elif CLKV_SLABS == 32
#define CLKV_SLAB_PARAMS CLKV_SP4(0, 1, 2, 3), CLKV_SP4(4, 5, 6, 7), CLKV_SP4(8, 9, 10, 11), CLKV_SP4(12, 13, 14, 15), \
    CLKV_SP4(16, 17, 18, 19), CLKV_SP4(20, 21, 22, 23), CLKV_SP4(24, 25, 26, 27), CLKV_SP4(28, 29, 30, 31)
#define CLKV_SLAB_ARGS slab0, slab1, slab2, slab3, slab4, slab5, slab6, slab7, slab8, slab9, slab10, slab11, \
    slab12, slab13, slab14, slab15, slab16, slab17, slab18, slab19, slab20, slab21, slab22, slab23, \
    slab24, slab25, slab26, slab27, slab28, slab29, slab30, slab31
#else
#error "CLKV_SLABS must be 1, 2, 4, 8, 16 or 32"
#endif

/* The slab that holds block number `slab` · blocks_per_slab + … */
static inline __global clkv_kv *clkv_pick_slab(uint slab, CLKV_SLAB_PARAMS)
{
    __global clkv_kv *p = slab0;
#if CLKV_SLABS >= 2
    p = slab == 1u ? slab1 : p;
#endif
#if CLKV_SLABS >= 4
    p = slab == 2u ? slab2 : p;
    p = slab == 3u ? slab3 : p;
#endif
#if CLKV_SLABS >= 8
    p = slab == 4u ? slab4 : p;
    p = slab == 5u ? slab5 : p;
    p = slab == 6u ? slab6 : p;
    p = slab == 7u ? slab7 : p;
#endif
#if CLKV_SLABS >= 16
    p = slab == 8u ? slab8 : p;
    p = slab == 9u ? slab9 : p;
    p = slab == 10u ? slab10 : p;
    p = slab == 11u ? slab11 : p;
    p = slab == 12u ? slab12 : p;
    p = slab == 13u ? slab13 : p;
    p = slab == 14u ? slab14 : p;
    p = slab == 15u ? slab15 : p;
#endif
#if CLKV_SLABS >= 32
    p = slab == 16u ? slab16 : p;
    p = slab == 17u ? slab17 : p;
    p = slab == 18u ? slab18 : p;
    p = slab == 19u ? slab19 : p;
    p = slab == 20u ? slab20 : p;
    p = slab == 21u ? slab21 : p;
    p = slab == 22u ? slab22 : p;
    p = slab == 23u ? slab23 : p;
    p = slab == 24u ? slab24 : p;
    p = slab == 25u ? slab25 : p;
    p = slab == 26u ? slab26 : p;
    p = slab == 27u ? slab27 : p;
    p = slab == 28u ? slab28 : p;
    p = slab == 29u ? slab29 : p;
    p = slab == 30u ? slab30 : p;
    p = slab == 31u ? slab31 : p;
#endif
    return p;
}

/* The K tile of one block, layer and KV head; the V tile follows CLKV_K_TILE elements later. Blocks are
 * counted through all slabs; products are 64-bit, since any real pool is beyond 32 bits. */
static inline __global clkv_kv *clkv_kv_tile(uint block, uint layer, uint kv_head, uint blocks_per_slab,
                                             CLKV_SLAB_PARAMS)
{
#if CLKV_SLABS == 1
    __global clkv_kv *slab = slab0;
    const uint local_block = block;
#else
    const uint which = block / blocks_per_slab;
    __global clkv_kv *slab = clkv_pick_slab(which, CLKV_SLAB_ARGS);
    const uint local_block = block - which * blocks_per_slab;
#endif
    const ulong tile = ((ulong)layer * blocks_per_slab + local_block) * CLKV_KV_HEADS + kv_head;
    return slab + tile * CLKV_KV_TILE;
}

/* Of one layer a block is one run of bytes, K and V of every KV head: what copies and clears go through in
 * pieces. head_dim + head_dim_v is at least 16, so a run is a multiple of 32 bytes. */
#if CLKV_WORK_GROUP == 1
typedef uint8 clkv_piece;
#else
typedef uint4 clkv_piece;
#endif
#define CLKV_BLOCK_PIECES ((uint)(CLKV_KV_HEADS * CLKV_KV_TILE * sizeof(clkv_kv) / sizeof(clkv_piece)))

/* The packed upload of a batch is an array of uint; src/plan/plan.h has the same layout.
 *   entry  uint4 { row, context, q_start, part_base }, one more than there are entries closes the list
 *   item   uint2 { entry | chunk << 16, first query of the tile }
 *   merge  uint2 { entry, query }
 *   slot   uint  block * block_size + offset, per token */
#define CLKV_PLAN_DIRECT 0xffffffffu /* part_base of an entry that is not split */

/* Eight elements at a time, for CPUs. The callers' tensors may begin at any element, and pocl's vload_halfn
 * and vstore_halfn take for granted that they are aligned to the whole vector: those halves go through a
 * private copy. Slabs are aligned to 16 bytes at every eighth element. */
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

static inline float8 clkv_kv_8(__global const clkv_kv *p)
{
#if CLKV_KV_HALF
    return vload_half8(0, p);
#else
    return vload8(0, p);
#endif
}

static inline void clkv_kv_store_8(float8 x, __global clkv_kv *p)
{
#if CLKV_KV_HALF
    vstore_half8_rte(x, 0, p);
#else
    vstore8(x, 0, p);
#endif
}

/* Eight dimensions of one token of a K tile: they lie a block apart. */
static inline float8 clkv_k_8(__global const clkv_kv *p)
{
    const uint n = CLKV_BLOCK_SIZE;
#if CLKV_KV_HALF
    __global const ushort *from = (__global const ushort *)p;
    const ushort8 bits = (ushort8)(from[0], from[n], from[2 * n], from[3 * n], from[4 * n], from[5 * n],
                                   from[6 * n], from[7 * n]);
    return vload_half8(0, (const half *)&bits);
#else
    return (float8)(p[0], p[n], p[2 * n], p[3 * n], p[4 * n], p[5 * n], p[6 * n], p[7 * n]);
#endif
}

static inline void clkv_k_store_8(float8 x, __global clkv_kv *p)
{
    const uint n = CLKV_BLOCK_SIZE;
#if CLKV_KV_HALF
    __global ushort *to = (__global ushort *)p;
    ushort8 bits;
    vstore_half8_rte(x, 0, (half *)&bits);
#else
    __global float *to = p;
    const float8 bits = x;
#endif
    to[0] = bits.s0;
    to[n] = bits.s1;
    to[2 * n] = bits.s2;
    to[3 * n] = bits.s3;
    to[4 * n] = bits.s4;
    to[5 * n] = bits.s5;
    to[6 * n] = bits.s6;
    to[7 * n] = bits.s7;
}

/* 2^x for x ≤ 0: relative error below 2e-7, exactly 0 below −126, NaN for NaN: max() and min() would lose it.
 * Truncating x − ½ rounds to nearest. */
static inline __attribute__((always_inline)) float16 exp2_16(float16 x)
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

static inline __attribute__((always_inline)) float max_of(float16 x)
{
    const float8 a = max(x.lo, x.hi);
    const float4 b = max(a.lo, a.hi);
    const float2 c = max(b.lo, b.hi);
    return max(c.x, c.y);
}

static inline __attribute__((always_inline)) float sum_of(float16 x)
{
    const float8 a = x.lo + x.hi;
    const float4 b = a.lo + a.hi;
    const float2 c = b.lo + b.hi;
    return c.x + c.y;
}

/* What one work-item of the kernels that both tiers use moves at a time: eight elements where it is alone in
 * its work-group (every head_dim is a multiple of 8), else one, so that neighbours touch neighbours. */
#if CLKV_WORK_GROUP == 1
#define CLKV_WIDTH 8
typedef float8 clkv_wide;
#define CLKV_IN_WIDE(p, at) clkv_in_8((p), (at))
#define CLKV_OUT_WIDE(x, p, at) clkv_out_8((x), (p), (at))
#define CLKV_KV_WIDE(p) clkv_kv_8(p)
#define CLKV_KV_WIDE_STORE(x, p) clkv_kv_store_8((x), (p))
#define CLKV_K_WIDE(p) clkv_k_8(p)
#define CLKV_K_WIDE_STORE(x, p) clkv_k_store_8((x), (p))
#else
#define CLKV_WIDTH 1
typedef float clkv_wide;
#define CLKV_IN_WIDE(p, at) CLKV_IN_LOAD(p, at)
#define CLKV_OUT_WIDE(x, p, at) CLKV_OUT_STORE(x, p, at)
#define CLKV_KV_WIDE(p) CLKV_KV_LOAD(p, 0)
#define CLKV_KV_WIDE_STORE(x, p) CLKV_KV_STORE(x, p, 0)
#define CLKV_K_WIDE(p) CLKV_KV_LOAD(p, 0)
#define CLKV_K_WIDE_STORE(x, p) CLKV_KV_STORE(x, p, 0)
#endif
