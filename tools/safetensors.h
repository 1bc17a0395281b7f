/* safetensors.h: reads safetensors files, trusting nothing in them.
 *
 *   [8 bytes: header length n, little-endian][n bytes: JSON header][data]
 *   header   { "__metadata__": { name: string … }, tensor: { dtype, shape, data_offsets: [begin, end) } … }
 *
 * Invariants of an open file: every tensor lies inside the data, its bytes are dtype × product of shape,
 * no two overlap, together they cover the data, and names are unique. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_SAFETENSORS_H
#define CLKV_TOOLS_SAFETENSORS_H

#include "exit.h"

#include <stddef.h>
#include <stdint.h>

#define SAFETENSORS_MAX_DIMS    8
#define SAFETENSORS_ERROR_BYTES 512

typedef struct safetensors safetensors;

typedef struct safetensors_tensor {
    const char *name;
    const char *dtype; /* "F32", "I32" … as the format names them */
    uint32_t n_dims;
    uint64_t shape[SAFETENSORS_MAX_DIMS];
    uint64_t elements;
    uint64_t begin, end; /* bytes of the data */
} safetensors_tensor;

/* NULL on failure, and `error` (SAFETENSORS_ERROR_BYTES) says which file, which tensor and why: a message
 * for people, no final newline. So do all functions here that take `error`. */
safetensors *safetensors_open(const char *path, char *error);
void safetensors_close(safetensors *st);

/* NULL when there is no tensor of that name. */
const safetensors_tensor *safetensors_find(const safetensors *st, const char *name);

/* A metadata string, or NULL. */
const char *safetensors_metadata(const safetensors *st, const char *name);

/* Writes a message into `error` in the same way, for those who check further; returns −1. */
int safetensors_fail(char *error, const char *fmt, ...) TOOLS_PRINTF(2, 3);

/* A copy of a tensor that must have this dtype and number of dimensions: *shape gets them, free() the
 * result. NULL: it is missing, of another dtype or rank, or there is no memory. An empty tensor gives a
 * pointer that must not be read. */
float *safetensors_read_f32(const safetensors *st, const char *name, uint32_t n_dims, uint64_t *shape, char *error);
int32_t *safetensors_read_i32(const safetensors *st, const char *name, uint32_t n_dims, uint64_t *shape,
                              char *error);

#endif
