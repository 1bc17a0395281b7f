/* safetensors.c: see safetensors.h. The file is mapped read-only, so that a sparse giant costs nothing;
 * tensors are copied out, since nothing in the format aligns them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "safetensors.h"

#include "os/machine.h"
#include "os/mapping.h"

#include <cJSON.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_HEADER_BYTES (1u << 20)         /* a case has a few hundred; parsed, a byte can take 40 */
#define MAX_EXACT        9007199254740992.0 /* 2^53: beyond it a JSON number read as double is not exact */

struct safetensors {
    const char *path;
    clkv_mapping file;
    const unsigned char *data;
    uint64_t data_bytes;
    cJSON *header;               /* owns the names, dtypes and metadata */
    const cJSON *metadata;       /* inside header, or NULL */
    safetensors_tensor *tensors; /* sorted by name */
    size_t n_tensors;
};

static const struct {
    const char *name;
    uint64_t bytes;
} dtypes[] = {
    {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"I16", 2}, {"U16", 2}, {"F16", 2},
    {"BF16", 2}, {"I32", 4}, {"U32", 4}, {"F32", 4},     {"I64", 8},     {"U64", 8}, {"F64", 8},
};

int safetensors_fail(char *error, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(error, SAFETENSORS_ERROR_BYTES, fmt, args);
    va_end(args);
    return -1;
}

static const char *shown(const char *name, char out[TOOL_SHOWN_BYTES])
{
    return tool_shown(name, strlen(name), out);
}

static int read_u64(const cJSON *number, uint64_t *out)
{
    if (!cJSON_IsNumber(number)) return -1;
    const double x = number->valuedouble;
    if (!(x >= 0 && x <= MAX_EXACT) || x != (double)(uint64_t)x) return -1;
    *out = (uint64_t)x;
    return 0;
}

static int parse_shape(const cJSON *shape, uint64_t element_bytes, safetensors_tensor *t, uint64_t *bytes,
                       const char *path, char *error)
{
    char name[TOOL_SHOWN_BYTES];
    const cJSON *dim;
    if (!cJSON_IsArray(shape))
        return safetensors_fail(error, "%s: tensor '%s': shape is missing or not an array", path,
                                shown(t->name, name));
    t->elements = 1;
    cJSON_ArrayForEach(dim, shape)
    {
        if (t->n_dims == SAFETENSORS_MAX_DIMS)
            return safetensors_fail(error, "%s: tensor '%s': more than %d dimensions", path, shown(t->name, name),
                                    SAFETENSORS_MAX_DIMS);
        uint64_t d;
        if (read_u64(dim, &d))
            return safetensors_fail(error, "%s: tensor '%s': dimension %u of its shape is not a whole number >= 0",
                                    path, shown(t->name, name), t->n_dims);
        t->shape[t->n_dims++] = d;
        if (__builtin_mul_overflow(t->elements, d, &t->elements))
            return safetensors_fail(error, "%s: tensor '%s': the product of its shape overflows", path,
                                    shown(t->name, name));
    }
    if (__builtin_mul_overflow(t->elements, element_bytes, bytes))
        return safetensors_fail(error, "%s: tensor '%s': its size in bytes overflows", path, shown(t->name, name));
    return 0;
}

static int parse_tensor(const safetensors *st, const cJSON *item, safetensors_tensor *t, char *error)
{
    char name[TOOL_SHOWN_BYTES], other[TOOL_SHOWN_BYTES];
    t->name = item->string;
    if (!cJSON_IsObject(item))
        return safetensors_fail(error, "%s: tensor '%s': not an object", st->path, shown(t->name, name));
    const char *dtype = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "dtype"));
    if (!dtype)
        return safetensors_fail(error, "%s: tensor '%s': dtype is missing or no string", st->path,
                                shown(t->name, name));
    uint64_t element_bytes = 0, bytes = 0;
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        if (strcmp(dtype, dtypes[i].name)) continue;
        t->dtype = dtypes[i].name;
        element_bytes = dtypes[i].bytes;
    }
    if (!t->dtype)
        return safetensors_fail(error, "%s: tensor '%s': unknown dtype '%s'", st->path, shown(t->name, name),
                                shown(dtype, other));
    if (parse_shape(cJSON_GetObjectItemCaseSensitive(item, "shape"), element_bytes, t, &bytes, st->path, error))
        return -1;
    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(item, "data_offsets");
    if (!cJSON_IsArray(offsets) || cJSON_GetArraySize(offsets) != 2 ||
        read_u64(cJSON_GetArrayItem(offsets, 0), &t->begin) || read_u64(cJSON_GetArrayItem(offsets, 1), &t->end))
        return safetensors_fail(error, "%s: tensor '%s': data_offsets is not two whole numbers", st->path,
                                shown(t->name, name));
    if (t->begin > t->end || t->end > st->data_bytes)
        return safetensors_fail(
            error, "%s: tensor '%s': data_offsets [%llu, %llu) are not inside the file's %llu bytes of data",
            st->path, shown(t->name, name), (unsigned long long)t->begin, (unsigned long long)t->end,
            (unsigned long long)st->data_bytes);
    if (t->end - t->begin != bytes)
        return safetensors_fail(error, "%s: tensor '%s': data_offsets span %llu bytes, its shape needs %llu",
                                st->path, shown(t->name, name), (unsigned long long)(t->end - t->begin),
                                (unsigned long long)bytes);
    return 0;
}

static int by_begin(const void *a, const void *b)
{
    const safetensors_tensor *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const safetensors_tensor *)a)->name, ((const safetensors_tensor *)b)->name);
}

/* Tensors must tile the data: neither overlap nor leave a hole, as the format demands. */
static int check_cover(safetensors *st, char *error)
{
    char name[TOOL_SHOWN_BYTES], other[TOOL_SHOWN_BYTES];
    uint64_t at = 0;
    qsort(st->tensors, st->n_tensors, sizeof *st->tensors, by_begin);
    for (size_t i = 0; i < st->n_tensors; i++) {
        const safetensors_tensor *t = &st->tensors[i];
        if (t->begin < at)
            return safetensors_fail(error, "%s: tensor '%s' overlaps tensor '%s'", st->path, shown(t->name, name),
                                    shown(st->tensors[i - 1].name, other));
        if (t->begin > at)
            return safetensors_fail(error, "%s: %llu bytes before tensor '%s' belong to no tensor", st->path,
                                    (unsigned long long)(t->begin - at), shown(t->name, name));
        at = t->end;
    }
    if (at != st->data_bytes)
        return safetensors_fail(error, "%s: the last %llu bytes belong to no tensor", st->path,
                                (unsigned long long)(st->data_bytes - at));
    qsort(st->tensors, st->n_tensors, sizeof *st->tensors, by_name);
    for (size_t i = 1; i < st->n_tensors; i++)
        if (!strcmp(st->tensors[i - 1].name, st->tensors[i].name))
            return safetensors_fail(error, "%s: tensor '%s' is there twice", st->path,
                                    shown(st->tensors[i].name, name));
    return 0;
}

static int parse_header(safetensors *st, const char *text, size_t bytes, char *error)
{
    const char *end = NULL;
    st->header = cJSON_ParseWithLengthOpts(text, bytes, &end, 0);
    if (!st->header) {
        const char *at = cJSON_GetErrorPtr();
        const size_t offset = at && at >= text && at <= text + bytes ? (size_t)(at - text) : 0;
        return safetensors_fail(error, "%s: the header is not valid JSON (near its byte %zu)", st->path, offset);
    }
    for (; end < text + bytes; end++)
        if (!strchr(" \t\r\n", *end) || !*end)
            return safetensors_fail(error, "%s: the header goes on after its JSON object", st->path);
    if (!cJSON_IsObject(st->header))
        return safetensors_fail(error, "%s: the header is not a JSON object", st->path);

    st->tensors = calloc((size_t)cJSON_GetArraySize(st->header) + 1, sizeof *st->tensors);
    if (!st->tensors) return safetensors_fail(error, "%s: out of memory", st->path);
    const cJSON *item, *value;
    cJSON_ArrayForEach(item, st->header)
    {
        if (strcmp(item->string, "__metadata__")) {
            if (parse_tensor(st, item, &st->tensors[st->n_tensors++], error)) return -1;
            continue;
        }
        if (st->metadata) return safetensors_fail(error, "%s: __metadata__ is there twice", st->path);
        if (!cJSON_IsObject(item)) return safetensors_fail(error, "%s: __metadata__ is not an object", st->path);
        char name[TOOL_SHOWN_BYTES];
        cJSON_ArrayForEach(value, item) if (!cJSON_IsString(value)) return safetensors_fail(
            error, "%s: metadata '%s' is not a string", st->path, shown(value->string, name));
        st->metadata = item;
    }
    return check_cover(st, error);
}

static int map_file(safetensors *st, char *error)
{
    char why[CLKV_OS_WHY];
    if (clkv_machine_is_big_endian())
        return safetensors_fail(error, "%s: safetensors files are little-endian, and this machine is big-endian", st->path);
    if (clkv_mapping_open(&st->file, st->path, why))
        return safetensors_fail(error, "%s: %s", st->path, *why ? why : "not a regular file");
    if (st->file.bytes >= 8) return 0;
    return safetensors_fail(error, "%s: %zu bytes are no safetensors file", st->path, st->file.bytes);
}

safetensors *safetensors_open(const char *path, char *error)
{
    safetensors *st = calloc(1, sizeof *st);
    if (!st) {
        safetensors_fail(error, "%s: out of memory", path);
        return NULL;
    }
    st->path = path;
    if (map_file(st, error)) goto fail;
    uint64_t header_bytes = 0;
    for (int i = 7; i >= 0; i--) header_bytes = header_bytes << 8 | st->file.data[i];
    if (header_bytes > st->file.bytes - 8) {
        safetensors_fail(error, "%s: the header claims %llu bytes, the file has %zu after its length", path,
                         (unsigned long long)header_bytes, st->file.bytes - 8);
        goto fail;
    }
    if (header_bytes > MAX_HEADER_BYTES) {
        safetensors_fail(error, "%s: a header of %llu bytes is over the limit of %u", path,
                         (unsigned long long)header_bytes, MAX_HEADER_BYTES);
        goto fail;
    }
    st->data = st->file.data + 8 + header_bytes;
    st->data_bytes = st->file.bytes - 8 - header_bytes;
    if (parse_header(st, (const char *)st->file.data + 8, (size_t)header_bytes, error)) goto fail;
    return st;
fail:
    safetensors_close(st);
    return NULL;
}

void safetensors_close(safetensors *st)
{
    if (!st) return;
    clkv_mapping_close(&st->file);
    cJSON_Delete(st->header);
    free(st->tensors);
    free(st);
}

const safetensors_tensor *safetensors_find(const safetensors *st, const char *name)
{
    const safetensors_tensor key = {.name = name};
    return st->n_tensors ? bsearch(&key, st->tensors, st->n_tensors, sizeof *st->tensors, by_name) : NULL;
}

const char *safetensors_metadata(const safetensors *st, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(st->metadata, name));
}

static void *read_tensor(const safetensors *st, const char *name, const char *dtype, uint32_t n_dims,
                         uint64_t *shape, char *error)
{
    const safetensors_tensor *t = safetensors_find(st, name);
    if (!t) {
        safetensors_fail(error, "%s: tensor '%s' is missing", st->path, name);
        return NULL;
    }
    if (strcmp(t->dtype, dtype)) {
        safetensors_fail(error, "%s: tensor '%s' is %s, not %s", st->path, name, t->dtype, dtype);
        return NULL;
    }
    if (t->n_dims != n_dims) {
        safetensors_fail(error, "%s: tensor '%s' has %u dimensions, not %u", st->path, name, t->n_dims, n_dims);
        return NULL;
    }
    const size_t bytes = (size_t)(t->end - t->begin);
    void *copy = malloc(bytes ? bytes : 1);
    if (!copy) {
        safetensors_fail(error, "%s: tensor '%s': no memory for %zu bytes", st->path, name, bytes);
        return NULL;
    }
    memcpy(copy, st->data + t->begin, bytes);
    memcpy(shape, t->shape, n_dims * sizeof *shape);
    return copy;
}

float *safetensors_read_f32(const safetensors *st, const char *name, uint32_t n_dims, uint64_t *shape, char *error)
{
    return read_tensor(st, name, "F32", n_dims, shape, error);
}

int32_t *safetensors_read_i32(const safetensors *st, const char *name, uint32_t n_dims, uint64_t *shape,
                              char *error)
{
    return read_tensor(st, name, "I32", n_dims, shape, error);
}
