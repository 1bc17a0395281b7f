/* clock_posix.c: see clock.h. SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */
#include "os/clock.h"

#include <time.h>

static uint64_t read_clock(clockid_t which)
{
    struct timespec now;
    clock_gettime(which, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t clkv_os_clock_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t clkv_os_time_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}
