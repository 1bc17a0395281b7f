/* binary.c: reads and writes the files of the program cache.
 *
 *   ┌ magic ┬ format ┬ header bytes ┬ key ┬ payload bytes ┬ checksum ┬ payload … ┐
 *   0       8        12             16    32              40         48
 *
 * The checksum covers everything else, so that a driver only gets bytes that it wrote: some drivers abort the process
 * on a damaged binary. The checksum is no signature: who may write files as this user can make a file that passes. So
 * directory and file must belong to this user and must not be writable by others (os/folder.h).
 * SPDX-License-Identifier: Apache-2.0 */
#include "program/binary.h"

#include "core/error.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/random.h"
#include "os/folder.h"

#include <clkv/device.h>

#include <stdio.h>
#include <string.h>
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

/* Reads and checks an open file. The payload, or NULL and why. */
static void *read_entry(const clkv_file *file, const clkv_binary_key *key, size_t *bytes_out, const char **fault)
{
    uint8_t header[CLKV_BINARY_HEADER_BYTES], expected[CLKV_BINARY_HEADER_BYTES];
    char why[CLKV_OS_WHY];
    *fault = NULL;
    if (file->bytes <= sizeof header) *fault = "too short";
    else if (file->bytes > SIZE_MAX / 2) *fault = "too long";
    if (*fault) return NULL;
    const size_t bytes = (size_t)file->bytes - sizeof header;
    void *payload = clkv_alloc(bytes);
    if (!payload) {
        *fault = "no memory for it";
    } else if (clkv_file_read(file, 0, header, sizeof header, why) ||
               clkv_file_read(file, sizeof header, payload, bytes, why)) {
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

/* Opens the directory; −1: it is not there, or after a log line. */
static int open_directory(clkv_folder *out, const char *dir)
{
    char why[CLKV_OS_WHY];
    if (!clkv_folder_open(out, dir, why)) return 0;
    if (*why) clkv_log(CLKV_LOG_WARNING, "program cache: directory %s not used: %s", dir, why);
    return -1;
}

void *clkv_binary_load(const char *dir, const clkv_binary_key *key, size_t *bytes)
{
    char name[NAME_BYTES], why[CLKV_OS_WHY];
    clkv_folder folder;
    clkv_file file;
    name_of(name, key);
    if (open_directory(&folder, dir)) return NULL;
    const int opened = !clkv_folder_open_file(&folder, &file, name, CLKV_FILE_READ, why);
    clkv_folder_close(&folder);
    const char *fault = opened ? NULL : why;
    void *payload = opened ? read_entry(&file, key, bytes, &fault) : NULL;
    if (opened) clkv_file_close(&file);
    if (!payload && *fault) clkv_log(CLKV_LOG_WARNING, "program cache: %s/%s ignored: %s", dir, name, fault);
    return payload;
}

int clkv_binary_store(const char *dir, const clkv_binary_key *key, const void *binary, size_t bytes)
{
    char name[NAME_BYTES], temporary[NAME_BYTES + 17], why[CLKV_OS_WHY];
    uint8_t header[CLKV_BINARY_HEADER_BYTES];
    clkv_folder folder;
    name_of(name, key);
    if (clkv_folder_make(dir, why)) {
        clkv_log(CLKV_LOG_WARNING, "program cache: %s: cannot make the directory: %s", dir, why);
        return -1;
    }
    if (open_directory(&folder, dir)) return -1;
    make_header(header, key, binary, bytes);
    const clkv_piece pieces[] = { { header, sizeof header }, { binary, bytes } };
    snprintf(temporary, sizeof temporary, "%s.%016llx", name, (unsigned long long)clkv_random_seed());
    const int failed = clkv_folder_replace(&folder, name, temporary, pieces, 2, 0, why);
    clkv_folder_close(&folder);
    if (failed) clkv_log(CLKV_LOG_WARNING, "program cache: %s/%s: cannot write: %s", dir, name, why);
    return failed;
}

clkv_status clkv_device_get_cache_problem(const clkv_device *device, char *text, size_t room)
{
    clkv_device_info info = CLKV_PARAMS_INIT(clkv_device_info);
    if (!text || !room) return CLKV_PUBLIC(CLKV_FAIL(CLKV_ERROR_INVALID, text ? "room is 0" : "text is NULL"));
    *text = 0;
    const clkv_status st = clkv_device_get_info(device, &info);
    if (st || !*info.cache_dir) return CLKV_PUBLIC(st);
    char why[CLKV_OS_WHY];
    clkv_folder folder;
    const char *what = "";
    if (!clkv_folder_open(&folder, info.cache_dir, why)) {
        clkv_folder_close(&folder);
        if (!clkv_folder_may_write(info.cache_dir, why)) return CLKV_OK;
        what = "cannot be written: ";
    } else if (!*why) { /* it does not exist */
        if (!clkv_folder_may_make(info.cache_dir, why)) return CLKV_OK;
        what = "cannot be made: ";
    }
    snprintf(text, room, "%s%s", what, why);
    return CLKV_OK;
}
