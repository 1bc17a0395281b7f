/* fault.h: what the failing driver (layer.c) and the test that steers it share.
 *
 * The layer sits between the OpenCL loader and any driver and wraps every entry point that clkv, its tools and
 * CLBlast use. It counts calls, makes some of them fail, and knows which objects live:
 *
 *   program ─▶ loader ─▶ layer ──────────▶ driver
 *                          │ fails: the driver never hears of the call (but for a release, which it does
 *                          │ and denies: an object whose release failed is gone all the same)
 *
 * A test process finds the control block with fault_without_layer and sets it between calls; a whole program is
 * run with OPENCL_LAYERS=…/libfault.so and the variables CLKV_FAULT_… (docs/testing.md).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TESTS_FAULT_H
#define CLKV_TESTS_FAULT_H

#ifndef CL_TARGET_OPENCL_VERSION
#define CL_TARGET_OPENCL_VERSION 120
#endif
#include <CL/cl.h>

#include <stdint.h>

typedef enum fault_kind {
    FAULT_CONTEXT, FAULT_QUEUE, FAULT_MEM, FAULT_SAMPLER, FAULT_PROGRAM, FAULT_KERNEL, FAULT_EVENT, FAULT_KINDS
} fault_kind;

typedef enum fault_mode {
    FAULT_NONE,   /* count only */
    FAULT_ONE,    /* call number `at` fails */
    FAULT_FROM,   /* it and all later ones fail; what was enqueued before is let finish: a lost device */
    FAULT_RANDOM, /* each fails with a chance of per_mille, by `seed` */
    FAULT_LATE,   /* enqueueing call number `at` succeeds, and its command fails on the device */
} fault_mode;

typedef struct fault_control {
    /* for the test to set, while no call is under way */
    int watch;             /* 0: calls pass uncounted (a test's own) */
    fault_mode mode;
    const char *only;      /* this entry point alone counts; NULL: all of them */
    uint64_t at;           /* 1: the next one that counts */
    cl_int code;           /* 0: a code that is typical of the entry point, the `choice`-th of them */
    uint32_t choice;
    uint32_t per_mille;
    uint64_t seed;
    /* for the test to read */
    uint64_t calls;        /* counted; set to 0 to begin again */
    uint64_t failed;       /* made to fail; likewise */
    const char *call;      /* the last one that failed, with which code, */
    cl_int call_code;
    uint32_t choices;      /* and how many typical codes its entry point has */
    uint64_t live[FAULT_KINDS];
    uint64_t misuses;      /* objects retained, released or used that do not live */
} fault_control;

/* Begins to count, and to fail: the at-th call from now, of any entry point. code 0: the choice-th typical one. */
static inline void fault_arm(fault_control *control, fault_mode mode, uint64_t at, cl_int code, uint32_t choice)
{
    control->mode = mode;
    control->only = NULL;
    control->at = at;
    control->code = code;
    control->choice = choice;
    control->calls = control->failed = 0;
    control->watch = 1;
}

/* Finds the control block. What main() returns at once when it is not −1: 77, which meson counts as skipped, when the
 * process runs without the layer and no device is needed. */
int fault_without_layer(fault_control **control);

#endif
