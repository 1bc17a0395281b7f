/* story.h: a sequence and its plain model, for tests that drive a whole cache. The keys and values of a position
 * are a function of the tenant and of all tokens up to it: so two sequences that share a prefix must hold the
 * same, and whatever a cache mixes up between sequences, tenants or positions shows as wrong numbers.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TESTS_STORY_H
#define CLKV_TESTS_STORY_H

#include <clkv/clkv.h>

enum {
    STORY_LAYERS = 2,
    STORY_HEADS = 4,
    STORY_KV_HEADS = 2,
    STORY_DIM = 16,
    STORY_DIM_V = 24,
    STORY_TOKENS = 160, /* the longest */
    STORY_TENANTS = 3,  /* 0 has no salt */
};

typedef struct story {
    clkv_sequence *sequence; /* NULL: there is none */
    uint32_t tokens[STORY_TOKENS];
    uint32_t n;
    uint32_t tenant;
} story;

/* The model's shape in a cache's params. */
static inline void story_shape(clkv_cache_params *params)
{
    params->layers = STORY_LAYERS;
    params->heads = STORY_HEADS;
    params->kv_heads = STORY_KV_HEADS;
    params->head_dim = STORY_DIM;
    params->head_dim_v = STORY_DIM_V;
}

/* The keys of a tenant; returns how many. */
static inline size_t story_keys(uint32_t tenant, clkv_key *key)
{
    static const char *const salts[STORY_TENANTS] = {NULL, "alice", "bob"};
    if (!salts[tenant]) return 0;
    *key = (clkv_key){.kind = CLKV_KEY_SALT, .data = salts[tenant], .bytes = 3};
    return 1;
}

static inline uint64_t story_mix(uint64_t x)
{
    x ^= x >> 31;
    x *= UINT64_C(0x9e3779b97f4a7c15);
    return x ^ x >> 29;
}

/* Positions [first, first + n) of a layer: k [n][KV_HEADS][DIM], v [n][KV_HEADS][DIM_V]. Numbers that every type
 * holds exactly. */
static inline void story_rows(const story *s, uint32_t first, uint32_t n, uint32_t layer, float *k, float *v)
{
    uint64_t hash = story_mix(s->tenant + 1);
    for (uint32_t p = 0; p < first + n; p++) {
        hash = story_mix(hash ^ (s->tokens[p] + 1));
        if (p < first) continue;
        uint64_t x = story_mix(hash + layer);
        for (uint32_t i = 0; i < STORY_KV_HEADS * (STORY_DIM + STORY_DIM_V); i++) {
            x = story_mix(x + i);
            const float value = (float)(x >> 54) / 512.0f - 1.0f;
            if (i < STORY_KV_HEADS * STORY_DIM)
                *k++ = value;
            else
                *v++ = value;
        }
    }
}

#endif
