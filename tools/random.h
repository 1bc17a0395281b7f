/* random.h: reproducible random numbers for tools: SplitMix64 (Steele, Lea & Flood 2014). Small, fast, the
 * same everywhere; not for secrets. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_RANDOM_H
#define CLKV_TOOLS_RANDOM_H

#include <stdint.h>

typedef struct random_state {
    uint64_t s;
} random_state;

static inline random_state random_seed(uint64_t seed)
{
    return (random_state){seed};
}

static inline uint64_t random_next(random_state *r)
{
    uint64_t z = r->s += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Uniform in [−1, 1). */
static inline float random_signed(random_state *r)
{
    return (float)(int32_t)(random_next(r) >> 32) * 0x1p-31f;
}

#endif
