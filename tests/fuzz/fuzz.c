/* fuzz.c: see fuzz.h. SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* memfd_create */
#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

void fuzz_broken(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
    abort();
}

const char *fuzz_file(int slot, const void *data, size_t bytes)
{
    static int files[2] = {-1, -1};
    static char paths[2][32];
    if (files[slot] < 0) {
        files[slot] = memfd_create("clkv-fuzz", MFD_CLOEXEC);
        FUZZ_CHECK(files[slot] >= 0);
        snprintf(paths[slot], sizeof paths[slot], "/proc/self/fd/%d", files[slot]);
    }
    FUZZ_CHECK(!ftruncate(files[slot], 0));
    for (size_t at = 0; at < bytes;) {
        const ssize_t n = pwrite(files[slot], (const char *)data + at, bytes - at, (off_t)at);
        FUZZ_CHECK(n > 0);
        at += (size_t)n;
    }
    return paths[slot];
}

void fuzz_check_message(const char *message)
{
    FUZZ_CHECK(*message);
    for (const unsigned char *s = (const unsigned char *)message; *s; s++) FUZZ_CHECK(*s >= 32 && *s != 127);
}
