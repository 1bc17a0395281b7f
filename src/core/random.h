/* random.h: a secret random number. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CORE_RANDOM_H
#define CLKV_CORE_RANDOM_H

#include <stdint.h>

/* A number from the system's source of random numbers; never 0. Without such a source the number comes from clocks
 * and addresses, which are hard to guess, but not impossible. */
uint64_t clkv_random_seed(void);

#endif
