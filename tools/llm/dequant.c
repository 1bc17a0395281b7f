/* dequant.c: see dequant.h. The layouts are GGML's; a file may place a tensor at any multiple of 8 bytes and a
 * checkpoint at any multiple of 4, and blocks have odd sizes: everything is read byte by byte or by memcpy.
 * SPDX-License-Identifier: Apache-2.0 */
#include "dequant.h"

#include <string.h>

/* The whole models go through here, so not clkv_ref_float's loop for each element: shifted into a float's place,
 * a half is too small by 2^112, subnormals too; what is 65536 or more after that was an infinity or NaN. */
static inline float from_half(uint32_t h)
{
    uint32_t u = (h & 0x7fffu) << 13;
    float x;
    memcpy(&x, &u, sizeof x);
    x *= 0x1p112f;
    memcpy(&u, &x, sizeof u);
    u |= (h & 0x7c00u) == 0x7c00u ? 0x7f800000u : 0;
    u |= (h & 0x8000u) << 16;
    memcpy(&x, &u, sizeof x);
    return x;
}

static inline float half_at(const unsigned char *p)
{
    return from_half((uint32_t)p[0] | (uint32_t)p[1] << 8);
}

static void row_f32(const unsigned char *from, uint64_t n, float *to)
{
    memcpy(to, from, n * sizeof *to);
}

static void row_f16(const unsigned char *from, uint64_t n, float *to)
{
    for (uint64_t i = 0; i < n; i++) {
        uint16_t h;
        memcpy(&h, from + 2 * i, sizeof h);
        to[i] = from_half(h);
    }
}

static void row_bf16(const unsigned char *from, uint64_t n, float *to)
{
    for (uint64_t i = 0; i < n; i++) {
        uint16_t h;
        memcpy(&h, from + 2 * i, sizeof h);
        const uint32_t u = (uint32_t)h << 16;
        memcpy(to + i, &u, sizeof u);
    }
}

/* { half d; int8 q[32]; }: d · q */
static void row_q8_0(const unsigned char *from, uint64_t n, float *to)
{
    for (uint64_t i = 0; i < n; i += 32, from += 34) {
        const float d = half_at(from);
        for (int j = 0; j < 32; j++) to[i + j] = d * (float)(int8_t)from[2 + j];
    }
}

/* { half d; half m, if has_min; upper bits u32, if has_high; nibbles q[16]; }: d · q + m, or d · (q − half of q's
 * range) where there is no m. The low nibbles are the first half of the block; bit i of the upper bits is the fifth
 * of element i. */
static inline void row_nibbles(const unsigned char *from, uint64_t n, float *to, int has_min, int has_high)
{
    const int offset = has_min ? 0 : has_high ? 16 : 8;
    for (; n > 0; n -= 32, to += 32) {
        const float d = half_at(from), m = has_min ? half_at(from + 2) : 0;
        uint32_t high = 0;
        from += has_min ? 4 : 2;
        if (has_high) {
            high = (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
            from += 4;
        }
        for (int j = 0; j < 16; j++, from++) {
            const int low_q = (*from & 15) | (int)(high >> j & 1) << 4;
            const int high_q = *from >> 4 | (int)(high >> (j + 16) & 1) << 4;
            to[j] = d * (float)(low_q - offset) + m;
            to[j + 16] = d * (float)(high_q - offset) + m;
        }
    }
}

static void row_q4_0(const unsigned char *from, uint64_t n, float *to)
{
    row_nibbles(from, n, to, 0, 0);
}

static void row_q4_1(const unsigned char *from, uint64_t n, float *to)
{
    row_nibbles(from, n, to, 1, 0);
}

static void row_q5_0(const unsigned char *from, uint64_t n, float *to)
{
    row_nibbles(from, n, to, 0, 1);
}

static void row_q5_1(const unsigned char *from, uint64_t n, float *to)
{
    row_nibbles(from, n, to, 1, 1);
}

/* Scale and minimum of the j-th 32 elements of a Q4_K or Q5_K block, 6 bits each: those of the first four lie in
 * the low bits of bytes 0–3 and 4–7; the others have their low nibbles in bytes 8–11, their upper two bits on top
 * of those. */
static void k_scale(const unsigned char *s, int j, int *scale, int *min)
{
    if (j < 4) {
        *scale = s[j] & 63;
        *min = s[j + 4] & 63;
    } else {
        *scale = (s[j + 4] & 15) | s[j - 4] >> 6 << 4;
        *min = s[j + 4] >> 4 | s[j] >> 6 << 4;
    }
}

/* { half d, dmin; packed scales and minima [12]; upper bits [32], if has_high; nibbles q[128]; }:
 * d · scale · q − dmin · min, by 32 elements. Each 32 bytes of q are 64 elements, the low nibbles first; bit j of
 * the i-th upper byte is the fifth of element i of the j-th 32. */
static inline void row_k(const unsigned char *from, uint64_t n, float *to, int has_high)
{
    for (; n > 0; n -= 256) {
        const float d = half_at(from), dmin = half_at(from + 2);
        const unsigned char *scales = from + 4, *high = from + 16, *q = has_high ? high + 32 : high;
        for (int j = 0; j < 8; j++, to += 32) {
            int scale, min;
            k_scale(scales, j, &scale, &min);
            const float a = d * (float)scale, b = dmin * (float)min;
            const int shift = j & 1 ? 4 : 0;
            for (int i = 0; i < 32; i++) {
                const int fifth = has_high ? (high[i] >> j & 1) << 4 : 0;
                to[i] = a * (float)((q[i] >> shift & 15) | fifth) - b;
            }
            if (j & 1) q += 32;
        }
        from = q;
    }
}

static void row_q4_k(const unsigned char *from, uint64_t n, float *to)
{
    row_k(from, n, to, 0);
}

static void row_q5_k(const unsigned char *from, uint64_t n, float *to)
{
    row_k(from, n, to, 1);
}

/* { low nibbles [128]; upper two bits [64]; int8 scale[16]; half d; }: d · scale · (q − 32), by 16 elements. Of
 * each 128 elements, the four 32s share 64 bytes of nibbles (0, 1 in the low ones, 2, 3 in the high) and 32 bytes
 * of upper bits (the k-th 32 at bit 2k). */
static void row_q6_k(const unsigned char *from, uint64_t n, float *to)
{
    for (; n > 0; n -= 256, from += 210) {
        const float d = half_at(from + 208);
        for (int part = 0; part < 8; part++, to += 32) {
            const int half = part / 4, k = part % 4;
            const unsigned char *low = from + half * 64 + (k & 1) * 32, *high = from + 128 + half * 32;
            const int8_t *scale = (const int8_t *)from + 192 + half * 8 + k * 2;
            const int shift = k >= 2 ? 4 : 0;
            for (int i = 0; i < 32; i++) {
                const int q = (low[i] >> shift & 15) | (high[i] >> 2 * k & 3) << 4;
                to[i] = d * (float)scale[i / 16] * (float)(q - 32);
            }
        }
    }
}

static const llm_type_facts facts[] = {
    [LLM_F32] = {"F32", 1, 4, row_f32},        [LLM_F16] = {"F16", 1, 2, row_f16},
    [LLM_BF16] = {"BF16", 1, 2, row_bf16},     [LLM_Q8_0] = {"Q8_0", 32, 34, row_q8_0},
    [LLM_Q4_0] = {"Q4_0", 32, 18, row_q4_0},   [LLM_Q4_K] = {"Q4_K", 256, 144, row_q4_k},
    [LLM_Q6_K] = {"Q6_K", 256, 210, row_q6_k}, [LLM_Q4_1] = {"Q4_1", 32, 20, row_q4_1},
    [LLM_Q5_0] = {"Q5_0", 32, 22, row_q5_0},   [LLM_Q5_1] = {"Q5_1", 32, 24, row_q5_1},
    [LLM_Q5_K] = {"Q5_K", 256, 176, row_q5_k},
};

const llm_type_facts *llm_type_find(llm_type type)
{
    return (unsigned)type < sizeof facts / sizeof *facts ? &facts[type] : NULL;
}

const char *llm_type_name(llm_type type)
{
    const llm_type_facts *f = llm_type_find(type);
    return f ? f->name : "unknown";
}

uint64_t llm_tensor_bytes(const llm_tensor *t)
{
    const llm_type_facts *f = llm_type_find(t->type);
    return t->rows * (t->cols / f->elements * f->bytes);
}

void llm_tensor_row(const llm_tensor *t, uint64_t row, float *out)
{
    const llm_type_facts *f = llm_type_find(t->type);
    f->row((const unsigned char *)t->data + row * (t->cols / f->elements * f->bytes), t->cols, out);
}
