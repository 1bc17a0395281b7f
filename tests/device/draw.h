/* draw.h: random cases. A program is what kernels are compiled for (shape, types, slabs, variant), a case is what
 * is done with it. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TESTS_DRAW_H
#define CLKV_TESTS_DRAW_H

#include "case.h"

/* Program number i of a run. Every list of values is walked round, in an order that the seed shuffles: 40 programs
 * have every head_dim there is, 12 every block size, 10 all combinations of types. variant is left "any". */
void draw_program(test_case *c, uint32_t seed, uint32_t i);

/* Case number j with a program: fills in the rest of *c. */
void draw_case(test_case *c, uint32_t seed, uint32_t i, uint32_t j);

#endif
