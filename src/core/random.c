/* random.c: see random.h. SPDX-License-Identifier: Apache-2.0 */
#define XXH_INLINE_ALL
#include "core/random.h"

#include "os/clock.h"
#include "os/process.h"
#include "os/random.h"

#include <xxhash.h>

uint64_t clkv_random_seed(void)
{
    uint64_t seed = 0;
    if (clkv_os_random(&seed, sizeof seed) != 0) {
        const uint64_t guess[] = {clkv_os_time_ns(), clkv_os_clock_ns(), clkv_os_process_id()};
        seed = XXH3_64bits_withSeed(guess, sizeof guess, (uint64_t)(uintptr_t)&seed);
    }
    return seed ? seed : 1;
}
