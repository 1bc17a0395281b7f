/* tensor.h: what a caller's tensor must be before a kernel gets it. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CACHE_TENSOR_H
#define CLKV_CACHE_TENSOR_H

#include "device/buffer.h"

#include <clkv/tensor.h>

/* What an operation is going to do with a tensor. */
typedef struct clkv_tensor_use {
    const char *name; /* in errors */
    uint32_t tokens, heads, dim;
    int writes;       /* else it reads */
    int only_f32;
} clkv_tensor_use;

/* Fills in the defaults of a tensor and holds it against its use; *facts is what OpenCL says of its buffer.
 * INVALID, DEVICE. */
clkv_status clkv_tensor_check(clkv_tensor *tensor, clkv_buffer_facts *facts, const clkv_tensor_use *use,
                              const clkv_device *device);

/* One of two checked tensors is going to be written. INVALID: they have an element in common. */
clkv_status clkv_tensor_check_apart(const clkv_tensor *a, const clkv_buffer_facts *a_facts,
                                    const clkv_tensor_use *a_use, const clkv_tensor *b,
                                    const clkv_buffer_facts *b_facts, const clkv_tensor_use *b_use);

#endif
