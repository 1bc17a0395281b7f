/* open.h: how a device test gets its device. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TESTS_OPEN_H
#define CLKV_TESTS_OPEN_H

#include "../unit/support.h"

#include <clkv/device.h>

#include <stdio.h>
#include <string.h>

/* What main() returns at once when it is not −1: 77, which meson counts as skipped, when there is no device
 * and none is needed. */
static inline int without_device(void)
{
    size_t found = 0;
    const clkv_status st = clkv_device_list(NULL, 0, &found);
    if (st == CLKV_OK && found > 0) return -1;
    printf("no OpenCL device: %s\n", st ? clkv_last_error()->message : "no platform has one");
    return getenv("CLKV_TEST_NEED_DEVICE") ? EXIT_FAILURE : 77;
}

/* The device that the environment names, else the best one. cache_dir as in clkv_device_params. */
static inline clkv_device *open_device(const char *cache_dir)
{
    clkv_device_params params = CLKV_PARAMS_INIT(clkv_device_params);
    params.cache_dir = cache_dir;
    clkv_device *device = NULL;
    ck_ok(clkv_device_open(&device, &params));
    return device;
}

static inline clkv_device_info info_of(const clkv_device *device)
{
    clkv_device_info info = CLKV_PARAMS_INIT(clkv_device_info);
    ck_ok(clkv_device_get_info(device, &info));
    return info;
}

/* Under Oclgrind every error of the driver is a finding, also one that a test provokes. */
static inline int may_provoke(const clkv_device *device)
{
    if (strcmp(info_of(device).platform, "Oclgrind")) return 1;
    printf("not tried under Oclgrind: errors of the driver\n");
    return 0;
}

/* Can commands be held back with a user event? Oclgrind and pocl's "basic" device run them within clFlush,
 * and wait there for events that only the caller can complete. */
static inline int can_hold_back(const clkv_device *device)
{
    const clkv_device_info info = info_of(device);
    if (strncmp(info.name, "basic", 5) && strcmp(info.platform, "Oclgrind")) return 1;
    printf("not tried on %s: it has no commands that wait\n", info.name);
    return 0;
}

/* Does a command fail whose wait event has failed? Intel's CPU runtime (2026.2) leaves a write out and says that it
 * was done, and runs kernels all the same. */
static inline int can_pass_on_failure(const clkv_device *device)
{
    const clkv_device_info info = info_of(device);
    if (strncmp(info.platform, "Intel(R) OpenCL", 15) || info.kind != CLKV_DEVICE_CPU) return 1;
    printf("not tried on %s: commands do not fail with what they wait for\n", info.name);
    return 0;
}

/* Does a queue go on after one of its commands has failed? OpenCL leaves that to the driver, and on rusticl of Mesa 25
 * every later command of the queue fails. For devices that can_hold_back() and can_pass_on_failure(). */
static inline int queue_outlives_failure(const clkv_device *device)
{
    cl_context context = clkv_device_context(device);
    cl_int err = CL_SUCCESS;
    cl_command_queue queue = clCreateCommandQueue(context, clkv_device_id(device), 0, &err);
    ck_assert_int_eq(err, CL_SUCCESS);
    cl_mem mem = clCreateBuffer(context, CL_MEM_READ_WRITE, sizeof(cl_int), NULL, &err);
    ck_assert_int_eq(err, CL_SUCCESS);
    cl_event gate = clCreateUserEvent(context, &err), failed = NULL;
    ck_assert_int_eq(err, CL_SUCCESS);
    ck_assert_int_eq(clEnqueueWriteBuffer(queue, mem, CL_FALSE, 0, sizeof err, &err, 1, &gate, &failed), CL_SUCCESS);
    clFlush(queue);
    ck_assert_int_eq(clSetUserEventStatus(gate, CL_OUT_OF_RESOURCES), CL_SUCCESS);
    ck_assert_int_ne(clWaitForEvents(1, &failed), CL_SUCCESS);
    const cl_int after = clEnqueueWriteBuffer(queue, mem, CL_TRUE, 0, sizeof err, &err, 0, NULL, NULL);
    clReleaseEvent(failed);
    clReleaseEvent(gate);
    clReleaseMemObject(mem);
    clReleaseCommandQueue(queue);
    if (after == CL_SUCCESS) return 1;
    printf("not tried on %s: its queues do not go on after a failure\n", info_of(device).name);
    return 0;
}

#endif
