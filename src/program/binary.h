/* binary.h: files of program binaries in the cache directory. The name of a file is the hash of everything that the
 * binary depends on, so that a file is never out of date; docs/formats.md describes the format. No function here
 * makes its caller fail: a file that cannot be read or written is a miss and a log line.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_PROGRAM_BINARY_H
#define CLKV_PROGRAM_BINARY_H

#include <stddef.h>
#include <stdint.h>

#define CLKV_BINARY_FORMAT       1u
#define CLKV_BINARY_HEADER_BYTES 48u

typedef struct clkv_binary_key {
    uint8_t bytes[16]; /* XXH3-128, canonical (big-endian) */
} clkv_binary_key;

/* A piece of data on which a binary depends. */
typedef struct clkv_binary_part {
    const void *data;
    size_t bytes;
} clkv_binary_part;

/* Hashes the format version and all parts, each with its length, as in docs/formats.md. */
void clkv_binary_key_make(clkv_binary_key *out, const clkv_binary_part *parts, size_t n);

/* Loads the binary of a key; free it with clkv_free(p, *bytes). NULL when there is none, when the directory or the
 * file is a link, belongs to another user or is writable by others, or when the file is not what was written. */
void *clkv_binary_load(const char *dir, const clkv_binary_key *key, size_t *bytes);

/* Stores a binary: replaces the file in one step, and creates the directory (mode 0700) if it does not exist. Returns
 * 0, or -1 after a log line. */
int clkv_binary_store(const char *dir, const clkv_binary_key *key, const void *binary, size_t bytes);

#endif
