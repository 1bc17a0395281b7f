/* program.h: the table of compiled programs of a device, which its caches share, and the disk cache of binaries.
 * Thread-safe: several programs may be compiled at once, each by one thread. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_PROGRAM_PROGRAM_H
#define CLKV_PROGRAM_PROGRAM_H

#include "program/launch.h"

/* The options of every program, before those of the kernel. */
#define CLKV_BUILD_OPTIONS "-cl-std=CL1.2 -cl-mad-enable -cl-no-signed-zeros"

typedef struct clkv_programs clkv_programs;

/* The table of a device. The first call creates it; it is destroyed with the device. NO_MEMORY. */
clkv_status clkv_programs_of(clkv_programs **out, clkv_device *device);

/* A kernel that is wanted. */
typedef struct clkv_wish {
    const char *file;    /* cl/<file>.cl, compiled behind cl/prelude.cl */
    const char *options; /* the "-DCLKV_…=…" list; CLKV_BUILD_OPTIONS come before it */
    const char *kernel;  /* its name in the file */
    clkv_idle idle;      /* a launch that does nothing, for drivers that make machine code no earlier */
} clkv_wish;

/* Makes a new cl_kernel; the caller releases it. Blocks until its program is available: from the table, from the disk
 * cache, or compiled now. If another thread is compiling the same program, the call waits for that thread. The
 * machine code is complete, so that a later launch compiles nothing. BUILD (the log callback gets the compiler's
 * output), DEVICE, NO_MEMORY. */
clkv_status clkv_program_kernel(clkv_programs *programs, const clkv_wish *wish, cl_kernel *out);

/* The largest work-group that the device allows for this kernel, and the local memory that the kernel needs. The
 * device may allow fewer work-items for a kernel than in general, because of registers or the driver. DEVICE. */
clkv_status clkv_program_limits(const clkv_programs *programs, cl_kernel kernel, size_t *work_group,
                                cl_ulong *local_bytes);

/* The number of programs that are compiled at a time: see CLKV_COMPILE_THREADS in docs/devices.md. */
uint32_t clkv_programs_threads(const clkv_programs *programs);

#endif
