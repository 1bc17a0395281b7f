/* random.h: a number that nobody can know. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CORE_RANDOM_H
#define CLKV_CORE_RANDOM_H

#include <stdint.h>

/* From the system's source of random numbers; never 0. Where there is none, clocks and addresses: hard to
 * guess, not impossible. */
uint64_t clkv_random_seed(void);

#endif
