/* buffer.c: small device buffers. SPDX-License-Identifier: Apache-2.0 */
#include "device/buffer.h"

#include "core/error.h"
#include "device/device.h"
#include "device/process.h"

clkv_status clkv_buffer_create(cl_mem *out, const clkv_device *device, size_t bytes, const char *what)
{
    cl_int err = CL_SUCCESS;
    cl_mem mem = clCreateBuffer(device->context, CL_MEM_READ_WRITE, bytes, NULL, &err);
    if (err == CL_INVALID_BUFFER_SIZE && bytes > 0) err = CL_MEM_OBJECT_ALLOCATION_FAILURE; /* too large */
    if (err != CL_SUCCESS) return CLKV_FAIL_DRIVER(err, "clCreateBuffer", "%s: %zu bytes", what, bytes);
    *out = mem;
    return CLKV_OK;
}

void clkv_buffer_release(cl_mem *mem)
{
    if (*mem && !clkv_process_forked()) clReleaseMemObject(*mem);
    *mem = NULL;
}

clkv_status clkv_buffer_bytes(cl_mem mem, size_t *out, const char *what)
{
    const cl_int err = clGetMemObjectInfo(mem, CL_MEM_SIZE, sizeof *out, out, NULL);
    if (err != CL_SUCCESS) return CLKV_FAIL_DRIVER(err, "clGetMemObjectInfo", "%s is no buffer", what);
    return CLKV_OK;
}
