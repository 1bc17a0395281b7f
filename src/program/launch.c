/* launch.c: see launch.h. SPDX-License-Identifier: Apache-2.0 */
#include "program/launch.h"

#include "core/error.h"
#include "core/memory.h"

static clkv_status launch(cl_command_queue queue, cl_mem zeros, cl_kernel kernel, const clkv_idle *idle)
{
    const clkv_status st = idle->set_args(kernel, zeros, idle->user);
    if (st) return st;
    cl_int err = clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &idle->group, &idle->group, 0, NULL, NULL);
    if (err != CL_SUCCESS) return CLKV_FAIL_DRIVER(err, "clEnqueueNDRangeKernel", "a kernel's first launch");
    err = clFinish(queue);
    if (err != CL_SUCCESS) return CLKV_FAIL_DRIVER(err, "clFinish", "a kernel's first launch");
    return CLKV_OK;
}

static clkv_status make_zeros(const clkv_target *target, size_t bytes, cl_mem *out)
{
    void *zeros = clkv_alloc(bytes);
    if (!zeros) return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "%zu bytes", bytes);
    cl_int err = CL_SUCCESS;
    cl_mem mem = clCreateBuffer(target->context, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, bytes, zeros, &err);
    clkv_free(zeros, bytes);
    if (err != CL_SUCCESS) return CLKV_FAIL_DRIVER(err, "clCreateBuffer", "%zu bytes for first launches", bytes);
    *out = mem;
    return CLKV_OK;
}

clkv_status clkv_launch_idle(const clkv_target *target, cl_kernel kernel, const clkv_idle *idle)
{
    cl_mem zeros = NULL;
    clkv_status st = make_zeros(target, idle->bytes, &zeros);
    if (st) return st;
    cl_int err = CL_SUCCESS;
    cl_command_queue queue = clCreateCommandQueue(target->context, target->id, 0, &err);
    if (err == CL_SUCCESS) {
        st = launch(queue, zeros, kernel, idle);
        clReleaseCommandQueue(queue);
    } else {
        st = CLKV_FAIL_DRIVER(err, "clCreateCommandQueue", "for first launches");
    }
    clReleaseMemObject(zeros);
    return st;
}
