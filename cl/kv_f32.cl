/* kv_f32.cl: the format f32, in which an element of K or V is a binary32; kv_f16.cl says what a format has.
 * SPDX-License-Identifier: Apache-2.0 */
#define clkv_f32_bytes(n) ((n) * 4u)
#define clkv_f32_scale_bytes(dims, tokens) 0u

typedef float clkv_f32_raw;

CLKV_INLINE float16 clkv_f32_widen16(const clkv_f32_raw *bits)
{
    return vload16(0, bits);
}

CLKV_INLINE float clkv_f32_load(__global const uchar *p)
{
    return *(__global const float *)p;
}

CLKV_INLINE float2 clkv_f32_load2(__global const uchar *p)
{
    return *(__global const float2 *)p;
}

CLKV_INLINE float4 clkv_f32_load4(__global const uchar *p)
{
    return *(__global const float4 *)p;
}

CLKV_INLINE float8 clkv_f32_load8(__global const uchar *p)
{
    return vload8(0, (__global const float *)p);
}

CLKV_INLINE float16 clkv_f32_load16(__global const uchar *p)
{
    return vload16(0, (__global const float *)p);
}

CLKV_INLINE void clkv_f32_store(float x, __global uchar *p)
{
    *(__global float *)p = x;
}

CLKV_INLINE void clkv_f32_store8(float8 x, __global uchar *p)
{
    vstore8(x, 0, (__global float *)p);
}

CLKV_INLINE float8 clkv_f32_load8_apart(__global const uchar *p)
{
    const uint n = CLKV_BLOCK_SIZE;
    __global const float *from = (__global const float *)p;
    return (float8)(from[0], from[n], from[2 * n], from[3 * n], from[4 * n], from[5 * n], from[6 * n], from[7 * n]);
}

CLKV_INLINE void clkv_f32_store8_apart(float8 x, __global uchar *p)
{
    const uint n = CLKV_BLOCK_SIZE;
    __global float *to = (__global float *)p;
    to[0] = x.s0;
    to[n] = x.s1;
    to[2 * n] = x.s2;
    to[3 * n] = x.s3;
    to[4 * n] = x.s4;
    to[5 * n] = x.s5;
    to[6 * n] = x.s6;
    to[7 * n] = x.s7;
}
