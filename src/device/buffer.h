/* buffer.h: small device buffers, so that the rooms above make no OpenCL calls of their own.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_DEVICE_BUFFER_H
#define CLKV_DEVICE_BUFFER_H

#include <clkv/device.h>

/* `what` names the buffer in errors. DEVICE_MEMORY, NO_MEMORY, DEVICE; *out is untouched then. */
clkv_status clkv_buffer_create(cl_mem *out, const clkv_device *device, size_t bytes, const char *what);
/* Takes a pointer to NULL, and leaves one. Commands already enqueued may still use it. */
void clkv_buffer_release(cl_mem *mem);

/* What OpenCL says of anybody's buffer. */
typedef struct clkv_buffer_facts {
    size_t bytes;
    cl_context context;
    cl_mem_flags flags;
    cl_mem root; /* what it is a part of: the buffer that a sub-buffer was made of, else itself */
    size_t at;   /* bytes from the beginning of root */
} clkv_buffer_facts;

/* INVALID: it is an image. DEVICE: it is no memory object. */
clkv_status clkv_buffer_ask(clkv_buffer_facts *out, cl_mem mem, const char *what);

#endif
