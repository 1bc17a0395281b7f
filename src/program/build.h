/* build.h: builds a cl_program from source or binary, and gets its binary. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_PROGRAM_BUILD_H
#define CLKV_PROGRAM_BUILD_H

#include "program/binary.h"
#include "program/target.h"

/* Builds cl/prelude.cl + cl/<file>.cl. INVALID: no such file. BUILD: the compiler's output went to the
 * log callback, the first error is in the message. DEVICE, NO_MEMORY. */
clkv_status clkv_build_source(cl_program *out, const clkv_target *target, const char *file, const char *options);

/* Builds a program from a binary. NULL and a log line if that fails or if the program lacks the kernel. */
cl_program clkv_build_load(const clkv_target *target, const void *binary, size_t bytes, const char *options,
                           const char *kernel);

/* Gets the binary of a program for one device; free it with clkv_free(p, *bytes). NULL and a log line if the driver
 * gives none. */
void *clkv_build_binary(cl_program program, cl_device_id id, size_t *bytes);

/* Makes the key of everything that a binary depends on: sources, options, platform, device and driver. INVALID. */
clkv_status clkv_build_key(clkv_binary_key *out, const clkv_target *target, const char *file, const char *options);

#endif
