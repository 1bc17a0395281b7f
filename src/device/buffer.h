/* buffer.h: small device buffers, so that the folders above make no OpenCL calls of their own.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_DEVICE_BUFFER_H
#define CLKV_DEVICE_BUFFER_H

#include <clkv/device.h>

/* Creates a buffer; `what` names it in errors. DEVICE_MEMORY, NO_MEMORY, DEVICE; *out is not changed then. */
clkv_status clkv_buffer_create(cl_mem *out, const clkv_device *device, size_t bytes, const char *what);
/* Releases *mem, which may be NULL, and sets it to NULL. Commands already enqueued may still use the buffer. */
void clkv_buffer_release(cl_mem *mem);

/* The properties of any buffer, as OpenCL reports them. */
typedef struct clkv_buffer_facts {
    size_t bytes;
    cl_context context;
    cl_mem_flags flags;
    cl_mem root; /* the buffer of which this is a sub-buffer, else the buffer itself */
    size_t at;   /* bytes from the beginning of root */
} clkv_buffer_facts;

/* Queries the properties. INVALID: `mem` is an image. DEVICE: `mem` is no memory object. */
clkv_status clkv_buffer_ask(clkv_buffer_facts *out, cl_mem mem, const char *what);

#endif
