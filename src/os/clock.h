/* clock.h: the time. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_OS_CLOCK_H
#define CLKV_OS_CLOCK_H

#include <stdint.h>

/* Nanoseconds since some moment in the past. This clock never goes back, and nobody can set it. */
uint64_t clkv_os_clock_ns(void);

/* Nanoseconds since 1970, which the system's user can set. */
uint64_t clkv_os_time_ns(void);

#endif
