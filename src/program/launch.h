/* launch.h: a kernel's first launch, which does nothing. Some drivers make a kernel's machine code no earlier than
 * that: the launch is made while the kernel is compiled, so that no operation has to wait for it later.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_PROGRAM_LAUNCH_H
#define CLKV_PROGRAM_LAUNCH_H

#include "program/target.h"

typedef struct clkv_idle {
    /* Sets arguments under which one work-group reads and writes nothing but `zeros`. NULL: the kernel is not
     * launched. */
    clkv_status (*set_args)(cl_kernel kernel, cl_mem zeros, const void *user);
    const void *user;
    size_t group; /* work-items of a work-group */
    size_t bytes; /* of zeros */
} clkv_idle;

/* Launches one work-group on a queue of its own and waits for it. DEVICE, DEVICE_MEMORY, NO_MEMORY. */
clkv_status clkv_launch_idle(const clkv_target *target, cl_kernel kernel, const clkv_idle *idle);

#endif
