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

void clkv_os_drivers(clkv_drivers *out)
{
    *out = (clkv_drivers){ .known = 1 };
    if (!clkv_os_environment("OCL_ICD_VENDORS", out->place, sizeof out->place))
        snprintf(out->place, sizeof out->place, "/etc/OpenCL/vendors");
    DIR *dir = opendir(out->place);
    if (!dir) {
        memcpy(out->names, out->place, sizeof out->names - 1);
        out->n = is_icd(out->place) && access(out->place, R_OK) == 0;
        return;
    }
    size_t at = 0;
    for (const struct dirent *entry; (entry = readdir(dir));) {
        if (!is_icd(entry->d_name)) continue;
        if (at < sizeof out->names)
            at += (size_t)snprintf(out->names + at, sizeof out->names - at, "%s%s", out->n ? ", " : "", entry->d_name);
        out->n++;
    }
    closedir(dir);
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
