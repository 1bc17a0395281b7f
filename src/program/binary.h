/* binary.h: files of program binaries in the cache directory. A file's name is the hash of everything that
 * the binary depends on, so that a file is never out of date; docs/formats.md has it to the byte.
 * Nothing here fails a caller: a cache that cannot be read or written is a miss and a log line.
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

/* One part of what a binary depends on. */
typedef struct clkv_binary_part {
    const void *data;
    size_t bytes;
} clkv_binary_part;

/* Hashes the format version and all parts, each with its length; as docs/formats.md says. */
void clkv_binary_key_make(clkv_binary_key *out, const clkv_binary_part *parts, size_t n);

/* The binary kept for a key (free it with clkv_free(p, *bytes)), or NULL: there is none, or its directory
 * or file is a link, of another user or writable by others, or the file is not what was written. */
void *clkv_binary_load(const char *dir, const clkv_binary_key *key, size_t *bytes);

/* Keeps a binary; replaces the file in one step, makes the directory (mode 0700) when it is not there.
 * 0, or -1 after a log line. */
int clkv_binary_store(const char *dir, const clkv_binary_key *key, const void *binary, size_t bytes);

#endif
