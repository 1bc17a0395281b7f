/* folder_posix.c: see folder.h. SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L /* openat */
#define _DARWIN_C_SOURCE        /* O_NOFOLLOW */
#define _FILE_OFFSET_BITS 64    /* files of more than 2 GiB on 32-bit systems */
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

int clkv_folder_open_file(const clkv_folder *folder, clkv_file *out, const char *name, clkv_file_access access,
                          char why[CLKV_OS_WHY])
{
    static const int modes[] = { [CLKV_FILE_READ] = O_RDONLY, [CLKV_FILE_WRITE] = O_RDWR,
                                 [CLKV_FILE_CREATE] = O_RDWR | O_CREAT | O_EXCL };
    struct stat s;
    /* O_NONBLOCK: a FIFO of that name, which somebody else made, must not make this call wait. */
    const int fd = openat(folder->fd, name, modes[access] | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
    const int made = access == CLKV_FILE_CREATE;
    if (fd < 0) return errno == ENOENT && !made ? clkv_os_fail(why, "") : fail_errno(why);
    const char *fault = fstat(fd, &s) ? "cannot be examined" : S_ISREG(s.st_mode) ? distrust(&s) : "not a regular file";
    if (fault) {
        close(fd);
        if (made) unlinkat(folder->fd, name, 0);
        return clkv_os_fail(why, fault);
    }
    *out = (clkv_file){ fd, (uint64_t)s.st_size };
    return 0;
}

/* Writes a file that must not exist. 0, or −1 with the reason. */
static int write_file(const clkv_folder *folder, const char *name, const clkv_piece *pieces, size_t n, int durable,
                      char *why)
{
    clkv_file file;
    uint64_t at = 0;
    int failed = 0;
    if (clkv_folder_open_file(folder, &file, name, CLKV_FILE_CREATE, why)) return -1;
    for (size_t i = 0; i < n && !failed; i++) {
        failed = clkv_file_write(&file, at, pieces[i].data, pieces[i].bytes, why);
        at += pieces[i].bytes;
    }
    if (!failed && durable) failed = clkv_file_sync(&file, why);
    if (close(file.fd) && !failed) failed = fail_errno(why);
    if (failed) unlinkat(folder->fd, name, 0);
    return failed;
}

int clkv_folder_replace(const clkv_folder *folder, const char *name, const char *temporary, const clkv_piece *pieces,
                        size_t n, int durable, char why[CLKV_OS_WHY])
{
    if (write_file(folder, temporary, pieces, n, durable, why)) return -1;
    if (renameat(folder->fd, temporary, folder->fd, name)) {
        fail_errno(why);
        unlinkat(folder->fd, temporary, 0);
        return -1;
    }
    char refused[CLKV_OS_WHY]; /* by some file systems; the file itself is on the disk */
    if (durable) clkv_file_sync(&(clkv_file){ .fd = folder->fd }, refused);
    return 0;
}
