/* tensor.c: compares a caller's tensors with what an operation will read and write.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cache/tensor.h"

#include "core/error.h"

static size_t element_bytes(clkv_type type)
{
    return type == CLKV_F16 ? 2 : 4;
}

static clkv_status check_type(clkv_tensor *t, const clkv_tensor_use *use)
{
    if (t->type == CLKV_TYPE_DEFAULT) t->type = CLKV_F32;
    if (use->only_f32 && t->type != CLKV_F32)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "%s: type %d is not CLKV_F32", use->name, (int)t->type);
    if (t->type != CLKV_F32 && t->type != CLKV_F16)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "%s: type %d is neither CLKV_F32 nor CLKV_F16", use->name, (int)t->type);
    return CLKV_OK;
}

/* INVALID unless the shape that the caller states, if any, is the shape of the cache. */
static clkv_status check_stated(const clkv_tensor *t, const clkv_tensor_use *use)
{
    const struct {
        const char *what;
        uint32_t stated, is;
    } facts[] = {
        { "tokens", t->tokens, use->tokens },
        { "heads", t->heads, use->heads },
        { "dim", t->dim, use->dim },
    };
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
        if (facts[i].stated && facts[i].stated != facts[i].is)
            return CLKV_FAIL(CLKV_ERROR_INVALID, "%s: %s is stated as %u, but it is %u", use->name, facts[i].what,
                             (unsigned)facts[i].stated, (unsigned)facts[i].is);
    }
    return CLKV_OK;
}

static clkv_status check_buffer(const clkv_buffer_facts *f, const clkv_tensor_use *use, const clkv_device *device)
{
    if (f->context != clkv_device_context(device))
        return CLKV_FAIL(CLKV_ERROR_INVALID, "%s: its buffer is of another context than the device", use->name);
    if (use->writes && f->flags & CL_MEM_READ_ONLY)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "%s is written, and its buffer is CL_MEM_READ_ONLY", use->name);
    if (!use->writes && f->flags & CL_MEM_WRITE_ONLY)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "%s is read, and its buffer is CL_MEM_WRITE_ONLY", use->name);
    return CLKV_OK;
}

/* The number of elements from the first to the last, both included. The factors are too small to overflow. */
static uint64_t extent(const clkv_tensor *t, const clkv_tensor_use *use)
{
    return use->tokens ? (uint64_t)(use->tokens - 1) * t->stride + (uint64_t)use->heads * use->dim : 0;
}

static clkv_status check_extent(clkv_tensor *t, const clkv_buffer_facts *f, const clkv_tensor_use *use)
{
    const uint64_t row = (uint64_t)use->heads * use->dim, room = f->bytes / element_bytes(t->type);
    if (t->stride == 0) t->stride = row;
    if (t->stride < row)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "%s: a stride of %zu, but a token has %llu elements", use->name,
                         t->stride, (unsigned long long)row);
    if (t->stride > UINT32_MAX)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "%s: a stride of %zu is beyond 32 bits", use->name, t->stride);
    const uint64_t n = extent(t, use);
    if (t->offset > room || n > room - t->offset)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "%s: %llu elements from %zu on, but the buffer holds %llu", use->name,
                         (unsigned long long)n, t->offset, (unsigned long long)room);
    return CLKV_OK;
}

clkv_status clkv_tensor_check(clkv_tensor *t, clkv_buffer_facts *facts, const clkv_tensor_use *use,
                              const clkv_device *device)
{
    if (!t->mem) return CLKV_FAIL(CLKV_ERROR_INVALID, "%s is NULL", use->name);
    clkv_status st = check_type(t, use);
    if (st == CLKV_OK) st = check_stated(t, use);
    if (st == CLKV_OK) st = clkv_buffer_ask(facts, t->mem, use->name);
    if (st == CLKV_OK) st = check_buffer(facts, use, device);
    return st == CLKV_OK ? check_extent(t, facts, use) : st;
}

/* The place of a tensor in its root buffer, in bytes. */
typedef struct rows {
    uint64_t begin, stride, bytes; /* begin of the first row, distance to the next, bytes of one */
    uint32_t n;
} rows;

static rows rows_of(const clkv_tensor *t, const clkv_buffer_facts *f, const clkv_tensor_use *use)
{
    const uint64_t each = element_bytes(t->type);
    return (rows){ f->at + t->offset * each, t->stride * each, (uint64_t)use->heads * use->dim * each, use->tokens };
}

/* Whether a row of b has a byte in [begin, end). */
static int any_row_in(const rows *b, uint64_t begin, uint64_t end)
{
    /* The first row of b that ends behind `begin`. */
    const uint64_t first_end = b->begin + b->bytes;
    const uint64_t i = first_end > begin ? 0 : (begin - first_end) / b->stride + 1;
    return i < b->n && b->begin + i * b->stride < end;
}

clkv_status clkv_tensor_check_apart(const clkv_tensor *a, const clkv_buffer_facts *a_facts,
                                    const clkv_tensor_use *a_use, const clkv_tensor *b,
                                    const clkv_buffer_facts *b_facts, const clkv_tensor_use *b_use)
{
    if (a_facts->root != b_facts->root || a_use->tokens == 0) return CLKV_OK;
    const rows x = rows_of(a, a_facts, a_use), y = rows_of(b, b_facts, b_use);
    const uint64_t x_end = x.begin + (x.n - 1) * x.stride + x.bytes, y_end = y.begin + (y.n - 1) * y.stride + y.bytes;
    if (x_end <= y.begin || y_end <= x.begin) return CLKV_OK;
    for (uint32_t i = 0; i < x.n; i++) {
        const uint64_t at = x.begin + i * x.stride;
        if (any_row_in(&y, at, at + x.bytes))
            return CLKV_FAIL(CLKV_ERROR_INVALID, "%s and %s overlap in one buffer, from token %u of %s on",
                             a_use->name, b_use->name, (unsigned)i, a_use->name);
    }
    return CLKV_OK;
}
