/* path_posix.c: see path.h. SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L /* S_ISREG */
#include "os/path.h"

#include <sys/stat.h>

int clkv_path_is_special(const char *path)
{
    struct stat s;
    return !stat(path, &s) && !S_ISREG(s.st_mode);
}

FILE *clkv_path_create(const char *path)
{
    return fopen(path, "wb");
}

int clkv_path_rename(const char *from, const char *to)
{
    return rename(from, to);
}

int clkv_path_remove(const char *path)
{
    return remove(path);
}
