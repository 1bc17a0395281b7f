/* nearest.h: which of some words a misspelt one was meant to be.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_NEAREST_H
#define CLKV_TOOLS_NEAREST_H

#include <stddef.h>

/* How many letters must be inserted, left out, replaced or swapped with their neighbour to make one word of the
 * other. Words of more than NEAREST_BYTES bytes are as far apart as can be: SIZE_MAX. */
#define NEAREST_BYTES 64
size_t nearest_distance(const char *a, size_t a_bytes, const char *b, size_t b_bytes);

/* The first of the words at the least distance, or NULL when all are too far off to have been meant: more than a
 * third of the letters would have to change. */
const char *nearest_word(const char *given, size_t bytes, const char *const *words, size_t n);

#endif
