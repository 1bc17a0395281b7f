/* content.h: the numbers of a case: what one entry's queries, keys and values are.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TESTS_CONTENT_H
#define CLKV_TESTS_CONTENT_H

#include "case.h"

/* Fills k [total][kv_heads][head_dim], v [total][kv_heads][head_dim_v] and q [new][heads][head_dim] of entry i.
 * q is rounded to its type; k and v are as a caller has them: of the type that is appended, and perhaps finer than,
 * or beyond, what the cache holds. */
void content_fill(const test_case *c, uint32_t i, uint64_t *state, float *k, float *v, float *q);

/* The scale that goes with it: the case's, or the one that makes its scores what case.h says. */
float content_scale(const test_case *c);

/* x as a value of binary16, or as it is. */
float content_round(float x, int to_f16);

/* The bits of an element that unused slots hold, as binary16 or binary32. */
uint32_t content_rest(const test_case *c, int f16);

#endif
