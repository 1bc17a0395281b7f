/* program.h: the table of compiled programs, one for all caches of a device, and behind it the disk cache of
 * binaries. Thread-safe: several programs may be compiled at once, each by one thread.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_PROGRAM_PROGRAM_H
#define CLKV_PROGRAM_PROGRAM_H

#include "program/launch.h"

/* What every program is built with, before the options of the kernel. */
#define CLKV_BUILD_OPTIONS "-cl-std=CL1.2 -cl-mad-enable -cl-no-signed-zeros"

typedef struct clkv_programs clkv_programs;

/* The device's table: made by whoever asks first, destroyed with the device. NO_MEMORY. */
clkv_status clkv_programs_of(clkv_programs **out, clkv_device *device);

/* Which kernel is wanted. */
typedef struct clkv_wish {
    const char *file;    /* cl/<file>.cl, compiled behind cl/prelude.cl */
    const char *options; /* the "-DCLKV_…=…" list; CLKV_BUILD_OPTIONS come before it */
    const char *kernel;  /* its name in the file */
    clkv_idle idle;      /* a launch that does nothing, for drivers that make machine code no earlier */
} clkv_wish;

/* A new cl_kernel; the caller releases it. Blocks until its program is there: from the table, from the disk cache,
 * or compiled now. Whoever wants a program that another thread is compiling waits for that one. The machine code
 * is complete: a later launch compiles nothing. BUILD (the compiler's output goes to the log callback), DEVICE,
 * NO_MEMORY. */
clkv_status clkv_program_kernel(clkv_programs *programs, const clkv_wish *wish, cl_kernel *out);

/* The largest work-group that the device takes for this kernel, which can be smaller than what the device
 * says of itself (registers, drivers), and the local memory that the kernel needs. DEVICE. */
clkv_status clkv_program_limits(const clkv_programs *programs, cl_kernel kernel, size_t *work_group,
                                cl_ulong *local_bytes);

/* How many programs are compiled at a time: see docs/devices.md, CLKV_COMPILE_THREADS. */
uint32_t clkv_programs_threads(const clkv_programs *programs);

#endif
