/* gguf_model.c: see gguf_model.h. Each tensor is asked for by name and must have exactly the shape that the
 * hyperparameters give it; a tensor that nobody asked for means that the model is not what it claims to be, and
 * is an error, since leaving it out would give wrong text and no message. SPDX-License-Identifier: Apache-2.0 */
#include "gguf_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_BYTES 128

/* llama.cpp's converter interleaves the rows of Llama's wq and wk, so that pairs are neighbours. */
static const struct architecture {
    const char *name;
    int rope_halves, biases, qk_norms; /* biases, qk_norms: 1 = must be there */
} architectures[] = {
    {"llama", 0, 0, 0},
    {"qwen2", 1, 1, 0},
    {"qwen3", 1, 0, 1},
};

typedef struct reader {
    gguf g;
    llm_model *m;
    const struct architecture *arch;
    char key[KEY_BYTES]; /* the last one that key() made */
} reader;

static const char *key(reader *r, const char *suffix)
{
    snprintf(r->key, sizeof r->key, "%s.%s", r->arch->name, suffix);
    return r->key;
}

static int find_architecture(reader *r)
{
    gguf_string s;
    char shown[SHOWN_BYTES];
    if (gguf_text(&r->g, "general.architecture", 1, &s)) return -1;
    for (size_t i = 0; i < sizeof architectures / sizeof *architectures; i++) {
        const struct architecture *a = &architectures[i];
        if (gguf_is(s, a->name)) r->arch = a;
    }
    if (!r->arch)
        return llm_fail(r->g.why, "%s: general.architecture is '%s': only " LLM_ARCHITECTURE_NAMES " are supported",
                        r->g.path, llm_shown(s.text, s.bytes, shown));
    strcpy(r->m->architecture, r->arch->name);
    s.bytes = 0;
    if (gguf_text(&r->g, "general.name", 0, &s)) return -1;
    if (s.bytes > 0) {
        llm_shown(s.text, s.bytes, shown);
        snprintf(r->m->name, sizeof r->m->name, "%s", shown);
    }
    return 0;
}

/* What would change the result and is not done here. */
static int refuse_others(reader *r)
{
    uint32_t experts = 0, parts = 0;
    int causal = 1;
    if (gguf_u32(&r->g, key(r, "expert_count"), 0, &experts) ||
        gguf_flag(&r->g, key(r, "attention.causal"), &causal) || gguf_u32(&r->g, "split.count", 0, &parts))
        return -1;
    if (experts > 0)
        return llm_fail(r->g.why, "%s: a mixture of %u experts, which is not supported", r->g.path,
                        (unsigned)experts);
    if (!causal) return llm_fail(r->g.why, "%s: its attention is not causal", r->g.path);
    if (parts > 1)
        return llm_fail(r->g.why, "%s: one of %u parts of a model: merge them into one file", r->g.path,
                        (unsigned)parts);
    if (gguf_find(&r->g, key(r, "attention.sliding_window_pattern")))
        return llm_fail(r->g.why, "%s: %s: windows that differ by layer are not supported", r->g.path, r->key);
    return 0;
}

static int read_sizes(reader *r)
{
    llm_model *m = r->m;
    const struct {
        const char *suffix;
        uint32_t *to;
        int needed;
    } sizes[] = {
        {"embedding_length", &m->dim, 1},           {"block_count", &m->n_layers, 1},
        {"feed_forward_length", &m->hidden_dim, 1}, {"context_length", &m->context, 1},
        {"attention.head_count", &m->heads, 1},     {"attention.head_count_kv", &m->kv_heads, 0},
        {"attention.key_length", &m->head_dim, 0},  {"attention.value_length", &m->head_dim_v, 0},
        {"rope.dimension_count", &m->rope_dims, 0},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        /* what each defaults to comes before it in the table */
        if (sizes[i].to == &m->kv_heads) m->kv_heads = m->heads;
        if (sizes[i].to == &m->head_dim || sizes[i].to == &m->head_dim_v)
            *sizes[i].to = m->dim % m->heads ? 0 : m->dim / m->heads;
        if (sizes[i].to == &m->rope_dims) m->rope_dims = m->head_dim;
        if (gguf_u32(&r->g, key(r, sizes[i].suffix), sizes[i].needed, sizes[i].to)) return -1;
        if (*sizes[i].to == 0)
            return llm_fail(r->g.why, "%s: %s is 0%s", r->g.path, r->key,
                            gguf_find(&r->g, r->key) ? ""
                                                     : ": it is not there, and the heads do not divide the width");
    }
    if (m->heads % m->kv_heads)
        return llm_fail(r->g.why, "%s: %u query heads for %u KV heads", r->g.path, (unsigned)m->heads,
                        (unsigned)m->kv_heads);
    if (m->rope_dims % 2 || m->rope_dims > m->head_dim)
        return llm_fail(r->g.why, "%s: %u of a head's %u dimensions turn in pairs", r->g.path,
                        (unsigned)m->rope_dims, (unsigned)m->head_dim);
    if (m->n_layers > r->g.n_tensors)
        return llm_fail(r->g.why, "%s: %llu tensors are too few for %u layers", r->g.path,
                        (unsigned long long)r->g.n_tensors, (unsigned)m->n_layers);
    return gguf_u32(&r->g, key(r, "attention.sliding_window"), 0, &m->window);
}

/* A scaling factor without a type is linear. Llama 3's kind has no keys: it comes as rope_freqs.weight. */
static int read_rope(reader *r)
{
    llm_model *m = r->m;
    gguf_string type = {"linear", 6};
    char shown[SHOWN_BYTES];
    m->rope_halves = r->arch->rope_halves;
    m->rope_base = 10000;
    m->rope_scale = 1;
    if (gguf_f32(&r->g, key(r, "rope.scale_linear"), 0, &m->rope_scale) ||
        gguf_f32(&r->g, key(r, "rope.scaling.factor"), 0, &m->rope_scale) ||
        gguf_text(&r->g, key(r, "rope.scaling.type"), 0, &type))
        return -1;
    if (m->rope_scale == 0 || gguf_is(type, "none")) m->rope_scale = 1; /* 0 stands for none, too */
    if (m->rope_scale < 0) return llm_fail(r->g.why, "%s: the RoPE scaling factor is negative", r->g.path);
    if (!gguf_is(type, "linear") && !gguf_is(type, "none") && m->rope_scale != 1)
        return llm_fail(r->g.why, "%s: %s is '%s': only linear is supported", r->g.path, r->key,
                        llm_shown(type.text, type.bytes, shown));
    if (gguf_f32(&r->g, key(r, "rope.freq_base"), 0, &m->rope_base)) return -1;
    if (m->rope_base <= 0) return llm_fail(r->g.why, "%s: %s is not positive", r->g.path, r->key);
    if (gguf_f32(&r->g, key(r, "attention.layer_norm_rms_epsilon"), 1, &m->rms_eps)) return -1;
    if (m->rms_eps < 0) return llm_fail(r->g.why, "%s: %s is negative", r->g.path, r->key);
    return 0;
}

/* rows 0: any number. A tensor that is not there and not needed stays absent. */
static int take(reader *r, const char *name, int needed, uint64_t rows, uint64_t cols, llm_tensor *out)
{
    gguf_tensor *t = gguf_find_tensor(&r->g, name);
    if (!t) {
        if (needed)
            return llm_fail(r->g.why, "%s: tensor '%s' is missing, which a %s model needs", r->g.path, name,
                            r->arch->name);
        return 0;
    }
    t->taken = 1;
    if (t->dims[0] != cols || (rows > 0 && t->dims[1] != rows) || t->dims[2] > 1 || t->dims[3] > 1)
        return llm_fail(r->g.why, "%s: tensor '%s' is %llu × %llu%s, its model's sizes ask for %llu × %llu",
                        r->g.path, name, (unsigned long long)t->dims[1], (unsigned long long)t->dims[0],
                        t->n_dims > 2 ? " × …" : "", (unsigned long long)(rows > 0 ? rows : t->dims[1]),
                        (unsigned long long)cols);
    *out = t->tensor;
    return 0;
}

static int read_layer(reader *r, uint32_t index)
{
    const llm_model *m = r->m;
    llm_layer *l = &m->layers[index];
    const int biases = r->arch->biases, norms = r->arch->qk_norms;
    const uint64_t q = (uint64_t)m->heads * m->head_dim, k = (uint64_t)m->kv_heads * m->head_dim;
    const uint64_t v = (uint64_t)m->kv_heads * m->head_dim_v, o = (uint64_t)m->heads * m->head_dim_v;
    const struct {
        const char *name;
        int needed;
        uint64_t rows, cols;
        llm_tensor *to;
    } parts[] = {
        {"attn_norm.weight", 1, 1, m->dim, &l->attn_norm},
        {"attn_q.weight", 1, q, m->dim, &l->wq},
        {"attn_k.weight", 1, k, m->dim, &l->wk},
        {"attn_v.weight", 1, v, m->dim, &l->wv},
        {"attn_output.weight", 1, m->dim, o, &l->wo},
        {"attn_q.bias", biases, 1, q, &l->bq},
        {"attn_k.bias", biases, 1, k, &l->bk},
        {"attn_v.bias", biases, 1, v, &l->bv},
        {"attn_q_norm.weight", norms, 1, m->head_dim, &l->q_norm},
        {"attn_k_norm.weight", norms, 1, m->head_dim, &l->k_norm},
        {"ffn_norm.weight", 1, 1, m->dim, &l->ffn_norm},
        {"ffn_gate.weight", 1, m->hidden_dim, m->dim, &l->w_gate},
        {"ffn_up.weight", 1, m->hidden_dim, m->dim, &l->w_up},
        {"ffn_down.weight", 1, m->dim, m->hidden_dim, &l->w_down},
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char name[KEY_BYTES];
        snprintf(name, sizeof name, "blk.%u.%s", (unsigned)index, parts[i].name);
        if (take(r, name, parts[i].needed, parts[i].rows, parts[i].cols, parts[i].to)) return -1;
        const llm_tensor *first =
            (const llm_tensor *)(const void *)((const char *)m->layers + ((const char *)parts[i].to - (char *)l));
        if (!first->data != !parts[i].to->data)
            return llm_fail(r->g.why, "%s: tensor '%s' is %s, in layer 0 it is not", r->g.path, name,
                            first->data ? "missing" : "there");
    }
    return 0;
}

static int read_tensors(reader *r)
{
    llm_model *m = r->m;
    if (take(r, "token_embd.weight", 1, 0, m->dim, &m->embedding)) return -1;
    if (m->embedding.rows > INT32_MAX)
        return llm_fail(r->g.why, "%s: a vocabulary of %llu", r->g.path, (unsigned long long)m->embedding.rows);
    m->vocab = (uint32_t)m->embedding.rows;
    if (take(r, "output_norm.weight", 1, 1, m->dim, &m->final_norm) ||
        take(r, "output.weight", 0, m->vocab, m->dim, &m->output) ||
        take(r, "rope_freqs.weight", 0, 1, m->rope_dims / 2, &m->rope_factors))
        return -1;
    m->layers = calloc(m->n_layers, sizeof *m->layers);
    if (!m->layers) return llm_fail(r->g.why, "%s: out of memory", r->g.path);
    for (uint32_t i = 0; i < m->n_layers; i++)
        if (read_layer(r, i)) return -1;
    for (uint64_t i = 0; i < r->g.n_tensors; i++) {
        const gguf_string name = r->g.tensors[i].name;
        char shown[SHOWN_BYTES];
        if (!r->g.tensors[i].taken)
            return llm_fail(r->g.why, "%s: tensor '%s' is none of a %s model's with %u layers", r->g.path,
                            llm_shown(name.text, name.bytes, shown), r->arch->name, (unsigned)m->n_layers);
    }
    return 0;
}

int llm_gguf_read(llm_model *model, const char *path, int want_vocab, char *why)
{
    reader r = {.m = model};
    const int failed = gguf_open(&r.g, &model->file, path, why) || find_architecture(&r) || refuse_others(&r) ||
                       read_sizes(&r) || read_rope(&r) || read_tensors(&r) ||
                       (want_vocab && llm_gguf_vocab(model, &r.g));
    gguf_close(&r.g);
    return failed ? -1 : 0;
}
