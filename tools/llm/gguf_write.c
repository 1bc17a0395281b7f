/* gguf_write.c: see gguf_write.h. SPDX-License-Identifier: Apache-2.0 */
#include "gguf_write.h"

#include <stdlib.h>
#include <string.h>

#define COUNTS_AT 8 /* of the two counts in the header */

/* GGML's numbers of the types. */
static const uint32_t type_numbers[] = {
    [LLM_F32] = 0,   [LLM_F16] = 1,  [LLM_Q4_0] = 2, [LLM_Q8_0] = 8, [LLM_Q4_K] = 12, [LLM_Q6_K] = 14,
    [LLM_BF16] = 30, [LLM_Q4_1] = 3, [LLM_Q5_0] = 6, [LLM_Q5_1] = 7, [LLM_Q5_K] = 13};

static uint64_t padded(uint64_t bytes)
{
    return (bytes + GGUF_DEFAULT_ALIGNMENT - 1) / GGUF_DEFAULT_ALIGNMENT * GGUF_DEFAULT_ALIGNMENT;
}

void gguf_write_raw(gguf_writer *w, const void *data, size_t bytes)
{
    if (w->failed) return;
    if (bytes > w->room - w->bytes) {
        const size_t room = (w->room + bytes) * 2;
        unsigned char *grown = realloc(w->data, room);
        if (!grown) {
            w->failed = 1;
            return;
        }
        w->data = grown;
        w->room = room;
    }
    memcpy(w->data + w->bytes, data, bytes);
    w->bytes += bytes;
}

void gguf_write_item(gguf_writer *w, const char *text, size_t bytes)
{
    const uint64_t n = bytes;
    gguf_write_raw(w, &n, sizeof n);
    gguf_write_raw(w, text, bytes);
}

void gguf_write_begin(gguf_writer *w)
{
    static const char head[COUNTS_AT + 16] = {'G', 'G', 'U', 'F', 3};
    *w = (gguf_writer){0};
    gguf_write_raw(w, head, sizeof head);
}

static void write_key(gguf_writer *w, const char *key, uint32_t kind)
{
    gguf_write_item(w, key, strlen(key));
    gguf_write_raw(w, &kind, sizeof kind);
    w->n_values++;
}

void gguf_write_u32(gguf_writer *w, const char *key, uint32_t value)
{
    write_key(w, key, GGUF_U32);
    gguf_write_raw(w, &value, sizeof value);
}

void gguf_write_f32(gguf_writer *w, const char *key, float value)
{
    write_key(w, key, GGUF_F32);
    gguf_write_raw(w, &value, sizeof value);
}

void gguf_write_flag(gguf_writer *w, const char *key, int value)
{
    const uint8_t byte = value != 0;
    write_key(w, key, GGUF_BOOL);
    gguf_write_raw(w, &byte, sizeof byte);
}

void gguf_write_text(gguf_writer *w, const char *key, const char *value)
{
    write_key(w, key, GGUF_STRING);
    gguf_write_item(w, value, strlen(value));
}

void gguf_write_array(gguf_writer *w, const char *key, gguf_kind kind, uint64_t n)
{
    const uint32_t number = kind;
    write_key(w, key, GGUF_ARRAY);
    gguf_write_raw(w, &number, sizeof number);
    gguf_write_raw(w, &n, sizeof n);
}

uint64_t gguf_write_tensor(gguf_writer *w, const char *name, llm_type type, uint64_t rows, uint64_t cols)
{
    const llm_tensor shape = {type, rows ? rows : 1, cols, NULL};
    const uint32_t n_dims = rows ? 2 : 1;
    const uint64_t offset = w->data_bytes;
    gguf_write_item(w, name, strlen(name));
    gguf_write_raw(w, &n_dims, sizeof n_dims);
    gguf_write_raw(w, &cols, sizeof cols);
    if (rows) gguf_write_raw(w, &rows, sizeof rows);
    gguf_write_raw(w, &type_numbers[type], sizeof *type_numbers);
    gguf_write_raw(w, &offset, sizeof offset);
    w->n_tensors++;
    w->data_bytes += padded(llm_tensor_bytes(&shape));
    return offset;
}

int gguf_write_end(gguf_writer *w)
{
    static const char zeros[GGUF_DEFAULT_ALIGNMENT];
    gguf_write_raw(w, zeros, (size_t)(padded(w->bytes) - w->bytes));
    if (w->failed) return -1;
    memcpy(w->data + COUNTS_AT, &w->n_tensors, sizeof w->n_tensors);
    memcpy(w->data + COUNTS_AT + 8, &w->n_values, sizeof w->n_values);
    return 0;
}

void gguf_write_free(gguf_writer *w)
{
    free(w->data);
    *w = (gguf_writer){0};
}
