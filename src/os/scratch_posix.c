/* scratch_posix.c: see scratch.h. SPDX-License-Identifier: Apache-2.0 */
#define _XOPEN_SOURCE 700 /* nftw, mkdtemp */
#define _DARWIN_C_SOURCE  /* mkdtemp on Apple's systems */
#include "os/scratch.h"

#include "os/environment.h"

#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OPEN_FOLDERS = 16 };
static const char letters[] = "-XXXXXX";

size_t clkv_scratch_home(char *out, size_t room)
{
    const size_t n = clkv_os_environment("TMPDIR", out, room);
    return n ? n : (size_t)snprintf(out, room, "/tmp");
}

int clkv_scratch_make(char *path, size_t room, char why[CLKV_OS_WHY])
{
    if (strlen(path) + sizeof letters > room) return clkv_os_fail(why, strerror(ENAMETOOLONG));
    return mkdtemp(strcat(path, letters)) ? 0 : clkv_os_fail(why, strerror(errno));
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info, (void)kind, (void)at;
    return remove(path);
}

void clkv_scratch_remove(const char *path)
{
    nftw(path, remove_entry, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS);
}
