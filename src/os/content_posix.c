/* content_posix.c: see content.h. SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L /* fstatat */
#include "os/content.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

int clkv_os_content(const char *path, uint64_t *files, uint64_t *bytes)
{
    DIR *folder = opendir(path);
    const struct dirent *entry;
    struct stat s;
    *files = *bytes = 0;
    if (!folder) return -1;
    while ((entry = readdir(folder))) {
        if (fstatat(dirfd(folder), entry->d_name, &s, AT_SYMLINK_NOFOLLOW) || !S_ISREG(s.st_mode)) continue;
        ++*files;
        *bytes += (uint64_t)s.st_size;
    }
    closedir(folder);
    return 0;
}
