/* drivers_windows.c: see drivers.h. SPDX-License-Identifier: Apache-2.0 */
#include "os/drivers.h"

const char *const clkv_os_device_files[] = { NULL };

void clkv_os_drivers(clkv_drivers *out)
{
    *out = (clkv_drivers){ .known = 0 };
}

int clkv_os_forbidden_file(const char *const *patterns, char *path, size_t room)
{
    (void)patterns, (void)path, (void)room;
    return 0;
}
