/* buffer.c: small device buffers. SPDX-License-Identifier: Apache-2.0 */
#include "device/buffer.h"

#include "core/error.h"
#include "device/device.h"
#include "device/process.h"

clkv_status clkv_buffer_create(cl_mem *out, const clkv_device *device, size_t bytes, const char *what)
{
    cl_int err = CL_SUCCESS;
    cl_mem mem = clCreateBuffer(device->context, CL_MEM_READ_WRITE, bytes, NULL, &err);
    if (err != CL_SUCCESS) return CLKV_FAIL_DRIVER(err, "clCreateBuffer", "%s: %zu bytes", what, bytes);
    *out = mem;
    return CLKV_OK;
}

void clkv_buffer_release(cl_mem *mem)
{
    if (*mem && !clkv_process_forked()) clReleaseMemObject(*mem);
    *mem = NULL;
}

clkv_status clkv_buffer_ask(clkv_buffer_facts *out, cl_mem mem, const char *what)
{
    cl_mem_object_type type = CL_MEM_OBJECT_BUFFER;
    clkv_buffer_facts f = { .root = NULL };
    const struct {
        cl_mem_info info;
        size_t bytes;
        void *value;
    } questions[] = {
        { CL_MEM_TYPE, sizeof type, &type },
        { CL_MEM_SIZE, sizeof f.bytes, &f.bytes },
        { CL_MEM_CONTEXT, sizeof f.context, &f.context },
        { CL_MEM_FLAGS, sizeof f.flags, &f.flags },
        { CL_MEM_ASSOCIATED_MEMOBJECT, sizeof f.root, &f.root },
        { CL_MEM_OFFSET, sizeof f.at, &f.at },
    };
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
        const cl_int err = clGetMemObjectInfo(mem, questions[i].info, questions[i].bytes, questions[i].value, NULL);
        if (err != CL_SUCCESS) return CLKV_FAIL_DRIVER(err, "clGetMemObjectInfo", "%s", what);
    }
    if (type != CL_MEM_OBJECT_BUFFER) return CLKV_FAIL(CLKV_ERROR_INVALID, "%s is an image, not a buffer", what);
    if (!f.root) {
        f.root = mem;
        f.at = 0;
    }
    *out = f;
    return CLKV_OK;
}
