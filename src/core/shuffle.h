/* shuffle.h: a pseudo-random permutation of 0 … n − 1 without a table; each element is computed on demand.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CORE_SHUFFLE_H
#define CLKV_CORE_SHUFFLE_H

#include <stdint.h>

typedef struct clkv_shuffle {
    uint64_t seed;
    uint32_t n;
    uint32_t half; /* bits of each half of the smallest 2^(2·half) ≥ n */
} clkv_shuffle;

void clkv_shuffle_init(clkv_shuffle *shuffle, uint32_t n, uint64_t seed);

/* The element in place `number` (below n) of the order. */
uint32_t clkv_shuffle_at(const clkv_shuffle *shuffle, uint32_t number);

#endif
