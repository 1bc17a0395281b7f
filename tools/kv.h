/* kv.h: the choices of --kv: how a cache keeps keys and values. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_KV_H
#define CLKV_TOOLS_KV_H

#include <clkv/api.h>

#include <stddef.h>
#include <stdint.h>

#define KV_HELP "how keys and values are kept; f16/f32: keys as f16, values as f32"

enum { KV_F16, KV_F32, KV_F16_F32, KV_F32_F16 };
static const char *const kv_names[] = {"f16", "f32", "f16/f32", "f32/f16", NULL};

static inline clkv_type kv_k_type(int choice)
{
    return choice == KV_F16 || choice == KV_F16_F32 ? CLKV_F16 : CLKV_F32;
}

static inline clkv_type kv_v_type(int choice)
{
    return choice == KV_F16 || choice == KV_F32_F16 ? CLKV_F16 : CLKV_F32;
}

/* Bytes of an element. */
static inline uint32_t kv_bytes(clkv_type type)
{
    return type == CLKV_F16 ? 2 : 4;
}

#endif
