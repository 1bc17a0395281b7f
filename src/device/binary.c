/* binary.c: reads and writes the files of the program cache.
 *
 *   ┌ magic ┬ format ┬ header bytes ┬ key ┬ payload bytes ┬ checksum ┬ payload … ┐
 *   0       8        12             16    32              40         48
 *
 * The checksum covers everything else, so that no driver ever sees a byte that it did not write: some
 * abort the process on a damaged binary. SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L /* mkstemp, O_NOFOLLOW */
#include "device/binary.h"

#include "core/log.h"
#include "core/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

static const char magic[8] = { 'C', 'L', 'K', 'V', 'P', 'R', 'G', '\n' };

static void put_little(uint8_t *out, uint64_t x, int n)
{
    for (int i = 0; i < n; i++) out[i] = (uint8_t)(x >> (8 * i));
}

void clkv_binary_key_make(clkv_binary_key *out, const clkv_binary_part *parts, size_t n)
{
    /* Hash over a list of fixed-size entries, so that no two lists of parts look alike. */
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

int clkv_binary_path(char *out, size_t size, const char *dir, const clkv_binary_key *key)
{
    char hex[33];
    for (int i = 0; i < 16; i++) snprintf(hex + 2 * i, 3, "%02x", key->bytes[i]);
    const int n = snprintf(out, size, "%s/%s.clkvprg", dir, hex);
    return n > 0 && (size_t)n < size ? 0 : -1;
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

/* Why an open file is not to be trusted, or NULL. */
static const char *distrust(const struct stat *s)
{
    if (!S_ISREG(s->st_mode)) return "not a regular file";
    if (s->st_uid != geteuid()) return "of another user";
    if (s->st_mode & (S_IWGRP | S_IWOTH)) return "writable by others";
    if (s->st_size <= (off_t)CLKV_BINARY_HEADER_BYTES) return "too short";
    return NULL;
}

void *clkv_binary_load(const char *dir, const clkv_binary_key *key, size_t *bytes_out)
{
    char path[512];
    if (clkv_binary_path(path, sizeof path, dir, key)) return NULL;
    /* O_NONBLOCK: somebody's FIFO of that name must not hang us. */
    const int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        if (errno != ENOENT) clkv_log(CLKV_LOG_WARNING, "program cache: %s: %s", path, strerror(errno));
        return NULL;
    }
    uint8_t header[CLKV_BINARY_HEADER_BYTES], expected[CLKV_BINARY_HEADER_BYTES];
    struct stat s;
    void *payload = NULL;
    size_t bytes = 0;
    const char *fault = fstat(fd, &s) ? "cannot be examined" : distrust(&s);
    if (!fault) {
        bytes = (size_t)s.st_size - sizeof header;
        payload = clkv_alloc(bytes);
        if (!payload) fault = "no memory for it";
        else if (read_all(fd, header, sizeof header) || read_all(fd, payload, bytes)) fault = "cannot be read";
    }
    close(fd);
    if (!fault) {
        make_header(expected, key, payload, bytes);
        if (memcmp(header, expected, sizeof header)) fault = "damaged, or not made by this version";
    }
    if (fault) {
        clkv_log(CLKV_LOG_WARNING, "program cache: %s ignored: %s", path, fault);
        clkv_free(payload, bytes);
        return NULL;
    }
    *bytes_out = bytes;
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

int clkv_binary_store(const char *dir, const clkv_binary_key *key, const void *binary, size_t bytes)
{
    char path[512], temporary[sizeof path + 8];
    uint8_t header[CLKV_BINARY_HEADER_BYTES];
    const char *what = "no name for the file";
    int fd = -1, error = 0;
    if (clkv_binary_path(path, sizeof path, dir, key)) goto fail;
    what = "cannot make the directory";
    if (make_directory(dir)) goto fail;
    snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
    what = "cannot make a file";
    fd = mkstemp(temporary); /* mode 0600 */
    if (fd < 0) goto fail;
    make_header(header, key, binary, bytes);
    what = "cannot write";
    const int written = !write_all(fd, header, sizeof header) && !write_all(fd, binary, bytes);
    if (!written) error = errno;
    if (close(fd) && !error) error = errno;
    if (!error && rename(temporary, path)) error = errno;
    if (error) {
        unlink(temporary);
        errno = error;
        goto fail;
    }
    return 0;
fail:
    clkv_log(CLKV_LOG_WARNING, "program cache: %s: %s: %s", dir, what, strerror(errno));
    return -1;
}
