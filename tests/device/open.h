/* open.h: how a device test gets its device. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TESTS_OPEN_H
#define CLKV_TESTS_OPEN_H

#include "../unit/support.h"

#include <clkv/device.h>

#include <stdio.h>
#include <string.h>

/* What main() returns at once when it is not −1: 77, which meson counts as skipped, when there is no device
 * and none is needed. */
static inline int without_device(void)
{
    size_t found = 0;
    const clkv_status st = clkv_device_list(NULL, 0, &found);
    if (st == CLKV_OK && found > 0) return -1;
    printf("no OpenCL device: %s\n", st ? clkv_last_error()->message : "no platform has one");
    return getenv("CLKV_TEST_NEED_DEVICE") ? EXIT_FAILURE : 77;
}

/* The device that the environment names, else the best one. cache_dir as in clkv_device_params. */
static inline clkv_device *open_device(const char *cache_dir)
{
    clkv_device_params params = CLKV_PARAMS_INIT(clkv_device_params);
    params.cache_dir = cache_dir;
    clkv_device *device = NULL;
    ck_ok(clkv_device_open(&device, &params));
    return device;
}

static inline clkv_device_info info_of(const clkv_device *device)
{
    clkv_device_info info = CLKV_PARAMS_INIT(clkv_device_info);
    ck_ok(clkv_device_get_info(device, &info));
    return info;
}

/* Under Oclgrind every error of the driver is a finding, also one that a test provokes. */
static inline int may_provoke(const clkv_device *device)
{
    if (strcmp(info_of(device).platform, "Oclgrind")) return 1;
    printf("not tried under Oclgrind: errors of the driver\n");
    return 0;
}

/* Can commands be held back with a user event? Oclgrind and pocl's "basic" device run them within clFlush,
 * and wait there for events that only the caller can complete. */
static inline int can_hold_back(const clkv_device *device)
{
    const clkv_device_info info = info_of(device);
    if (strncmp(info.name, "basic", 5) && strcmp(info.platform, "Oclgrind")) return 1;
    printf("not tried on %s: it has no commands that wait\n", info.name);
    return 0;
}

/* Does a command fail whose wait event has failed? Intel's CPU runtime (2026.2) leaves a write out and says that it
 * was done, and runs kernels all the same. */
static inline int can_pass_on_failure(const clkv_device *device)
{
    const clkv_device_info info = info_of(device);
    if (strncmp(info.platform, "Intel(R) OpenCL", 15) || info.kind != CLKV_DEVICE_CPU) return 1;
    printf("not tried on %s: commands do not fail with what they wait for\n", info.name);
    return 0;
}

#endif
