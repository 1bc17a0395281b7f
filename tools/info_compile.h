/* info_compile.h: how long a device's compiler takes for the usual kernels: those of 32 query heads over 8 KV heads of
 * 128 dimensions, with fp16 K and V and fp32 tensors.
 *
 * Each measurement is a process of its own (this program with --compile), since a driver keeps what it has compiled as
 * long as its process lives, and since a compiler that crashes then ends only that process. The folders of binaries are
 * new ones that are removed in the end. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_INFO_COMPILE_H
#define CLKV_TOOLS_INFO_COMPILE_H

#include <stdbool.h>
#include <stdint.h>

/* The programs compiled, and those read from clkv's cache. */
typedef struct info_compile_time {
    double seconds;
    uint64_t built, from_disk;
} info_compile_time;

enum { INFO_COMPILE_WHY = 8192 };

typedef struct info_compile_times {
    bool done;
    info_compile_time cold; /* without any binaries */
    info_compile_time warm; /* with those of clkv's cache, and without the driver's */
    char why[INFO_COMPILE_WHY]; /* it was not done: lines */
} info_compile_times;

/* What --compile does: compiles with the caches as they are, and prints a line with the three numbers. When that fails
 * it prints lines that say why. Returns what to exit with. */
int info_compile(const char *device, const char *variant);

/* Measures a device of this machine by its index. Ctrl-C ends the measurement. The variables that name folders of
 * binaries have other values afterwards. */
void info_compile_measure(info_compile_times *out, uint32_t index, const char *variant);

#endif
