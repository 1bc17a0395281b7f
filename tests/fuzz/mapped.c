/* mapped.c: stands in for mmap and munmap (ld --wrap) in what reads files: a mapped file becomes a block of the
 * heap of its exact size, where the address sanitizer sees every step outside.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

enum { MOST = 4 };
static void *mapped[MOST];

void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
int __wrap_munmap(void *at, size_t bytes);
int __real_munmap(void *at, size_t bytes);
void *__real_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);

void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    if (flags & MAP_ANONYMOUS) return __real_mmap(at, bytes, protection, flags, fd, offset);
    for (int i = 0; i < MOST; i++) {
        if (mapped[i]) continue;
        mapped[i] = malloc(bytes);
        FUZZ_CHECK(mapped[i] && pread(fd, mapped[i], bytes, offset) == (ssize_t)bytes);
        return mapped[i];
    }
    return MAP_FAILED;
}

int __wrap_munmap(void *at, size_t bytes)
{
    for (int i = 0; i < MOST; i++) {
        if (!at || mapped[i] != at) continue;
        free(at);
        mapped[i] = NULL;
        return 0;
    }
    return __real_munmap(at, bytes);
}
