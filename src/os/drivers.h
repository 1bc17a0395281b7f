/* drivers.h: where the system registers OpenCL drivers, and the device files that a user may not open.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_OS_DRIVERS_H
#define CLKV_OS_DRIVERS_H

#include <stddef.h>

typedef struct clkv_drivers {
    char place[200]; /* where the loader looks for drivers */
    char names[100]; /* of those that are registered there, cut to fit */
    size_t n;
    int known;       /* 0: this system does not tell */
} clkv_drivers;

/* On Linux the loader takes the files *.icd of a folder, or what OCL_ICD_VENDORS names. On Windows drivers are in the
 * registry, and macOS has one built in: nothing is known of both. */
void clkv_os_drivers(clkv_drivers *out);

/* The first device file of these patterns, which end with NULL, that exists and that this user may not open. Returns 1
 * and its path; 0: there is none. The patterns of clkv_os_device_files are those of GPU drivers. */
int clkv_os_forbidden_file(const char *const *patterns, char *path, size_t room);
extern const char *const clkv_os_device_files[];

#endif
