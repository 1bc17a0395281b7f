/* gguf.h: the GGUF container, version 2 and 3, little-endian: typed metadata and named tensors. What they mean is
 * gguf_model.c's.
 *
 *   "GGUF" u32 version u64 n_tensors u64 n_keys
 *   n_keys × { string key; u32 kind; value }              string: u64 bytes, then those bytes
 *   n_tensors × { string name; u32 n_dims; u64 dims[]; u32 type; u64 offset }   array: u32 kind, u64 n, items
 *   padding to general.alignment, then the tensors' data; offsets count from there
 *
 * Invariants of an open file: every string, array and tensor lies inside the file; keys are unique and so are
 * tensor names; no two tensors overlap, each begins at a multiple of the alignment and has a type whose rows we
 * can read; its dims are at least 1 and whole blocks make its rows.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_LLM_GGUF_H
#define CLKV_TOOLS_LLM_GGUF_H

#include "model.h"

#define GGUF_MAX_DIMS          4
#define GGUF_DEFAULT_ALIGNMENT 32

/* As the file numbers them. */
typedef enum gguf_kind {
    GGUF_U8,
    GGUF_I8,
    GGUF_U16,
    GGUF_I16,
    GGUF_U32,
    GGUF_I32,
    GGUF_F32,
    GGUF_BOOL,
    GGUF_STRING,
    GGUF_ARRAY,
    GGUF_U64,
    GGUF_I64,
    GGUF_F64,
    GGUF_KINDS,
} gguf_kind;

/* Text in the file: no final 0. */
typedef struct gguf_string {
    const char *text;
    size_t bytes;
} gguf_string;

typedef struct gguf_value {
    gguf_string key;
    gguf_kind kind; /* of an array: that of its items */
    int is_array;
    uint64_t n;                /* items; 1 when this is no array */
    const unsigned char *data; /* the first item, aligned to nothing */
} gguf_value;

typedef struct gguf_tensor {
    gguf_string name;
    uint32_t n_dims;
    uint64_t dims[GGUF_MAX_DIMS]; /* the first one is the row; those that are not there are 1 */
    uint64_t offset;
    llm_tensor tensor;
    int taken; /* somebody asked for it */
} gguf_tensor;

typedef struct gguf {
    const char *path; /* for messages */
    char *why;
    gguf_value *values; /* sorted by key */
    uint64_t n_values;
    gguf_tensor *tensors; /* sorted by name */
    uint64_t n_tensors;
} gguf;

/* Reads the header of a mapped file, which must outlive *g, as must `why`: later messages go there too. On failure
 * too gguf_close takes *g. */
int gguf_open(gguf *g, const clkv_mapping *file, const char *path, char *why);
void gguf_close(gguf *g);

/* NULL when there is no such key or tensor. */
const gguf_value *gguf_find(const gguf *g, const char *key);
gguf_tensor *gguf_find_tensor(const gguf *g, const char *name);

/* A value of whole numbers, of real ones, a flag, a string. A key that is not there leaves *out alone, and is an
 * error only when `needed`; one of another kind, or out of range, always is. A whole number may also be an array
 * (one value per layer): all must then be equal, since layers that differ are not supported. */
int gguf_u32(const gguf *g, const char *key, int needed, uint32_t *out);
int gguf_f32(const gguf *g, const char *key, int needed, float *out);
int gguf_flag(const gguf *g, const char *key, int *out);
int gguf_text(const gguf *g, const char *key, int needed, gguf_string *out);

/* The key's array, whose items must be of that kind, and n of them when n > 0; NULL and no message when there is no
 * such key. Returns −1 when it is of another kind or length. */
int gguf_array(const gguf *g, const char *key, gguf_kind kind, uint64_t n, const gguf_value **out);

int gguf_is(gguf_string s, const char *text);

/* The string at *at, which moves on behind it; for arrays of strings. */
gguf_string gguf_next_string(const unsigned char **at);

#endif
