/* clock.h: the monotonic clock, in seconds. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_CLOCK_H
#define CLKV_TOOLS_CLOCK_H

#include "os/clock.h"

static inline double clock_seconds(void)
{
    return (double)clkv_os_clock_ns() * 1e-9;
}

#endif
