/* binary.c: reads and writes the files of the program cache.
 *
 *   ┌ magic ┬ format ┬ header bytes ┬ key ┬ payload bytes ┬ checksum ┬ payload … ┐
 *   0       8        12             16    32              40         48
 *
 * The checksum covers everything else, so that a driver only gets bytes that it wrote: some drivers abort the process
 * on a damaged binary. The checksum is no signature: who may write files as this user can make a file that passes. So
 * directory and file must belong to this user and must not be writable by others. Both are examined after they were
 * opened, through the descriptor that is then read, so that nobody can exchange them in between.
 * SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L /* openat, O_NOFOLLOW, O_DIRECTORY */
#include "program/binary.h"

#include "core/error.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/random.h"

#include <clkv/device.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define NAME_BYTES 41 /* 32 hexadecimal digits, .clkvprg, NUL */

static const char magic[8] = { 'C', 'L', 'K', 'V', 'P', 'R', 'G', '\n' };

static void put_little(uint8_t *out, uint64_t x, int n)
{
    for (int i = 0; i < n; i++) out[i] = (uint8_t)(x >> (8 * i));
}

void clkv_binary_key_make(clkv_binary_key *out, const clkv_binary_part *parts, size_t n)
{
    /* The hash is over a list of fixed-size entries, so that no two lists of parts give the same bytes. */
    uint8_t entry[40] = { CLKV_BINARY_FORMAT }; /* the key so far, length and hash of the next part */
    XXH128_canonical_t canonical;
    for (size_t i = 0; i < n; i++) {
        put_little(entry + 16, parts[i].bytes, 8);
        XXH128_canonicalFromHash(&canonical, XXH3_128bits(parts[i].data, parts[i].bytes));
        memcpy(entry + 24, canonical.digest, 16);
        XXH128_canonicalFromHash(&canonical, XXH3_128bits(entry, sizeof entry));
        memcpy(entry, canonical.digest, 16);
    }
    memcpy(out->bytes, entry, sizeof out->bytes);
}

/* The name of a key's file within the directory. */
static void name_of(char name[NAME_BYTES], const clkv_binary_key *key)
{
    for (int i = 0; i < 16; i++) snprintf(name + 2 * i, 3, "%02x", key->bytes[i]);
    memcpy(name + 32, ".clkvprg", 9);
}

/* The first 40 bytes of a file, and then the checksum over them and the payload. */
static void make_header(uint8_t header[CLKV_BINARY_HEADER_BYTES], const clkv_binary_key *key, const void *payload,
                        size_t bytes)
{
    memcpy(header, magic, sizeof magic);
    put_little(header + 8, CLKV_BINARY_FORMAT, 4);
    put_little(header + 12, CLKV_BINARY_HEADER_BYTES, 4);
    memcpy(header + 16, key->bytes, sizeof key->bytes);
    put_little(header + 32, bytes, 8);
    /* The header's hash seeds the payload's, so that one number covers both. */
    put_little(header + 40, XXH3_64bits_withSeed(payload, bytes, XXH3_64bits(header, 40)), 8);
}

static int read_all(int fd, void *out, size_t bytes)
{
    char *p = out;
    while (bytes) {
        const ssize_t n = read(fd, p, bytes);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return -1;
        p += n;
        bytes -= (size_t)n;
    }
    return 0;
}

static int write_all(int fd, const void *in, size_t bytes)
{
    const char *p = in;
    while (bytes) {
        const ssize_t n = write(fd, p, bytes);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -1;
        p += n;
        bytes -= (size_t)n;
    }
    return 0;
}

/* Why nobody else can have put something here, or rather, why somebody could have; NULL: nobody. */
static const char *distrust(const struct stat *s)
{
    if (s->st_uid != geteuid()) return "of another user";
    if (s->st_mode & (S_IWGRP | S_IWOTH)) return "writable by others";
    return NULL;
}

/* The directory, open; −1 with the reason, which is NULL when it is not there. */
static int examine_directory(const char *dir, const char **fault)
{
    struct stat s;
    *fault = NULL;
    const int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        if (errno == ENOTDIR && !lstat(dir, &s)) *fault = S_ISLNK(s.st_mode) ? "a link" : "not a directory";
        else if (errno != ENOENT) *fault = strerror(errno);
        return -1;
    }
    *fault = fstat(fd, &s) ? "cannot be examined" : distrust(&s);
    if (!*fault) return fd;
    close(fd);
    return -1;
}

/* The directory, open; −1: it is not there, or after a log line. */
static int open_directory(const char *dir)
{
    const char *fault;
    const int fd = examine_directory(dir, &fault);
    if (fault) clkv_log(CLKV_LOG_WARNING, "program cache: directory %s not used: %s", dir, fault);
    return fd;
}

/* Reads and checks an open file. The payload, or NULL and why. */
static void *read_entry(int fd, const clkv_binary_key *key, size_t *bytes_out, const char **fault)
{
    uint8_t header[CLKV_BINARY_HEADER_BYTES], expected[CLKV_BINARY_HEADER_BYTES];
    struct stat s;
    *fault = "cannot be examined";
    if (fstat(fd, &s)) return NULL;
    *fault = S_ISREG(s.st_mode) ? distrust(&s) : "not a regular file";
    if (!*fault && s.st_size <= (off_t)sizeof header) *fault = "too short";
    if (*fault) return NULL;
    const size_t bytes = (size_t)s.st_size - sizeof header;
    void *payload = clkv_alloc(bytes);
    if (!payload) {
        *fault = "no memory for it";
    } else if (read_all(fd, header, sizeof header) || read_all(fd, payload, bytes)) {
        *fault = "cannot be read";
    } else {
        make_header(expected, key, payload, bytes);
        if (memcmp(header, expected, sizeof header)) *fault = "damaged, or not made by this version";
    }
    if (*fault) {
        clkv_free(payload, bytes);
        return NULL;
    }
    *bytes_out = bytes;
    return payload;
}

void *clkv_binary_load(const char *dir, const clkv_binary_key *key, size_t *bytes)
{
    char name[NAME_BYTES];
    name_of(name, key);
    const int at = open_directory(dir);
    if (at < 0) return NULL;
    /* O_NONBLOCK: somebody's FIFO of that name must not hang us. */
    const int fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    const int error = errno;
    close(at);
    if (fd < 0) {
        if (error != ENOENT) clkv_log(CLKV_LOG_WARNING, "program cache: %s/%s: %s", dir, name, strerror(error));
        return NULL;
    }
    const char *fault = NULL;
    void *payload = read_entry(fd, key, bytes, &fault);
    close(fd);
    if (!payload) clkv_log(CLKV_LOG_WARNING, "program cache: %s/%s ignored: %s", dir, name, fault);
    return payload;
}

/* mkdir -p, for this user only. */
static int make_directory(const char *dir)
{
    char path[512];
    const int n = snprintf(path, sizeof path, "%s", dir);
    if (n < 0 || (size_t)n >= sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    for (char *p = path + 1; *p; p++) {
        if (*p != '/') continue;
        *p = 0;
        if (mkdir(path, 0700) && errno != EEXIST) return -1;
        *p = '/';
    }
    return mkdir(path, 0700) && errno != EEXIST ? -1 : 0;
}

/* Writes a file of that name, which must not exist. 0, or the error. */
static int write_file(int at, const char *name, const clkv_binary_key *key, const void *binary, size_t bytes)
{
    uint8_t header[CLKV_BINARY_HEADER_BYTES];
    const int fd = openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return errno;
    make_header(header, key, binary, bytes);
    int error = write_all(fd, header, sizeof header) || write_all(fd, binary, bytes) ? errno : 0;
    if (close(fd) && !error) error = errno;
    return error;
}

int clkv_binary_store(const char *dir, const clkv_binary_key *key, const void *binary, size_t bytes)
{
    char name[NAME_BYTES], temporary[NAME_BYTES + 17];
    name_of(name, key);
    if (make_directory(dir)) {
        clkv_log(CLKV_LOG_WARNING, "program cache: %s: cannot make the directory: %s", dir, strerror(errno));
        return -1;
    }
    const int at = open_directory(dir);
    if (at < 0) return -1;
    snprintf(temporary, sizeof temporary, "%s.%016llx", name, (unsigned long long)clkv_random_seed());
    int error = write_file(at, temporary, key, binary, bytes);
    if (!error && renameat(at, temporary, at, name)) error = errno;
    if (error && error != EEXIST) unlinkat(at, temporary, 0);
    close(at);
    if (!error) return 0;
    clkv_log(CLKV_LOG_WARNING, "program cache: %s/%s: cannot write: %s", dir, name, strerror(error));
    return -1;
}

/* ---- problems of the directory ---- */

/* NULL if files can be created in the directory, else the reason why not. */
static const char *cannot_write(int at, const char *path)
{
    return faccessat(at, path, W_OK | X_OK, AT_EACCESS) ? strerror(errno) : NULL;
}

/* The same for a directory that does not exist, decided by the nearest existing directory above it. */
static const char *cannot_make(const char *dir)
{
    char path[512];
    struct stat s;
    const size_t n = strlen(dir);
    if (n >= sizeof path) return strerror(ENAMETOOLONG);
    memcpy(path, dir, n + 1);
    for (;;) {
        char *slash = strrchr(path, '/');
        if (slash) slash[slash == path] = 0; /* "/" stays */
        else memcpy(path, ".", 2);
        if (!stat(path, &s)) return S_ISDIR(s.st_mode) ? cannot_write(AT_FDCWD, path) : strerror(ENOTDIR);
        if (errno != ENOENT || !strcmp(path, "/") || !strcmp(path, ".")) return strerror(errno);
    }
}

clkv_status clkv_device_get_cache_problem(const clkv_device *device, char *text, size_t room)
{
    clkv_device_info info = CLKV_PARAMS_INIT(clkv_device_info);
    if (!text || !room) return CLKV_PUBLIC(CLKV_FAIL(CLKV_ERROR_INVALID, text ? "room is 0" : "text is NULL"));
    *text = 0;
    const clkv_status st = clkv_device_get_info(device, &info);
    if (st || !*info.cache_dir) return CLKV_PUBLIC(st);
    const char *fault;
    const int at = examine_directory(info.cache_dir, &fault);
    if (at < 0) {
        const char *why = fault ? NULL : cannot_make(info.cache_dir);
        snprintf(text, room, "%s%s", why ? "cannot be made: " : "", why ? why : fault ? fault : "");
        return CLKV_OK;
    }
    const char *why = cannot_write(at, ".");
    snprintf(text, room, "%s%s", why ? "cannot be written: " : "", why ? why : "");
    close(at);
    return CLKV_OK;
}
