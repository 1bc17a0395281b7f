/* target_binary.c: entries of the program cache. Even first byte: the rest is the file, as somebody may have left
 * it there. Odd: the rest is stored as a program, then two bytes of the file are changed. Whatever comes back must
 * be what storing it writes, byte for byte. SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L /* mkdtemp */
#include "fuzz.h"

#include "core/memory.h"
#include "program/binary.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[256];

static void remove_folder(void)
{
    rmdir(folder);
}

static void make_folder(void)
{
    const char *base = getenv("TMPDIR");
    if (*folder) return;
    snprintf(folder, sizeof folder, "%s/clkv-fuzz-XXXXXX", base ? base : "/tmp");
    FUZZ_CHECK(mkdtemp(folder));
    atexit(remove_folder);
}

/* As docs/formats.md says. */
static void path_of(char *out, size_t size, const clkv_binary_key *key)
{
    int n = snprintf(out, size, "%s/", folder);
    for (int i = 0; i < 16; i++) n += snprintf(out + n, size - (size_t)n, "%02x", key->bytes[i]);
    snprintf(out + n, size - (size_t)n, ".clkvprg");
}

static size_t read_file(const char *path, uint8_t *out, size_t room)
{
    const int fd = open(path, O_RDONLY);
    FUZZ_CHECK(fd >= 0);
    const ssize_t n = read(fd, out, room);
    close(fd);
    FUZZ_CHECK(n >= 0);
    return (size_t)n;
}

static void write_file(const char *path, const uint8_t *data, size_t bytes)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    FUZZ_CHECK(fd >= 0 && write(fd, data, bytes) == (ssize_t)bytes && !close(fd));
}

/* Changes two bytes of the file; whether it is another one then. */
static int damage(const char *path, fuzz_input *in, uint8_t *file, size_t bytes)
{
    uint8_t before[2];
    size_t at[2];
    for (int i = 0; i < 2; i++) {
        at[i] = fuzz_u32(in) % bytes;
        before[i] = file[at[i]];
        file[at[i]] ^= fuzz_byte(in);
    }
    write_file(path, file, bytes);
    return file[at[0]] != before[0] || (at[0] != at[1] && file[at[1]] != before[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    const int store = fuzz_byte(&in) & 1;
    char path[512];
    clkv_binary_key key;
    make_folder();
    const clkv_binary_part parts[] = {{"fuzz", 4}, {data, size < 4 ? size : 4}};
    clkv_binary_key_make(&key, parts, 2);
    path_of(path, sizeof path, &key);
    int damaged = 0;
    const size_t room = size + CLKV_BINARY_HEADER_BYTES;
    uint8_t *file = malloc(room), *again = malloc(room);
    FUZZ_CHECK(file && again);
    if (store) {
        fuzz_input changes = in;
        fuzz_u32(&in), fuzz_u32(&in), fuzz_byte(&in), fuzz_byte(&in);
        FUZZ_CHECK(!clkv_binary_store(folder, &key, in.at, in.left));
        const size_t bytes = read_file(path, file, room);
        FUZZ_CHECK(bytes == in.left + CLKV_BINARY_HEADER_BYTES);
        damaged = damage(path, &changes, file, bytes);
    } else {
        write_file(path, in.at, in.left);
    }
    size_t bytes = 0;
    void *binary = clkv_binary_load(folder, &key, &bytes);
    if (store) FUZZ_CHECK(binary ? !damaged : damaged || !in.left);
    if (binary) {
        const size_t there = read_file(path, file, room);
        FUZZ_CHECK(!clkv_binary_store(folder, &key, binary, bytes));
        FUZZ_CHECK(read_file(path, again, room) == there && !memcmp(file, again, there));
        clkv_free(binary, bytes);
    }
    unlink(path);
    free(file);
    free(again);
    return 0;
}
