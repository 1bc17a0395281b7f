/* file_posix.c: see file.h. SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE          /* F_OFD_SETLK, flock */
#define _DARWIN_C_SOURCE     /* F_FULLFSYNC, F_OFD_SETLK, flock */
#define _FILE_OFFSET_BITS 64 /* off_t of 32-bit systems */
#include "os/file.h"

#include "os/offset.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(sizeof(off_t) == 8, "offsets beyond 4 GiB");

enum { AT_ONCE = 1 << 30 }; /* Apple's systems refuse 2 GiB, Linux reads and writes a part of them */

static int fail_errno(char *why)
{
    return clkv_os_fail(why, strerror(errno));
}

void clkv_file_close(clkv_file *file)
{
    close(file->fd);
}

int clkv_file_read(const clkv_file *file, uint64_t offset, void *out, size_t bytes, char why[CLKV_OS_WHY])
{
    char *p = out;
    if (!clkv_offset_is_good(offset, bytes)) return clkv_os_fail(why, strerror(EOVERFLOW));
    while (bytes) {
        const ssize_t n = pread(file->fd, p, bytes < AT_ONCE ? bytes : AT_ONCE, (off_t)offset);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno(why);
        if (n == 0) return clkv_os_fail(why, "");
        p += n;
        offset += (uint64_t)n;
        bytes -= (size_t)n;
    }
    return 0;
}

int clkv_file_write(const clkv_file *file, uint64_t offset, const void *data, size_t bytes, char why[CLKV_OS_WHY])
{
    const char *p = data;
    if (!clkv_offset_is_good(offset, bytes)) return clkv_os_fail(why, strerror(EFBIG));
    while (bytes) {
        const ssize_t n = pwrite(file->fd, p, bytes < AT_ONCE ? bytes : AT_ONCE, (off_t)offset);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno(why);
        if (n == 0) return clkv_os_fail(why, strerror(EIO));
        p += n;
        offset += (uint64_t)n;
        bytes -= (size_t)n;
    }
    return 0;
}

int clkv_file_size(const clkv_file *file, uint64_t *bytes, char why[CLKV_OS_WHY])
{
    struct stat s;
    if (fstat(file->fd, &s)) return fail_errno(why);
    *bytes = (uint64_t)s.st_size;
    return 0;
}

int clkv_file_resize(const clkv_file *file, uint64_t bytes, char why[CLKV_OS_WHY])
{
    if (!clkv_offset_is_good(bytes, 0)) return clkv_os_fail(why, strerror(EFBIG));
    while (ftruncate(file->fd, (off_t)bytes))
        if (errno != EINTR) return fail_errno(why);
    return 0;
}

/* On Apple's systems fsync leaves the bytes in the disk's own memory. */
int clkv_file_sync(const clkv_file *file, char why[CLKV_OS_WHY])
{
#ifdef F_FULLFSYNC
    if (!fcntl(file->fd, F_FULLFSYNC)) return 0; /* not every file system knows it */
#endif
    while (fsync(file->fd))
        if (errno != EINTR) return fail_errno(why);
    return 0;
}

/* Of the three locks that POSIX systems have, fcntl's old one is lost when the process closes any other opening of the
 * file, so it is not used. The one of an open file description (F_OFD_SETLK) works like flock, and reaches other machines
 * on every network's file system that has locks. flock is for systems that have no other. */
#ifdef F_OFD_SETLK
static int set_lock(int fd, short type, int wait)
{
    struct flock all = { .l_type = type, .l_whence = SEEK_SET };
    return fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &all);
}
#else
static int set_lock(int fd, short type, int wait)
{
    (void)fd, (void)type, (void)wait;
    errno = EINVAL;
    return -1;
}
#endif

static int set_flock(int fd, short type, int wait)
{
    const int operation = type == F_UNLCK ? LOCK_UN : type == F_RDLCK ? LOCK_SH : LOCK_EX;
    return flock(fd, operation | (wait ? 0 : LOCK_NB));
}

int clkv_file_lock(const clkv_file *file, clkv_file_lock_kind kind, int wait, char why[CLKV_OS_WHY])
{
    const short type = kind == CLKV_FILE_LOCK_SHARED ? F_RDLCK : F_WRLCK;
    int (*set)(int, short, int) = set_lock;
    while (set(file->fd, type, wait)) {
        if (set == set_lock && (errno == EINVAL || errno == ENOTSUP)) set = set_flock;
        else if (!wait && (errno == EAGAIN || errno == EACCES || errno == EWOULDBLOCK)) return 1;
        else if (errno != EINTR) return fail_errno(why);
    }
    return 0;
}

void clkv_file_unlock(const clkv_file *file)
{
    if (set_lock(file->fd, F_UNLCK, 0)) set_flock(file->fd, F_UNLCK, 0);
}
