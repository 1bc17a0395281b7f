/* clkv/version.h: the version of clkv. The build reads the version from this file (project version, pkg-config
 * file, soname). SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_VERSION_H
#define CLKV_VERSION_H

#include <clkv/api.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CLKV_VERSION_MAJOR 0
#define CLKV_VERSION_MINOR 2
#define CLKV_VERSION_PATCH 0

/* Raised whenever a program built against the old headers must be rebuilt. The soname is
 * libclkv.so.CLKV_ABI_VERSION. */
#define CLKV_ABI_VERSION 1

/* The version of the library that is running, "major.minor.patch". Static storage. Any thread. */
CLKV_API const char *clkv_version(void);

#ifdef __cplusplus
}
#endif
#endif
