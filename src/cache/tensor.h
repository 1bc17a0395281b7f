/* tensor.h: checks a caller's tensor before a kernel gets it. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CACHE_TENSOR_H
#define CLKV_CACHE_TENSOR_H

#include "device/buffer.h"

#include <clkv/tensor.h>

/* How an operation uses a tensor. */
typedef struct clkv_tensor_use {
    const char *name; /* in errors */
    uint32_t tokens, heads, dim;
    int writes;       /* else it reads */
    int only_f32;
} clkv_tensor_use;

/* Fills in the defaults of a tensor and checks it for its use; *facts gets the properties of its buffer. INVALID,
 * DEVICE. */
clkv_status clkv_tensor_check(clkv_tensor *tensor, clkv_buffer_facts *facts, const clkv_tensor_use *use,
                              const clkv_device *device);

/* Checks two tensors, one of which will be written, for overlap. INVALID: they have an element in common. */
clkv_status clkv_tensor_check_apart(const clkv_tensor *a, const clkv_buffer_facts *a_facts,
                                    const clkv_tensor_use *a_use, const clkv_tensor *b,
                                    const clkv_buffer_facts *b_facts, const clkv_tensor_use *b_use);

#endif
