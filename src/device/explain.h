/* explain.h: finds the likely causes of having no device. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_DEVICE_EXPLAIN_H
#define CLKV_DEVICE_EXPLAIN_H

#include "device/set.h"

typedef struct clkv_reasons {
    char lines[8][256]; /* line 0 says what was found; each other line names a usual cause that applies here */
    size_t n;
} clkv_reasons;

/* Explains a set without devices. Reads the environment, the loader's folder and the device files of this machine. */
void clkv_explain(clkv_reasons *out, const clkv_device_set *set);

/* Adds a line for the first device file that exists and that this user may not open. `patterns` end with NULL and
 * are those of glob(). */
void clkv_explain_files(clkv_reasons *out, const char *const *patterns);

#endif
