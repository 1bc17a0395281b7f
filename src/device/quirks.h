/* quirks.h: the table of workarounds for properties of drivers that no query reports.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_DEVICE_QUIRKS_H
#define CLKV_DEVICE_QUIRKS_H

#include "device/facts.h"

/* The order of the rows in quirks.c. */
typedef enum clkv_quirk {
    CLKV_QUIRK_APPLE_LARGE_BUFFERS,  /* slabs stay below 2 GiB */
    CLKV_QUIRK_APPLE_SLOW_LAUNCH,    /* short contexts are not split, which saves the launch that merges */
    CLKV_QUIRK_INTEL_LARGE_BUFFERS,  /* slabs stay below 4 GiB */
    CLKV_QUIRK_INTEL_NARROW,         /* the narrowest sub-group that a kernel can ask for */
    CLKV_QUIRK_POCL_LATE_CODE,       /* kernels are launched once while they are compiled */
    CLKV_QUIRK_LLVMPIPE_PORTABLE,    /* the portable variant, though it is a CPU */
    CLKV_QUIRK_RUSTICL_LOCAL_TWICE,  /* halves the local memory that the driver reports for a kernel */
    CLKV_QUIRK_OCLGRIND_NO_BINARIES, /* no disk cache */
    CLKV_QUIRK_OCLGRIND_ONE_COMPILER, /* programs are built one after the other */
    CLKV_QUIRKS
} clkv_quirk;

/* The quirks in force on a device with these facts, a bit for each. */
uint32_t clkv_quirks_match(const clkv_facts *facts);

/* Adds the quirks that CLKV_QUIRKS names, separated by commas, whatever the device is. INVALID: an unknown name. */
clkv_status clkv_quirks_force(uint32_t *quirks);

/* The texts of the index-th quirk in force, as clkv_device_get_quirk; 0 past the last. */
int clkv_quirks_get(uint32_t quirks, size_t index, const char **name, const char **reason, const char **link);

/* The largest cl_mem that may be created on the device. */
uint64_t clkv_quirks_max_alloc(uint32_t quirks, const clkv_device_info *info);

#endif
