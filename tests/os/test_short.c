/* test_short.c: what file_posix.c makes of reads and writes that move a part of the bytes, or none, and of calls that a
 * signal ends: the system's functions are replaced by ones that do that. SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#define _DARWIN_C_SOURCE
#define _FILE_OFFSET_BITS 64

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BYTES = 1000 };

static char disk[BYTES];
static int calls, interruptions, failing; /* failing: the errno of every call that would move something */

/* Every other call is ended by a signal; the others move seven bytes at most. */
static ssize_t some_of(size_t bytes, off_t offset)
{
    calls++;
    if (calls % 2) {
        interruptions++;
        errno = EINTR;
        return -1;
    }
    if (failing) {
        errno = failing;
        return -1;
    }
    if (offset >= BYTES) return 0;
    if (bytes > 7) bytes = 7;
    return (ssize_t)(bytes < (size_t)(BYTES - offset) ? bytes : (size_t)(BYTES - offset));
}

static ssize_t short_read(int fd, void *out, size_t bytes, off_t offset)
{
    const ssize_t n = some_of(bytes, offset);
    (void)fd;
    if (n > 0) memcpy(out, disk + offset, (size_t)n);
    return n;
}

static ssize_t short_write(int fd, const void *data, size_t bytes, off_t offset)
{
    const ssize_t n = some_of(bytes, offset);
    (void)fd;
    if (n > 0) memcpy(disk + offset, data, (size_t)n);
    return n;
}

static int interrupted(int fd)
{
    (void)fd;
    return some_of(1, 0) < 0 ? -1 : 0;
}

static int interrupted_truncation(int fd, off_t bytes)
{
    (void)bytes;
    return interrupted(fd);
}

#define pread short_read
#define pwrite short_write
#define fsync interrupted
#define ftruncate interrupted_truncation
#include "../../src/os/file_posix.c"

#define CHECK(condition) check((condition) != 0, #condition, __LINE__)

static int failures;

static void check(int good, const char *condition, int line)
{
    if (good) return;
    failures++;
    printf("FAILED: line %d: %s\n", line, condition);
}

int main(void)
{
    char wrote[BYTES], got[BYTES], why[CLKV_OS_WHY];
    const clkv_file file = { .fd = -1 };
    for (int i = 0; i < BYTES; i++) wrote[i] = (char)(i % 251 + 1);
    CHECK(!clkv_file_write(&file, 3, wrote, BYTES - 3, why));
    CHECK(!memcmp(disk + 3, wrote, BYTES - 3) && !disk[0] && !disk[2]);
    CHECK(!clkv_file_read(&file, 3, got, BYTES - 3, why) && !memcmp(got, wrote, BYTES - 3));
    CHECK(clkv_file_read(&file, 4, got, BYTES - 3, why) && !*why);                     /* the end of the file */
    CHECK(clkv_file_write(&file, 4, wrote, BYTES - 3, why) && !strcmp(why, strerror(EIO))); /* never without an end */
    CHECK(!clkv_file_sync(&file, why) && !clkv_file_resize(&file, 1, why));
    CHECK(interruptions > BYTES / 7 * 3);
    failing = ENOSPC;
    CHECK(clkv_file_write(&file, 0, wrote, 1, why) && !strcmp(why, strerror(ENOSPC)));
    CHECK(clkv_file_read(&file, 0, got, 1, why) && !strcmp(why, strerror(ENOSPC)));
    CHECK(clkv_file_sync(&file, why) && !strcmp(why, strerror(ENOSPC)));
    CHECK(clkv_file_resize(&file, 1, why) && !strcmp(why, strerror(ENOSPC)));
    printf("%d failures\n", failures);
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
