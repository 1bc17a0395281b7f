/* fuzz.h: what the fuzz targets share. A target is a function that gets hostile bytes:
 *
 *   target_NAME.c   LLVMFuzzerTestOneInput  ◀── libFuzzer (builds with -Dfuzz=true), or replay.c over given files
 *
 * Parsers open files by path, so the bytes go into a file in memory. Files that are mapped are not: mmap is wrapped
 * (mapped.c) and gives a block of the heap with exactly the file's bytes, so that reading one byte too far is seen.
 * Messages of tools are not printed but checked (messages.c): one line, and nothing in it that a terminal obeys.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TESTS_FUZZ_H
#define CLKV_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold whatever the input. */
#define FUZZ_CHECK(condition)                                                                                      \
    do {                                                                                                           \
        if (!(condition)) fuzz_broken(__FILE__, __LINE__, #condition);                                             \
    } while (0)
_Noreturn void fuzz_broken(const char *file, int line, const char *what);

/* The path of a file in memory that holds these bytes; there are two, slots 0 and 1, used again and again. */
const char *fuzz_file(int slot, const void *data, size_t bytes);

/* A message of a tool: aborts when it is none that a terminal should get. */
void fuzz_check_message(const char *message);

/* Takes bytes off the front of the input, 0 where there are none left. */
typedef struct fuzz_input {
    const uint8_t *at;
    size_t left;
} fuzz_input;

static inline uint8_t fuzz_byte(fuzz_input *in)
{
    if (!in->left) return 0;
    in->left--;
    return *in->at++;
}

static inline uint32_t fuzz_u32(fuzz_input *in)
{
    uint32_t x = 0;
    for (int i = 0; i < 4; i++) x |= (uint32_t)fuzz_byte(in) << 8 * i;
    return x;
}

/* 0 … n − 1. */
static inline uint32_t fuzz_below(fuzz_input *in, uint32_t n)
{
    return n <= 256 ? fuzz_byte(in) % n : (fuzz_byte(in) | (uint32_t)fuzz_byte(in) << 8) % n;
}

/* At most `most` bytes, of which *n are there. */
static inline const uint8_t *fuzz_bytes(fuzz_input *in, size_t most, size_t *n)
{
    const uint8_t *at = in->at;
    *n = most < in->left ? most : in->left;
    if (*n) in->at += *n;
    in->left -= *n;
    return at;
}

#endif
