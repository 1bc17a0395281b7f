/* buffer.h: small device buffers, so that the rooms above make no OpenCL calls of their own.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_DEVICE_BUFFER_H
#define CLKV_DEVICE_BUFFER_H

#include <clkv/device.h>

/* `what` names the buffer in errors. DEVICE_MEMORY, NO_MEMORY, DEVICE; *out is untouched then. */
clkv_status clkv_buffer_create(cl_mem *out, const clkv_device *device, size_t bytes, const char *what);
/* Takes a pointer to NULL, and leaves one. Commands already enqueued may still use it. */
void clkv_buffer_release(cl_mem *mem);
/* The size of anybody's buffer. DEVICE: it is none. */
clkv_status clkv_buffer_bytes(cl_mem mem, size_t *out, const char *what);

#endif
