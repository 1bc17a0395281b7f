/* spec.c: the file and the options from which the kernel of a spec is compiled. Every launch prints this text to find
 * its kernel, so numbers are printed here, which is faster than printf. SPDX-License-Identifier: Apache-2.0 */
#include "ops/spec.h"

#include "core/error.h"
#include "kv/format.h"

#include <string.h>

enum option {
    HEAD_DIM, HEAD_DIM_V, KV_HEADS, GROUP, BLOCK_SIZE, K_FORMAT, V_FORMAT, IN_HALF, OUT_HALF, SLABS, TILE_TOKENS,
    WORK_GROUP, SUB_GROUP, ACCUMULATORS, FETCH_LEVEL, WIDE_TOKENS, OPTIONS,
};

static const char *const names[OPTIONS] = {
    [HEAD_DIM] = "-DCLKV_HEAD_DIM=",
    [HEAD_DIM_V] = "-DCLKV_HEAD_DIM_V=",
    [KV_HEADS] = "-DCLKV_KV_HEADS=",
    [GROUP] = "-DCLKV_GROUP=",
    [BLOCK_SIZE] = "-DCLKV_BLOCK_SIZE=",
    [K_FORMAT] = "-DCLKV_K_FORMAT=",
    [V_FORMAT] = "-DCLKV_V_FORMAT=",
    [IN_HALF] = "-DCLKV_IN_HALF=",
    [OUT_HALF] = "-DCLKV_OUT_HALF=",
    [SLABS] = "-DCLKV_SLABS=",
    [TILE_TOKENS] = "-DCLKV_TILE_TOKENS=",
    [WORK_GROUP] = "-DCLKV_WORK_GROUP=",
    [SUB_GROUP] = "-DCLKV_SUB_GROUP=",
    [ACCUMULATORS] = "-DCLKV_ACCUMULATORS=",
    [FETCH_LEVEL] = "-DCLKV_FETCH_LEVEL=",
    [WIDE_TOKENS] = "-DCLKV_WIDE_TOKENS=",
};

#define BIT(option) (1u << (option))
#define BLOCKS                                                                                                     \
    (BIT(HEAD_DIM) | BIT(HEAD_DIM_V) | BIT(KV_HEADS) | BIT(BLOCK_SIZE) | BIT(K_FORMAT) | BIT(V_FORMAT) | BIT(SLABS))
#define ATTENTION (BLOCKS | BIT(GROUP) | BIT(IN_HALF) | BIT(OUT_HALF) | BIT(TILE_TOKENS))

/* The options that each family reads; tests/portability/test_options.py compares them with those that the kernels
 * use. */
static const struct {
    const char *file[2];     /* [clkv_variant] */
    const char *kernel;
    uint32_t options[2]; /* likewise: a bit per option */
} families[CLKV_FAMILIES] = {
    [CLKV_FAMILY_ATTENTION] = { { "attention_cpu", "attention_portable" }, "clkv_attention",
                                { ATTENTION | BIT(ACCUMULATORS) | BIT(FETCH_LEVEL) | BIT(WIDE_TOKENS),
                                  ATTENTION | BIT(WORK_GROUP) | BIT(SUB_GROUP) } },
#define BOTH(name, options) { { #name, #name }, "clkv_" #name, { (options), (options) } }
    [CLKV_FAMILY_MERGE] =
        BOTH(merge, BIT(HEAD_DIM_V) | BIT(KV_HEADS) | BIT(GROUP) | BIT(OUT_HALF) | BIT(WORK_GROUP)),
    [CLKV_FAMILY_APPEND] = BOTH(append, BLOCKS | BIT(IN_HALF) | BIT(WORK_GROUP)),
    [CLKV_FAMILY_CLEAR] = BOTH(clear, BIT(SLABS) | BIT(WORK_GROUP)),
    [CLKV_FAMILY_COPY] = BOTH(copy, BIT(SLABS) | BIT(WORK_GROUP)),
    [CLKV_FAMILY_GATHER] = BOTH(gather, BLOCKS | BIT(OUT_HALF) | BIT(WORK_GROUP)),
    [CLKV_FAMILY_ROWS] = BOTH(rows, BIT(WORK_GROUP)),
};

static uint32_t value_of(const clkv_spec *s, enum option option)
{
    switch (option) {
    case HEAD_DIM: return s->head_dim;
    case HEAD_DIM_V: return s->head_dim_v;
    case KV_HEADS: return s->kv_heads;
    case GROUP: return s->group;
    case BLOCK_SIZE: return s->block_size;
    case IN_HALF: return s->in == CLKV_F16;
    case OUT_HALF: return s->out == CLKV_F16;
    case SLABS: return s->slabs;
    case TILE_TOKENS: return s->tile_tokens;
    case WORK_GROUP: return s->work_group;
    case SUB_GROUP: return s->sub_group;
    case ACCUMULATORS: return s->accumulators;
    case FETCH_LEVEL: return s->fetch_level;
    case WIDE_TOKENS: return s->wide_tokens;
    case K_FORMAT:
    case V_FORMAT:
    case OPTIONS: break;
    }
    return 0;
}

/* A text to which the functions below append. */
typedef struct text {
    char *at;
    size_t left;
    int too_long; /* a part did not fit */
} text;

static void put(text *t, const char *from, size_t n)
{
    if (n > t->left) t->too_long = 1;
    if (t->too_long) return;
    memcpy(t->at, from, n);
    t->at += n;
    t->left -= n;
}

static void put_number(text *t, uint32_t x)
{
    char digits[10];
    size_t n = 0;
    do digits[sizeof digits - ++n] = (char)('0' + x % 10);
    while (x /= 10);
    put(t, digits + sizeof digits - n, n);
}

/* Appends the value of an option: the name of a format, or a number. */
static void put_value(text *t, const clkv_spec *s, enum option option)
{
    if (option == K_FORMAT || option == V_FORMAT) {
        const char *name = clkv_format_of(option == K_FORMAT ? s->k_type : s->v_type)->name;
        put(t, name, strlen(name));
    } else {
        put_number(t, value_of(s, option));
    }
}

clkv_status clkv_spec_print(const clkv_spec *spec, char *out, size_t n)
{
    const uint32_t options = families[spec->family].options[spec->variant];
    const char *file = clkv_spec_file(spec), *between = "\n";
    text t = { .at = out, .left = n };
    put(&t, file, strlen(file));
    for (int i = 0; i < OPTIONS; i++) {
        if (!(options >> i & 1)) continue;
        put(&t, between, 1);
        put(&t, names[i], strlen(names[i]));
        put_value(&t, spec, (enum option)i);
        between = " ";
    }
    put(&t, "", 1);
    if (!t.too_long) return CLKV_OK;
    return CLKV_FAIL(CLKV_ERROR_INVALID, "the build options of %s.cl have more than %zu bytes", file, n - 1);
}

const char *clkv_spec_options(const char *spec_text)
{
    return strchr(spec_text, '\n') + 1;
}

const char *clkv_spec_file(const clkv_spec *spec)
{
    return families[spec->family].file[spec->variant];
}

const char *clkv_spec_kernel(const clkv_spec *spec)
{
    return families[spec->family].kernel;
}
