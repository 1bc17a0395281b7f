/* process_windows.c: see process.h. SPDX-License-Identifier: Apache-2.0 */
#include "os/process.h"

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

uint64_t clkv_os_process_id(void)
{
    return GetCurrentProcessId();
}

int clkv_os_at_fork(void (*in_child)(void))
{
    (void)in_child;
    return 0;
}
