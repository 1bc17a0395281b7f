/* gguf.c: see gguf.h. SPDX-License-Identifier: Apache-2.0 */
#include "gguf.h"

#include "dequant.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MIN_VALUE_BYTES  13 /* an empty key, its kind, one byte */
#define MIN_TENSOR_BYTES 32 /* an empty name, one dimension */

static const uint8_t kind_bytes[GGUF_KINDS] = {
    [GGUF_U8] = 1,  [GGUF_I8] = 1,   [GGUF_U16] = 2, [GGUF_I16] = 2, [GGUF_U32] = 4, [GGUF_I32] = 4,
    [GGUF_F32] = 4, [GGUF_BOOL] = 1, [GGUF_U64] = 8, [GGUF_I64] = 8, [GGUF_F64] = 8,
};
static const char *const kind_names[GGUF_KINDS] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                                   "bool", "string", "array", "u64", "i64", "f64"};

/* GGML's numbers of tensor types; those without an llm_type are there for the message. */
static const struct {
    const char *name;
    int type;
} types[] = {
    [0] = {"F32", LLM_F32},    [1] = {"F16", LLM_F16},   [2] = {"Q4_0", LLM_Q4_0},  [3] = {"Q4_1", LLM_Q4_1},
    [6] = {"Q5_0", LLM_Q5_0},  [7] = {"Q5_1", LLM_Q5_1}, [8] = {"Q8_0", LLM_Q8_0},  [9] = {"Q8_1", -1},
    [10] = {"Q2_K", -1},       [11] = {"Q3_K", -1},      [12] = {"Q4_K", LLM_Q4_K}, [13] = {"Q5_K", LLM_Q5_K},
    [14] = {"Q6_K", LLM_Q6_K}, [15] = {"Q8_K", -1},      [16] = {"IQ2_XXS", -1},    [17] = {"IQ2_XS", -1},
    [18] = {"IQ3_XXS", -1},    [19] = {"IQ1_S", -1},     [20] = {"IQ4_NL", -1},     [21] = {"IQ3_S", -1},
    [22] = {"IQ2_S", -1},      [23] = {"IQ4_XS", -1},    [24] = {"I8", -1},         [25] = {"I16", -1},
    [26] = {"I32", -1},        [27] = {"I64", -1},       [28] = {"F64", -1},        [29] = {"IQ1_M", -1},
    [30] = {"BF16", LLM_BF16}, [34] = {"TQ1_0", -1},     [35] = {"TQ2_0", -1},      [39] = {"MXFP4", -1},
};

typedef struct cursor {
    const unsigned char *at, *end;
} cursor;

static size_t left(const cursor *c)
{
    return (size_t)(c->end - c->at);
}

static int take(cursor *c, void *to, size_t bytes)
{
    if (left(c) < bytes) return -1;
    memcpy(to, c->at, bytes);
    c->at += bytes;
    return 0;
}

static int take_string(cursor *c, gguf_string *out)
{
    uint64_t bytes;
    if (take(c, &bytes, sizeof bytes) || bytes > left(c)) return -1;
    *out = (gguf_string){(const char *)c->at, (size_t)bytes};
    c->at += bytes;
    return 0;
}

static int compare(gguf_string a, gguf_string b)
{
    const size_t n = a.bytes < b.bytes ? a.bytes : b.bytes;
    const int order = n > 0 ? memcmp(a.text, b.text, n) : 0;
    return order ? order : (a.bytes > b.bytes) - (a.bytes < b.bytes);
}

/* Both arrays begin each entry with its name. */
static int by_name(const void *a, const void *b)
{
    return compare(*(const gguf_string *)a, *(const gguf_string *)b);
}

static int by_offset(const void *a, const void *b)
{
    const uint64_t x = ((const gguf_tensor *)a)->offset, y = ((const gguf_tensor *)b)->offset;
    return (x > y) - (x < y);
}

static int cut_short(const gguf *g, const char *what, uint64_t index, uint64_t n)
{
    return llm_fail(g->why, "%s: %s %llu of %llu goes past the end of the file", g->path, what,
                    (unsigned long long)index + 1, (unsigned long long)n);
}

static int parse_array(const gguf *g, cursor *c, gguf_value *v, uint64_t index)
{
    uint32_t kind;
    char name[SHOWN_BYTES];
    if (take(c, &kind, sizeof kind) || take(c, &v->n, sizeof v->n)) return cut_short(g, "key", index, g->n_values);
    if (kind >= GGUF_KINDS || kind == GGUF_ARRAY)
        return llm_fail(g->why, "%s: %s: an array of kind %u, which is not supported", g->path,
                        llm_shown(v->key.text, v->key.bytes, name), (unsigned)kind);
    v->kind = kind;
    v->is_array = 1;
    v->data = c->at;
    if (kind != GGUF_STRING) {
        if (v->n > left(c) / kind_bytes[kind])
            return llm_fail(g->why, "%s: %s: an array of %llu goes past the end of the file", g->path,
                            llm_shown(v->key.text, v->key.bytes, name), (unsigned long long)v->n);
        c->at += v->n * kind_bytes[kind];
        return 0;
    }
    for (uint64_t i = 0; i < v->n; i++) {
        gguf_string s;
        if (take_string(c, &s))
            return llm_fail(g->why, "%s: %s: string %llu of %llu goes past the end of the file", g->path,
                            llm_shown(v->key.text, v->key.bytes, name), (unsigned long long)i + 1,
                            (unsigned long long)v->n);
    }
    return 0;
}

static int parse_value(const gguf *g, cursor *c, gguf_value *v, uint64_t index)
{
    uint32_t kind;
    char name[SHOWN_BYTES];
    if (take_string(c, &v->key) || take(c, &kind, sizeof kind)) return cut_short(g, "key", index, g->n_values);
    if (kind >= GGUF_KINDS)
        return llm_fail(g->why, "%s: %s: unknown kind of value %u", g->path,
                        llm_shown(v->key.text, v->key.bytes, name), (unsigned)kind);
    if (kind == GGUF_ARRAY) return parse_array(g, c, v, index);
    v->kind = kind;
    v->n = 1;
    v->data = c->at;
    gguf_string s;
    if (kind == GGUF_STRING ? take_string(c, &s) : left(c) < kind_bytes[kind])
        return cut_short(g, "key", index, g->n_values);
    if (kind != GGUF_STRING) c->at += kind_bytes[kind];
    return 0;
}

/* Name, dims and type; the offset is checked by place_tensors, when it is known where the data begins. */
static int parse_tensor(const gguf *g, cursor *c, gguf_tensor *t, uint64_t index)
{
    uint32_t type;
    char name[SHOWN_BYTES];
    if (take_string(c, &t->name) || take(c, &t->n_dims, sizeof t->n_dims))
        return cut_short(g, "tensor", index, g->n_tensors);
    llm_shown(t->name.text, t->name.bytes, name);
    if (t->n_dims < 1 || t->n_dims > GGUF_MAX_DIMS)
        return llm_fail(g->why, "%s: tensor '%s' has %u dimensions", g->path, name, (unsigned)t->n_dims);
    t->tensor.rows = 1;
    for (uint32_t i = 0; i < GGUF_MAX_DIMS; i++) {
        t->dims[i] = 1;
        if (i >= t->n_dims) continue;
        if (take(c, &t->dims[i], sizeof t->dims[i])) return cut_short(g, "tensor", index, g->n_tensors);
        if (t->dims[i] == 0 || t->dims[i] > INT64_MAX / t->tensor.rows)
            return llm_fail(g->why, "%s: tensor '%s': dimension %u is %llu", g->path, name, (unsigned)i + 1,
                            (unsigned long long)t->dims[i]);
        if (i > 0) t->tensor.rows *= t->dims[i];
    }
    t->tensor.cols = t->dims[0];
    if (take(c, &type, sizeof type) || take(c, &t->offset, sizeof t->offset))
        return cut_short(g, "tensor", index, g->n_tensors);
    if (type >= sizeof types / sizeof *types || !types[type].name)
        return llm_fail(g->why, "%s: tensor '%s' has the unknown type %u", g->path, name, (unsigned)type);
    if (types[type].type < 0)
        return llm_fail(g->why, "%s: tensor '%s' is %s: only " LLM_TYPE_NAMES " are supported", g->path, name,
                        types[type].name);
    t->tensor.type = (llm_type)types[type].type;
    const llm_type_facts *f = llm_type_find(t->tensor.type);
    if (t->tensor.cols % f->elements)
        return llm_fail(g->why, "%s: tensor '%s' is %s with rows of %llu, no multiple of %u", g->path, name,
                        f->name, (unsigned long long)t->tensor.cols, (unsigned)f->elements);
    return 0;
}

static int alignment_of(const gguf *g, uint32_t *out)
{
    *out = GGUF_DEFAULT_ALIGNMENT;
    if (gguf_u32(g, "general.alignment", 0, out)) return -1;
    if (*out < 8 || (*out & (*out - 1)))
        return llm_fail(g->why, "%s: general.alignment is %u, no power of two from 8 on", g->path, (unsigned)*out);
    return 0;
}

/* Sets the tensors' data, which begins at the next multiple of the alignment. */
static int place_tensors(gguf *g, const clkv_mapping *file, size_t header_bytes)
{
    uint32_t alignment;
    char name[SHOWN_BYTES], other[SHOWN_BYTES];
    if (alignment_of(g, &alignment)) return -1;
    const uint64_t begin = ((uint64_t)header_bytes + alignment - 1) / alignment * alignment;
    const uint64_t bytes = begin < file->bytes ? file->bytes - begin : 0;
    for (uint64_t i = 0; i < g->n_tensors; i++) {
        gguf_tensor *t = &g->tensors[i];
        const llm_type_facts *f = llm_type_find(t->tensor.type);
        const uint64_t row = t->tensor.cols / f->elements; /* blocks */
        llm_shown(t->name.text, t->name.bytes, name);
        if (t->offset % alignment)
            return llm_fail(g->why, "%s: tensor '%s' begins at %llu, no multiple of %u", g->path, name,
                            (unsigned long long)t->offset, (unsigned)alignment);
        if (t->offset > bytes || t->tensor.rows > (bytes - t->offset) / f->bytes / row)
            return llm_fail(g->why, "%s: tensor '%s' (%llu × %llu %s) goes past the end of the file", g->path, name,
                            (unsigned long long)t->tensor.rows, (unsigned long long)t->tensor.cols, f->name);
        t->tensor.data = file->data + begin + t->offset;
    }
    if (g->n_tensors > 0) qsort(g->tensors, (size_t)g->n_tensors, sizeof *g->tensors, by_offset);
    for (uint64_t i = 1; i < g->n_tensors; i++) {
        const gguf_tensor *a = &g->tensors[i - 1], *b = &g->tensors[i];
        if (b->offset - a->offset < llm_tensor_bytes(&a->tensor))
            return llm_fail(g->why, "%s: tensors '%s' and '%s' overlap", g->path,
                            llm_shown(a->name.text, a->name.bytes, name),
                            llm_shown(b->name.text, b->name.bytes, other));
    }
    return 0;
}

/* Entries of either array. */
static int sort_unique(const gguf *g, const char *what, void *entries, uint64_t n, size_t entry_bytes)
{
    char name[SHOWN_BYTES];
    if (n == 0) return 0;
    qsort(entries, (size_t)n, entry_bytes, by_name);
    for (uint64_t i = 1; i < n; i++) {
        const gguf_string *b = (const gguf_string *)(const void *)((const char *)entries + i * entry_bytes);
        const gguf_string *a = (const gguf_string *)(const void *)((const char *)b - entry_bytes);
        if (!compare(*a, *b))
            return llm_fail(g->why, "%s: %s '%s' is there twice", g->path, what,
                            llm_shown(b->text, b->bytes, name));
    }
    return 0;
}

int gguf_open(gguf *g, const clkv_mapping *file, const char *path, char *why)
{
    cursor c = {file->data, file->data + file->bytes};
    char magic[4];
    uint32_t version;
    *g = (gguf){.path = llm_shown_path(path), .why = why};
    uint64_t n_tensors, n_values;
    if (take(&c, magic, sizeof magic) || memcmp(magic, "GGUF", 4))
        return llm_fail(why, "%s: this is no GGUF file", g->path);
    if (take(&c, &version, sizeof version) || take(&c, &n_tensors, sizeof n_tensors) ||
        take(&c, &n_values, sizeof n_values))
        return llm_fail(why, "%s: too short for a GGUF file: %zu bytes", g->path, file->bytes);
    if (version != 2 && version != 3)
        return llm_fail(why, "%s: GGUF version %u%s: only 2 and 3, little-endian, are supported", g->path,
                        (unsigned)version, version & 0xffffu ? "" : ", which looks big-endian");
    if (n_values > left(&c) / MIN_VALUE_BYTES || n_tensors > left(&c) / MIN_TENSOR_BYTES)
        return llm_fail(why, "%s: too short for the %llu keys and %llu tensors that its header announces", g->path,
                        (unsigned long long)n_values, (unsigned long long)n_tensors);
    g->values = calloc((size_t)n_values + 1, sizeof *g->values);
    g->tensors = calloc((size_t)n_tensors + 1, sizeof *g->tensors);
    if (!g->values || !g->tensors) return llm_fail(why, "%s: out of memory", g->path);
    g->n_values = n_values;
    g->n_tensors = n_tensors;
    for (uint64_t i = 0; i < n_values; i++)
        if (parse_value(g, &c, &g->values[i], i)) return -1;
    if (sort_unique(g, "key", g->values, n_values, sizeof *g->values)) return -1;
    for (uint64_t i = 0; i < n_tensors; i++)
        if (parse_tensor(g, &c, &g->tensors[i], i)) return -1;
    if (place_tensors(g, file, (size_t)(c.at - file->data))) return -1;
    return sort_unique(g, "tensor", g->tensors, n_tensors, sizeof *g->tensors);
}

void gguf_close(gguf *g)
{
    free(g->values);
    free(g->tensors);
    *g = (gguf){0};
}

const gguf_value *gguf_find(const gguf *g, const char *key)
{
    const gguf_string name = {key, strlen(key)};
    return g->n_values > 0 ? bsearch(&name, g->values, (size_t)g->n_values, sizeof *g->values, by_name) : NULL;
}

gguf_tensor *gguf_find_tensor(const gguf *g, const char *name)
{
    const gguf_string key = {name, strlen(name)};
    return g->n_tensors > 0 ? bsearch(&key, g->tensors, (size_t)g->n_tensors, sizeof *g->tensors, by_name) : NULL;
}

static int wrong_kind(const gguf *g, const gguf_value *v, const char *want)
{
    char key[SHOWN_BYTES];
    return llm_fail(g->why, "%s: %s is of kind %s%s, not %s", g->path, llm_shown(v->key.text, v->key.bytes, key),
                    kind_names[v->kind], v->is_array ? " array" : "", want);
}

static int find(const gguf *g, const char *key, int needed, const gguf_value **out)
{
    *out = gguf_find(g, key);
    return !*out && needed ? llm_fail(g->why, "%s: %s is missing", g->path, key) : 0;
}

/* The i-th whole number; −1 when it is not in 0 … UINT32_MAX, or none at all. */
static int64_t whole(const gguf_value *v, uint64_t i)
{
    const unsigned char *p = v->data + i * kind_bytes[v->kind];
    uint64_t u = 0;
    switch (v->kind) {
    case GGUF_U8:
    case GGUF_U16:
    case GGUF_U32:
    case GGUF_U64: break;
    case GGUF_I8:
    case GGUF_I16:
    case GGUF_I32:
    case GGUF_I64:
        if (p[kind_bytes[v->kind] - 1] & 0x80) return -1;
        break;
    default: return -1;
    }
    memcpy(&u, p, kind_bytes[v->kind]); /* little-endian, like everything here */
    return u <= UINT32_MAX ? (int64_t)u : -1;
}

int gguf_u32(const gguf *g, const char *key, int needed, uint32_t *out)
{
    const gguf_value *v;
    if (find(g, key, needed, &v)) return -1;
    if (!v) return 0;
    if (v->n == 0) return wrong_kind(g, v, "a whole number");
    const int64_t first = whole(v, 0);
    if (v->kind == GGUF_F32 || v->kind == GGUF_F64 || v->kind == GGUF_BOOL || v->kind == GGUF_STRING)
        return wrong_kind(g, v, "a whole number");
    if (first < 0) return llm_fail(g->why, "%s: %s is negative or larger than 32 bits", g->path, key);
    for (uint64_t i = 1; i < v->n; i++)
        if (whole(v, i) != first)
            return llm_fail(g->why, "%s: %s differs from layer to layer, which is not supported", g->path, key);
    *out = (uint32_t)first;
    return 0;
}

int gguf_f32(const gguf *g, const char *key, int needed, float *out)
{
    const gguf_value *v;
    double wide;
    float x;
    if (find(g, key, needed, &v)) return -1;
    if (!v) return 0;
    if (v->is_array || (v->kind != GGUF_F32 && v->kind != GGUF_F64)) return wrong_kind(g, v, "a real number");
    if (v->kind == GGUF_F32) {
        memcpy(&x, v->data, sizeof x);
    } else {
        memcpy(&wide, v->data, sizeof wide);
        x = fabs(wide) <= 3e38 ? (float)wide : INFINITY;
    }
    if (!isfinite(x)) return llm_fail(g->why, "%s: %s is not a finite number", g->path, key);
    *out = x;
    return 0;
}

int gguf_flag(const gguf *g, const char *key, int *out)
{
    const gguf_value *v = gguf_find(g, key);
    if (!v) return 0;
    if (v->is_array || v->kind != GGUF_BOOL) return wrong_kind(g, v, "a flag");
    *out = *v->data != 0;
    return 0;
}

int gguf_text(const gguf *g, const char *key, int needed, gguf_string *out)
{
    const gguf_value *v;
    if (find(g, key, needed, &v)) return -1;
    if (!v) return 0;
    if (v->is_array || v->kind != GGUF_STRING) return wrong_kind(g, v, "a string");
    const unsigned char *at = v->data;
    *out = gguf_next_string(&at);
    return 0;
}

int gguf_array(const gguf *g, const char *key, gguf_kind kind, uint64_t n, const gguf_value **out)
{
    *out = gguf_find(g, key);
    if (!*out) return 0;
    if (!(*out)->is_array || (*out)->kind != kind)
        return wrong_kind(g, *out, kind == GGUF_STRING ? "an array of strings" : "an array of the usual numbers");
    if (n > 0 && (*out)->n != n)
        return llm_fail(g->why, "%s: %s has %llu entries, the model needs %llu", g->path, key,
                        (unsigned long long)(*out)->n, (unsigned long long)n);
    return 0;
}

int gguf_is(gguf_string s, const char *text)
{
    return s.bytes == strlen(text) && !memcmp(s.text, text, s.bytes);
}

gguf_string gguf_next_string(const unsigned char **at)
{
    uint64_t bytes;
    memcpy(&bytes, *at, sizeof bytes);
    const gguf_string s = {(const char *)*at + sizeof bytes, (size_t)bytes};
    *at += sizeof bytes + bytes;
    return s;
}
