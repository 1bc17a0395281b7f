/* feature_gguf.h: GGUF files of small random models that have what the real checkpoint lacks: head norms, biases,
 * both pair orders of RoPE with its scalings, outputs of their own, heads of any size and number, every type of
 * weights. Activations keep their size, so that a difference anywhere is one in the logits.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TESTS_LLM_FEATURE_GGUF_H
#define CLKV_TESTS_LLM_FEATURE_GGUF_H

#include "dequant.h"
#include "files.h"
#include "gguf_write.h"

#include <clkv/ref.h>

#include <math.h>

/* A field that is 0 is not in the file, and the reader's default applies; but values are as wide as keys. */
typedef struct feature_model {
    const char *arch; /* NULL: llama */
    uint32_t dim, hidden, layers, heads, kv_heads, head_dim, head_dim_v, vocab, context, window, rope_dims;
    float rope_base, rope_scale;
    int factors, untied, biases, norms;
    llm_type type; /* of matrices; vectors are F32 */
} feature_model;

enum { FEATURE_TENSORS = 64 };

typedef struct feature_tensor {
    uint64_t offset, rows, cols; /* rows 0: a vector */
    float centre, width;         /* of its values: uniform in centre ± width */
} feature_tensor;

typedef struct feature_file {
    const feature_model *m;
    gguf_writer w;
    feature_tensor tensors[FEATURE_TENSORS];
    size_t n_tensors;
    uint64_t rng;
} feature_file;

static inline float feature_random(feature_file *f)
{
    return (float)rng_below(&f->rng, 1 << 20) / (1 << 19) - 1;
}

/* Where a block's halves are, and the root mean square of what random bytes make of a scale of 1; `min` is the
 * second half that brings their mean to 0. */
static inline void feature_blocks(feature_file *f, unsigned char *to, uint64_t blocks, float rms)
{
    static const struct {
        llm_type type;
        int scale, min_at;
        float rms, min;
    } kinds[] = {
        {LLM_Q8_0, 0, -1, 73.9f, 0}, {LLM_Q4_0, 0, -1, 4.6f, 0},    {LLM_Q4_1, 0, 2, 4.6f, -7.5f},
        {LLM_Q5_0, 0, -1, 9.2f, 0},  {LLM_Q5_1, 0, 2, 9.2f, -15.5f}, {LLM_Q4_K, 0, 2, 258, 7.5f},
        {LLM_Q5_K, 0, 2, 516, 15.5f}, {LLM_Q6_K, 208, -1, 1366, 0},
    };
    const llm_type_facts *facts = llm_type_find(f->m->type);
    size_t k = 0;
    while (kinds[k].type != f->m->type) must(++k < sizeof kinds / sizeof *kinds);
    for (uint64_t b = 0; b < blocks; b++, to += facts->bytes) {
        for (uint32_t i = 0; i < facts->bytes; i++) to[i] = (unsigned char)rng_below(&f->rng, 256);
        const float scale = rms / kinds[k].rms * (1 + 0.5f * feature_random(f));
        const uint16_t d = clkv_ref_half(scale), min = clkv_ref_half(scale * kinds[k].min);
        memcpy(to + kinds[k].scale, &d, sizeof d);
        if (kinds[k].min_at >= 0) memcpy(to + kinds[k].min_at, &min, sizeof min);
    }
}

static inline void feature_fill(feature_file *f, const feature_tensor *t, unsigned char *to)
{
    const llm_type type = t->rows ? f->m->type : LLM_F32;
    const uint64_t n = t->cols * (t->rows ? t->rows : 1);
    if (type != LLM_F32 && type != LLM_F16 && type != LLM_BF16) {
        feature_blocks(f, to, n / llm_type_find(type)->elements, t->width / sqrtf(3));
        return;
    }
    for (uint64_t i = 0; i < n; i++) {
        const float x = t->centre + t->width * feature_random(f);
        uint32_t bits;
        memcpy(&bits, &x, sizeof bits);
        const uint16_t h = type == LLM_F16 ? clkv_ref_half(x) : (uint16_t)(bits >> 16);
        if (type == LLM_F32) memcpy(to + 4 * i, &x, sizeof x);
        else memcpy(to + 2 * i, &h, sizeof h);
    }
}

/* A matrix whose result is `gain` times as large as what it is applied to. */
static inline void feature_matrix(feature_file *f, const char *name, uint64_t rows, uint64_t cols, float gain)
{
    must(f->n_tensors < FEATURE_TENSORS);
    const uint64_t offset = gguf_write_tensor(&f->w, name, f->m->type, rows, cols);
    f->tensors[f->n_tensors++] = (feature_tensor){offset, rows, cols, 0, gain * sqrtf(3.0f / (float)cols)};
}

static inline void feature_vector(feature_file *f, const char *name, uint64_t n, float centre, float width)
{
    must(f->n_tensors < FEATURE_TENSORS);
    const uint64_t offset = gguf_write_tensor(&f->w, name, LLM_F32, 0, n);
    f->tensors[f->n_tensors++] = (feature_tensor){offset, 0, n, centre, width};
}

static inline void feature_keys(feature_file *f)
{
    const feature_model *m = f->m;
    const char *arch = m->arch ? m->arch : "llama";
    const struct {
        const char *suffix;
        uint32_t value;
    } sizes[] = {
        {"context_length", m->context},
        {"embedding_length", m->dim},
        {"block_count", m->layers},
        {"feed_forward_length", m->hidden},
        {"attention.head_count", m->heads},
        {"attention.head_count_kv", m->kv_heads},
        {"attention.key_length", m->head_dim},
        {"attention.value_length", m->head_dim_v ? m->head_dim_v : m->head_dim},
        {"attention.sliding_window", m->window},
        {"rope.dimension_count", m->rope_dims},
    };
    char key[96];
    gguf_write_text(&f->w, "general.architecture", arch);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        snprintf(key, sizeof key, "%s.%s", arch, sizes[i].suffix);
        if (sizes[i].value) gguf_write_u32(&f->w, key, sizes[i].value);
    }
    snprintf(key, sizeof key, "%s.attention.layer_norm_rms_epsilon", arch);
    gguf_write_f32(&f->w, key, 1e-2f); /* large enough to be seen */
    snprintf(key, sizeof key, "%s.rope.freq_base", arch);
    if (m->rope_base > 0) gguf_write_f32(&f->w, key, m->rope_base);
    snprintf(key, sizeof key, "%s.rope.scaling.type", arch);
    if (m->rope_scale > 0) gguf_write_text(&f->w, key, "linear");
    snprintf(key, sizeof key, "%s.rope.scaling.factor", arch);
    if (m->rope_scale > 0) gguf_write_f32(&f->w, key, m->rope_scale);
}

static inline void feature_layer(feature_file *f, uint32_t layer)
{
    const feature_model *m = f->m;
    const uint32_t head_v = m->head_dim_v ? m->head_dim_v : m->head_dim;
    const uint32_t q = m->heads * m->head_dim, k = m->kv_heads * m->head_dim, v = m->kv_heads * head_v;
    const struct {
        const char *name;
        uint32_t rows, cols;
        float gain;
    } matrices[] = {
        {"attn_q", q, m->dim, 1.4f},          {"attn_k", k, m->dim, 1.4f},        {"attn_v", v, m->dim, 1},
        {"attn_output", m->dim, m->heads * head_v, 1}, {"ffn_gate", m->hidden, m->dim, 1},
        {"ffn_up", m->hidden, m->dim, 1},     {"ffn_down", m->dim, m->hidden, 1},
    };
    const struct {
        const char *name;
        int there;
        uint32_t n;
        float centre, width;
    } vectors[] = {
        {"attn_norm.weight", 1, m->dim, 1, 0.5f},
        {"ffn_norm.weight", 1, m->dim, 1, 0.5f},
        {"attn_q.bias", m->biases, q, 0, 1},
        {"attn_k.bias", m->biases, k, 0, 1},
        {"attn_v.bias", m->biases, v, 0, 1},
        {"attn_q_norm.weight", m->norms, m->head_dim, 1.5f, 1},
        {"attn_k_norm.weight", m->norms, m->head_dim, 1.5f, 1},
    };
    char name[64];
    for (size_t i = 0; i < sizeof matrices / sizeof *matrices; i++) {
        snprintf(name, sizeof name, "blk.%u.%s.weight", (unsigned)layer, matrices[i].name);
        feature_matrix(f, name, matrices[i].rows, matrices[i].cols, matrices[i].gain);
    }
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        snprintf(name, sizeof name, "blk.%u.%s", (unsigned)layer, vectors[i].name);
        if (vectors[i].there) feature_vector(f, name, vectors[i].n, vectors[i].centre, vectors[i].width);
    }
}

static inline void feature_write(const feature_model *m, const char *path)
{
    feature_file f = {.m = m, .rng = 7};
    gguf_write_begin(&f.w);
    feature_keys(&f);
    feature_matrix(&f, "token_embd.weight", m->vocab, m->dim, 1);
    for (uint32_t layer = 0; layer < m->layers; layer++) feature_layer(&f, layer);
    feature_vector(&f, "output_norm.weight", m->dim, 1, 0.5f);
    if (m->untied) feature_matrix(&f, "output.weight", m->vocab, m->dim, 1);
    if (m->factors)
        feature_vector(&f, "rope_freqs.weight", (m->rope_dims ? m->rope_dims : m->head_dim) / 2, 4, 3);
    must(!gguf_write_end(&f.w));
    const size_t bytes = f.w.bytes + (size_t)f.w.data_bytes;
    unsigned char *file = calloc(1, bytes);
    must(file);
    memcpy(file, f.w.data, f.w.bytes);
    for (size_t i = 0; i < f.n_tensors; i++)
        feature_fill(&f, &f.tensors[i], file + f.w.bytes + f.tensors[i].offset);
    write_whole(path, file, bytes);
    free(file);
    gguf_write_free(&f.w);
}

#endif
