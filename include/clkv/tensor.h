/* clkv/tensor.h: a tensor of the caller's, [token][head][dim], in a buffer of the device's context.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TENSOR_H
#define CLKV_TENSOR_H

#include <clkv/device.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Element (token, head, d) lies at offset + token × stride + head × dim + d. Offset and stride are in elements of the
 * tensor's type. A token's heads lie without a gap; tokens may lie further apart, so that Q, K and V can be handed in
 * as they lie in the output of one fused projection: the same buffer, the same stride, three offsets.
 *
 * The buffer (or sub-buffer) is not retained: OpenCL keeps it for the commands that use it. What a function checks of
 * every tensor, INVALID with the tensor's name in the text: the buffer is of the device's context and large enough; it
 * is not CL_MEM_WRITE_ONLY where clkv reads, and not CL_MEM_READ_ONLY where clkv writes; the type is known, and the
 * stride not smaller than heads × dim; what is stated of the shape is so. */
typedef struct clkv_tensor {
    cl_mem mem;
    clkv_type type;  /* CLKV_F32 (default) or CLKV_F16 */
    size_t offset;   /* elements before the first token */
    size_t stride;   /* elements from one token to the next; 0: heads × dim, without a gap */
    /* The shape that the caller believes it has; 0 = not said. Clkv knows the shape: these are only compared. */
    uint32_t tokens, heads, dim;
} clkv_tensor;

#ifdef __cplusplus
}
#endif
#endif
