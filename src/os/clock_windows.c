/* clock_windows.c: see clock.h. SPDX-License-Identifier: Apache-2.0 */
#include "os/clock.h"

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

/* Windows counts ticks of 100 ns since 1601. */
#define TICKS_BEFORE_1970 UINT64_C(116444736000000000)

uint64_t clkv_os_clock_ns(void)
{
    LARGE_INTEGER per_second, now;
    QueryPerformanceFrequency(&per_second);
    QueryPerformanceCounter(&now);
    const uint64_t rate = (uint64_t)per_second.QuadPart, ticks = (uint64_t)now.QuadPart;
    return ticks / rate * 1000000000u + ticks % rate * 1000000000u / rate; /* in two steps: no overflow */
}

uint64_t clkv_os_time_ns(void)
{
    FILETIME now;
    GetSystemTimeAsFileTime(&now);
    const uint64_t ticks = (uint64_t)now.dwHighDateTime << 32 | now.dwLowDateTime;
    return (ticks - TICKS_BEFORE_1970) * 100;
}
