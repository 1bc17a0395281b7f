/* shuffle.c: a Feistel network over the smallest even number of bits that holds n. It is applied until the result is
 * below n, at most 4 times on average. The result is a permutation of 0 … n − 1.
 *
 *   left ─┬──────▶ right'        four rounds; a round can be inverted because the half that
 *         ▼                      `mix` reads is passed on unchanged
 *   right ⊕ mix(left) ─▶ left'
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/shuffle.h"

enum { ROUNDS = 4 };

void clkv_shuffle_init(clkv_shuffle *shuffle, uint32_t n, uint64_t seed)
{
    shuffle->seed = seed;
    shuffle->n = n;
    shuffle->half = 1;
    while ((uint64_t)1 << (2 * shuffle->half) < n) shuffle->half++;
}

static uint32_t mix(const clkv_shuffle *shuffle, uint32_t value, uint32_t round)
{
    uint64_t x = shuffle->seed + ((uint64_t)round << 32 | value) * 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return (uint32_t)(x >> 33) & ((1u << shuffle->half) - 1);
}

uint32_t clkv_shuffle_at(const clkv_shuffle *shuffle, uint32_t number)
{
    do {
        uint32_t left = number >> shuffle->half, right = number & ((1u << shuffle->half) - 1);
        for (uint32_t round = 0; round < ROUNDS; round++) {
            const uint32_t fed = right ^ mix(shuffle, left, round);
            right = left;
            left = fed;
        }
        number = left << shuffle->half | right;
    } while (number >= shuffle->n);
    return number;
}
