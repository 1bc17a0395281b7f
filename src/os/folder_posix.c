/* folder_posix.c: see folder.h. SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L /* openat */
#define _DARWIN_C_SOURCE        /* O_NOFOLLOW, F_FULLFSYNC */
#include "os/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail_errno(char *why)
{
    return clkv_os_fail(why, strerror(errno));
}

/* Why nobody else can have put something here, or rather, why somebody could have; NULL: nobody. */
static const char *distrust(const struct stat *s)
{
    if (s->st_uid != geteuid()) return "of another user";
    if (s->st_mode & (S_IWGRP | S_IWOTH)) return "writable by others";
    return NULL;
}

int clkv_folder_open(clkv_folder *out, const char *path, char why[CLKV_OS_WHY])
{
    struct stat s;
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        const int error = errno; /* of a link, some systems say ENOTDIR and others ELOOP */
        if (error == ENOENT) return clkv_os_fail(why, "");
        if ((error != ENOTDIR && error != ELOOP) || lstat(path, &s)) return clkv_os_fail(why, strerror(error));
        return clkv_os_fail(why, S_ISLNK(s.st_mode) ? "a link" : "not a directory");
    }
    const char *fault = fstat(fd, &s) ? "cannot be examined" : distrust(&s);
    if (fault) {
        close(fd);
        return clkv_os_fail(why, fault);
    }
    out->fd = fd;
    return 0;
}

void clkv_folder_close(clkv_folder *folder)
{
    close(folder->fd);
}

int clkv_folder_make(const char *path, char why[CLKV_OS_WHY])
{
    char part[PATH_MAX];
    const int n = snprintf(part, sizeof part, "%s", path);
    if (n < 0 || (size_t)n >= sizeof part) return clkv_os_fail(why, strerror(ENAMETOOLONG));
    for (char *p = part + 1; *part && *p; p++) {
        if (*p != '/') continue;
        *p = 0;
        if (mkdir(part, 0700) && errno != EEXIST) return fail_errno(why);
        *p = '/';
    }
    return mkdir(part, 0700) && errno != EEXIST ? fail_errno(why) : 0;
}

int clkv_folder_may_write(const char *path, char why[CLKV_OS_WHY])
{
    return faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS) ? fail_errno(why) : 0;
}

/* Decided by the nearest folder above it that exists. */
int clkv_folder_may_make(const char *path, char why[CLKV_OS_WHY])
{
    char part[PATH_MAX];
    struct stat s;
    const size_t n = strlen(path);
    if (n >= sizeof part) return clkv_os_fail(why, strerror(ENAMETOOLONG));
    memcpy(part, path, n + 1);
    for (;;) {
        char *slash = strrchr(part, '/');
        if (slash) slash[slash == part] = 0; /* "/" stays */
        else memcpy(part, ".", 2);
        if (!stat(part, &s)) {
            if (S_ISDIR(s.st_mode)) return clkv_folder_may_write(part, why);
            return clkv_os_fail(why, strerror(ENOTDIR));
        }
        if (errno != ENOENT || !strcmp(part, "/") || !strcmp(part, ".")) return fail_errno(why);
    }
}

int clkv_folder_open_file(const clkv_folder *folder, clkv_file *out, const char *name, char why[CLKV_OS_WHY])
{
    struct stat s;
    /* O_NONBLOCK: a FIFO of that name, which somebody else made, must not make this call wait. */
    const int fd = openat(folder->fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return errno == ENOENT ? clkv_os_fail(why, "") : fail_errno(why);
    const char *fault = fstat(fd, &s) ? "cannot be examined" : S_ISREG(s.st_mode) ? distrust(&s) : "not a regular file";
    if (fault) {
        close(fd);
        return clkv_os_fail(why, fault);
    }
    *out = (clkv_file){ fd, (uint64_t)s.st_size };
    return 0;
}

int clkv_file_read(clkv_file *file, void *out, size_t bytes)
{
    char *p = out;
    while (bytes) {
        const ssize_t n = read(file->fd, p, bytes < SSIZE_MAX ? bytes : SSIZE_MAX);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return -1;
        p += n;
        bytes -= (size_t)n;
    }
    return 0;
}

void clkv_file_close(clkv_file *file)
{
    close(file->fd);
}

static int write_piece(int fd, const clkv_piece *piece)
{
    const char *p = piece->data;
    for (size_t left = piece->bytes; left;) {
        const ssize_t n = write(fd, p, left < SSIZE_MAX ? left : SSIZE_MAX);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -1;
        p += n;
        left -= (size_t)n;
    }
    return 0;
}

/* On Apple's systems fsync leaves the bytes in the disk's own memory. */
static int sync_file(int fd)
{
#ifdef F_FULLFSYNC
    if (!fcntl(fd, F_FULLFSYNC)) return 0;
#endif
    return fsync(fd);
}

/* Writes a file that must not exist. 0, or the error. */
static int write_file(int at, const char *name, const clkv_piece *pieces, size_t n, int durable)
{
    const int fd = openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    int error = 0;
    if (fd < 0) return errno;
    for (size_t i = 0; i < n && !error; i++)
        if (write_piece(fd, &pieces[i])) error = errno;
    if (!error && durable && sync_file(fd)) error = errno;
    if (close(fd) && !error) error = errno;
    if (error) unlinkat(at, name, 0);
    return error;
}

int clkv_folder_replace(const clkv_folder *folder, const char *name, const char *temporary, const clkv_piece *pieces,
                        size_t n, int durable, char why[CLKV_OS_WHY])
{
    int error = write_file(folder->fd, temporary, pieces, n, durable);
    if (error) return clkv_os_fail(why, strerror(error));
    if (renameat(folder->fd, temporary, folder->fd, name)) {
        error = errno;
        unlinkat(folder->fd, temporary, 0);
        return clkv_os_fail(why, strerror(error));
    }
    if (durable) sync_file(folder->fd); /* some file systems refuse; the file itself is on the disk */
    return 0;
}
