/* random.c: see random.h. SPDX-License-Identifier: Apache-2.0 */
#define _DEFAULT_SOURCE /* getentropy */
#define XXH_INLINE_ALL
#include "core/random.h"

#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#ifdef __APPLE__
#include <sys/random.h>
#endif

uint64_t clkv_random_seed(void)
{
    uint64_t seed = 0;
    if (getentropy(&seed, sizeof seed) != 0) {
        struct timespec now[2] = {{0}};
        clock_gettime(CLOCK_REALTIME, &now[0]);
        clock_gettime(CLOCK_MONOTONIC, &now[1]);
        seed = XXH3_64bits_withSeed(now, sizeof now, (uint64_t)(uintptr_t)&seed ^ (uint64_t)getpid() << 32);
    }
    return seed ? seed : 1;
}
