/* launch.h: the first launch of a kernel, which does no work. Some drivers make the machine code of a kernel at its
 * first launch. So the kernel is launched once while it is compiled, and no operation has to wait for that later.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_PROGRAM_LAUNCH_H
#define CLKV_PROGRAM_LAUNCH_H

#include "program/target.h"

typedef struct clkv_idle {
    /* Sets arguments with which one work-group reads and writes only `zeros`. NULL: the kernel is not launched. */
    clkv_status (*set_args)(cl_kernel kernel, cl_mem zeros, const void *user);
    const void *user;
    size_t group; /* work-items of a work-group */
    size_t bytes; /* of zeros */
} clkv_idle;

/* Launches one work-group on a queue of its own and waits for it. DEVICE, DEVICE_MEMORY, NO_MEMORY. */
clkv_status clkv_launch_idle(const clkv_target *target, cl_kernel kernel, const clkv_idle *idle);

#endif
