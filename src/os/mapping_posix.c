/* mapping_posix.c: see mapping.h. SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L /* O_CLOEXEC */
#include "os/mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int map(clkv_mapping *out, int fd, char *why)
{
    struct stat s;
    if (fstat(fd, &s)) return clkv_os_fail(why, strerror(errno));
    if (!S_ISREG(s.st_mode)) return clkv_os_fail(why, "");
    if ((uintmax_t)s.st_size > SIZE_MAX) return clkv_os_fail(why, "larger than this machine can map");
    if (!s.st_size) return 0;
    void *p = mmap(NULL, (size_t)s.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED) {
        snprintf(why, CLKV_OS_WHY, "cannot be mapped: %s", strerror(errno));
        return -1;
    }
    *out = (clkv_mapping){ p, (size_t)s.st_size };
    return 0;
}

int clkv_mapping_open(clkv_mapping *out, const char *path, char why[CLKV_OS_WHY])
{
    /* O_NONBLOCK: a FIFO of that name must not make this call wait. */
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    *out = (clkv_mapping){ 0 };
    if (fd < 0) return clkv_os_fail(why, strerror(errno));
    const int result = map(out, fd, why);
    close(fd);
    return result;
}

void clkv_mapping_close(clkv_mapping *m)
{
    if (m->data) munmap((void *)(uintptr_t)m->data, m->bytes);
    *m = (clkv_mapping){ 0 };
}
