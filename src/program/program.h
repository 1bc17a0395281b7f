/* program.h: kernels by family and options: built at first use, shared by all caches of a device, kept in a
 * disk cache of binaries. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_DEVICE_PROGRAM_H
#define CLKV_DEVICE_PROGRAM_H

#include <clkv/device.h>

/* What every program is built with, before the options of the kernel. */
#define CLKV_BUILD_OPTIONS "-cl-std=CL1.2 -cl-mad-enable -cl-no-signed-zeros"

/* A new cl_kernel (the caller releases it) named `kernel` from the program cl/prelude.cl + cl/<family>.cl
 * built with `options` (the "-DCLKV_…=…" list; the standard and flags are added here). The program is built
 * once per (family, options) and device. Thread-safe; blocks while it compiles. BUILD (the compiler's log
 * goes to the log callback), DEVICE, NO_MEMORY. */
clkv_status clkv_program_kernel(clkv_device *device, const char *family, const char *options, const char *kernel,
                                cl_kernel *out);

/* The largest work-group that the device takes for this kernel, which can be smaller than what the device
 * says of itself (registers, drivers), and the local memory that the kernel needs. DEVICE. */
clkv_status clkv_program_limits(const clkv_device *device, cl_kernel kernel, size_t *work_group,
                                cl_ulong *local_bytes);

/* The table behind it; destroy takes NULL. NO_MEMORY. */
typedef struct clkv_programs clkv_programs;
clkv_status clkv_programs_create(clkv_programs **out, clkv_device *device);
void clkv_programs_destroy(clkv_programs **programs);

#endif
