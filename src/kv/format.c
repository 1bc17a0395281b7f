/* format.c: the table of formats. SPDX-License-Identifier: Apache-2.0 */
#include "kv/format.h"

#include <clkv/ref.h>

#include <string.h>

static void encode_f32(unsigned char *tile, size_t first, size_t step, const float *x, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) memcpy(tile + (first + i * step) * sizeof *x, &x[i], sizeof *x);
}

static void decode_f32(const unsigned char *tile, size_t first, size_t step, float *x, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) memcpy(&x[i], tile + (first + i * step) * sizeof *x, sizeof *x);
}

static void encode_f16(unsigned char *tile, size_t first, size_t step, const float *x, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const uint16_t half = clkv_ref_half(x[i]);
        memcpy(tile + (first + i * step) * sizeof half, &half, sizeof half);
    }
}

static void decode_f16(const unsigned char *tile, size_t first, size_t step, float *x, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        uint16_t half;
        memcpy(&half, tile + (first + i * step) * sizeof half, sizeof half);
        x[i] = clkv_ref_float(half);
    }
}

static const clkv_format formats[] = {
    { CLKV_F16, "f16", 2, 0, encode_f16, decode_f16 },
    { CLKV_F32, "f32", 4, 0, encode_f32, decode_f32 },
};

const clkv_format *clkv_format_of(clkv_type type)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (formats[i].type == type) return &formats[i];
    return NULL;
}

uint64_t clkv_format_tile_bytes(const clkv_format *format, uint32_t dims, uint32_t tokens)
{
    const uint64_t bytes = (uint64_t)tokens * ((uint64_t)dims * format->element_bytes + format->scale_bytes);
    return (bytes + CLKV_TILE_ALIGN - 1) / CLKV_TILE_ALIGN * CLKV_TILE_ALIGN;
}
