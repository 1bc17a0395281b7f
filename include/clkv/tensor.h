/* clkv/tensor.h: a tensor of the caller, [token][head][dim], in a buffer of the device's context.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TENSOR_H
#define CLKV_TENSOR_H

#include <clkv/device.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Element (token, head, d) is at offset + token × stride + head × dim + d. Offset and stride are in elements of the
 * tensor's type. The heads of a token have no gap between them. Tokens may be further apart, so that Q, K and V can
 * be parts of the output of one fused projection: the same buffer, the same stride, three offsets.
 *
 * clkv does not retain the buffer (or sub-buffer): OpenCL keeps it for the commands that use it. A function returns
 * INVALID, with the name of the tensor in the text, unless all of these hold: the buffer is of the device's context
 * and large enough; it is not CL_MEM_WRITE_ONLY where clkv reads, and not CL_MEM_READ_ONLY where clkv writes; the
 * type is known; the stride is not smaller than heads × dim; and the stated shape, if any, is that of the cache. */
typedef struct clkv_tensor {
    cl_mem mem;
    clkv_type type;  /* CLKV_F32 (default) or CLKV_F16 */
    size_t offset;   /* elements before the first token */
    size_t stride;   /* elements from one token to the next; 0: heads × dim, without a gap */
    /* The shape that the caller expects; 0 = not stated. clkv compares it with the shape of the cache. */
    uint32_t tokens, heads, dim;
} clkv_tensor;

#ifdef __cplusplus
}
#endif
#endif
