/* targets.h: what the tests of the operations run on: every device that the environment offers (or the one of
 * CLKV_DEVICE), with the kernel variant that clkv chooses for it and with the portable one (or the one of
 * CLKV_VARIANT). SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TESTS_TARGETS_H
#define CLKV_TESTS_TARGETS_H

#include "open.h"

typedef struct target {
    clkv_device *device;
    char name[120]; /* "pthread, portable" */
} target;

#define MAX_TARGETS 16

/* Opens them all; 0 when one cannot be opened, which was then reported. */
static inline size_t open_targets(target targets[MAX_TARGETS])
{
    clkv_device_info infos[MAX_TARGETS];
    size_t n = 0, found = 0;
    for (size_t i = 0; i < MAX_TARGETS; i++) infos[i].size = sizeof infos[i];
    if (clkv_device_list(infos, MAX_TARGETS, &found) != CLKV_OK) found = 0;
    if (found > MAX_TARGETS) found = MAX_TARGETS;
    const char *device = getenv("CLKV_DEVICE"), *variant = getenv("CLKV_VARIANT");
    for (size_t i = 0; i < found; i++) {
        if (device && i > 0) break;
        for (int v = 0; v < 2; v++) {
            clkv_device_params params = CLKV_PARAMS_INIT(clkv_device_params);
            char index[24];
            snprintf(index, sizeof index, "%zu", i);
            params.select = device ? NULL : index;
            /* The device's own choice, then the variant that runs everywhere; the CPU variant is not forced on
             * what has reasons against it: one work-item per group on a GPU, minutes of compiling on llvmpipe. */
            params.variant = v ? "portable" : NULL;
            if (v && (variant || info_of(targets[n - 1].device).variant[0] == 'p')) break;
            if (n == MAX_TARGETS) break;
            if (clkv_device_open(&targets[n].device, &params) != CLKV_OK) {
                printf("device %zu: %s\n", i, clkv_last_error()->message);
                return 0;
            }
            const clkv_device_info info = info_of(targets[n].device);
            snprintf(targets[n].name, sizeof targets[n].name, "%.60s, %s", info.name, info.variant);
            n++;
        }
    }
    return n;
}

static inline void close_targets(target *targets, size_t n)
{
    for (size_t i = 0; i < n; i++) clkv_device_close(&targets[i].device);
}

#endif
