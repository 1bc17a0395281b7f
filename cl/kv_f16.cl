/* kv_f16.cl: the format f16, in which an element of K or V is a binary16.
 *
 * Every format file defines these, under names that begin with clkv_ and the name of the format; src/kv/format.c has
 * the same numbers:
 *   bytes(n)                   the bytes of n elements that lie together
 *   scale_bytes(dims, tokens)  the bytes of the scales beside a tile of so many dimensions and tokens
 *   raw, widen16               the type of a stored element; converts 16 of them in private memory to float
 *   load, load2 … load16       load neighbours from p on. p is aligned to the whole vector, or to 16 bytes
 *   store, store8              store neighbours, rounded to the nearest, ties to even
 *   load8_apart, store8_apart  eight dimensions of one token of a K tile, which lie block_size elements apart
 *
 * Each load is a single wide access, since vload_half alone does not assume the alignment.
 * SPDX-License-Identifier: Apache-2.0 */
#define clkv_f16_bytes(n) ((n) * 2u)
#define clkv_f16_scale_bytes(dims, tokens) 0u

typedef ushort clkv_f16_raw;

CLKV_INLINE float16 clkv_f16_widen16(const clkv_f16_raw *bits)
{
    return vload_half16(0, (const half *)bits);
}

CLKV_INLINE float clkv_f16_load(__global const uchar *p)
{
    return vload_half(0, (__global const half *)p);
}

CLKV_INLINE float2 clkv_f16_load2(__global const uchar *p)
{
    const uint bits = *(__global const uint *)p;
    return vload_half2(0, (const half *)&bits);
}

CLKV_INLINE float4 clkv_f16_load4(__global const uchar *p)
{
    const uint2 bits = *(__global const uint2 *)p;
    return vload_half4(0, (const half *)&bits);
}

CLKV_INLINE float8 clkv_f16_load8(__global const uchar *p)
{
    return vload_half8(0, (__global const half *)p);
}

CLKV_INLINE float16 clkv_f16_load16(__global const uchar *p)
{
    return vload_half16(0, (__global const half *)p);
}

CLKV_INLINE void clkv_f16_store(float x, __global uchar *p)
{
    vstore_half_rte(x, 0, (__global half *)p);
}

CLKV_INLINE void clkv_f16_store8(float8 x, __global uchar *p)
{
    vstore_half8_rte(x, 0, (__global half *)p);
}

CLKV_INLINE float8 clkv_f16_load8_apart(__global const uchar *p)
{
    const uint n = CLKV_BLOCK_SIZE;
    __global const ushort *from = (__global const ushort *)p;
    const ushort8 bits = (ushort8)(from[0], from[n], from[2 * n], from[3 * n], from[4 * n], from[5 * n],
                                   from[6 * n], from[7 * n]);
    return vload_half8(0, (const half *)&bits);
}

CLKV_INLINE void clkv_f16_store8_apart(float8 x, __global uchar *p)
{
    const uint n = CLKV_BLOCK_SIZE;
    __global ushort *to = (__global ushort *)p;
    ushort8 bits;
    vstore_half8_rte(x, 0, (half *)&bits);
    to[0] = bits.s0;
    to[n] = bits.s1;
    to[2 * n] = bits.s2;
    to[3 * n] = bits.s3;
    to[4 * n] = bits.s4;
    to[5 * n] = bits.s5;
    to[6 * n] = bits.s6;
    to[7 * n] = bits.s7;
}
