/* target.h: what programs are compiled for: the properties of a device that this folder needs.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_PROGRAM_TARGET_H
#define CLKV_PROGRAM_TARGET_H

#include <clkv/device.h>

/* The device owns everything that the pointers point to. */
typedef struct clkv_target {
    cl_context context;
    cl_device_id id;
    const void *identity; /* names platform, device and driver with their versions */
    size_t identity_bytes;
    const char *cache_dir; /* "": no disk cache */
    int late_code;         /* the driver makes machine code at a kernel's first launch: see CLKV_QUIRK_POCL_LATE_CODE */
    int local_twice;       /* see CLKV_QUIRK_RUSTICL_LOCAL_TWICE */
} clkv_target;

#endif
