/* drivers_posix.c: see drivers.h. SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L /* glob, opendir */
#include "os/drivers.h"

#include "os/environment.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* GPU drivers open one of these files; without permission they report no device. */
const char *const clkv_os_device_files[] = { "/dev/dri/renderD*", "/dev/kfd", "/dev/nvidiactl", "/dev/mali*", NULL };

#ifndef __APPLE__
static int is_icd(const char *name)
{
    const size_t n = strlen(name);
    return n > 4 && !strcmp(name + n - 4, ".icd");
}

static clkv_drivers registered(void)
{
    clkv_drivers found = { .known = 1 };
    if (!clkv_os_environment("OCL_ICD_VENDORS", found.place, sizeof found.place))
        snprintf(found.place, sizeof found.place, "/etc/OpenCL/vendors");
    DIR *dir = opendir(found.place);
    if (!dir) {
        memcpy(found.names, found.place, sizeof found.names - 1);
        found.n = is_icd(found.place) && access(found.place, R_OK) == 0;
        return found;
    }
    size_t at = 0;
    for (const struct dirent *entry; (entry = readdir(dir));) {
        if (!is_icd(entry->d_name)) continue;
        if (at < sizeof found.names)
            at += (size_t)snprintf(found.names + at, sizeof found.names - at, "%s%s", found.n ? ", " : "", entry->d_name);
        found.n++;
    }
    closedir(dir);
    return found;
}

void clkv_os_drivers(clkv_drivers *out)
{
    *out = registered();
}
#else
void clkv_os_drivers(clkv_drivers *out)
{
    *out = (clkv_drivers){ .known = 0 };
}
#endif

int clkv_os_forbidden_file(const char *const *patterns, char *path, size_t room)
{
    for (; *patterns; patterns++) {
        glob_t found;
        if (glob(*patterns, GLOB_NOSORT, NULL, &found)) continue;
        int forbidden = 0;
        for (size_t i = 0; i < found.gl_pathc && !forbidden; i++) {
            forbidden = access(found.gl_pathv[i], R_OK | W_OK) != 0 && errno == EACCES;
            if (forbidden) snprintf(path, room, "%s", found.gl_pathv[i]);
        }
        globfree(&found);
        if (forbidden) return 1;
    }
    return 0;
}
