/* gguf_write.h: makes the header of a GGUF file (version 3) in memory: keys first, then tensors, in the order in
 * which their data will follow. The data is the caller's to write: each tensor's at its offset, which is padded to
 * the default alignment. Running out of memory is remembered and said at the end.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_LLM_GGUF_WRITE_H
#define CLKV_TOOLS_LLM_GGUF_WRITE_H

#include "gguf.h"

typedef struct gguf_writer {
    unsigned char *data; /* the header so far */
    size_t bytes, room;
    uint64_t n_values, n_tensors;
    uint64_t data_bytes; /* of all tensors so far, padded */
    int failed;
} gguf_writer;

void gguf_write_begin(gguf_writer *w);
void gguf_write_u32(gguf_writer *w, const char *key, uint32_t value);
void gguf_write_f32(gguf_writer *w, const char *key, float value);
void gguf_write_flag(gguf_writer *w, const char *key, int value);
void gguf_write_text(gguf_writer *w, const char *key, const char *value);

/* An array's head; its items follow: by gguf_write_item for strings, by gguf_write_raw for numbers. */
void gguf_write_array(gguf_writer *w, const char *key, gguf_kind kind, uint64_t n);
void gguf_write_item(gguf_writer *w, const char *text, size_t bytes);
void gguf_write_raw(gguf_writer *w, const void *data, size_t bytes);

/* Appends a tensor of one or two dimensions (rows 0: one) and returns the offset of its data. */
uint64_t gguf_write_tensor(gguf_writer *w, const char *name, llm_type type, uint64_t rows, uint64_t cols);

/* Completes the header, padding included: data and bytes are to be written before the tensors. −1: there was no
 * memory. */
int gguf_write_end(gguf_writer *w);
void gguf_write_free(gguf_writer *w);

#endif
