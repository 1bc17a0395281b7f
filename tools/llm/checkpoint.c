/* checkpoint.c: see checkpoint.h. SPDX-License-Identifier: Apache-2.0 */
#include "checkpoint.h"

#include <stdlib.h>
#include <string.h>

enum { DIM, HIDDEN_DIM, N_LAYERS, HEADS, KV_HEADS, VOCAB, CONTEXT, HEADER_INTS };

static const char *const header_names[HEADER_INTS] = {"dim",        "hidden_dim", "n_layers", "n_heads",
                                                      "n_kv_heads", "vocab_size", "seq_len"};

typedef struct cursor {
    const unsigned char *at;
    uint64_t floats; /* left in the file */
    const char *path;
    char *why;
} cursor;

static int read_header(llm_model *m, cursor *c, int *own_output)
{
    int32_t h[HEADER_INTS];
    if (m->file.bytes < sizeof h)
        return llm_fail(c->why, "%s: neither a GGUF file nor a llama2.c checkpoint: %zu bytes", c->path,
                        m->file.bytes);
    memcpy(h, m->file.data, sizeof h);
    *own_output = h[VOCAB] < 0;
    if (h[VOCAB] < 0) h[VOCAB] = h[VOCAB] == INT32_MIN ? 0 : -h[VOCAB];
    for (int i = 0; i < HEADER_INTS; i++)
        if (h[i] <= 0)
            return llm_fail(c->why, "%s: neither a GGUF file nor a llama2.c checkpoint: %s would be %d", c->path,
                            header_names[i], (int)h[i]);
    if (h[DIM] % h[HEADS] || h[HEADS] % h[KV_HEADS] || h[DIM] / h[HEADS] % 2)
        return llm_fail(c->why,
                        "%s: neither a GGUF file nor a llama2.c checkpoint: %d query heads and %d KV heads do not "
                        "divide dim %d evenly",
                        c->path, (int)h[HEADS], (int)h[KV_HEADS], (int)h[DIM]);
    m->dim = (uint32_t)h[DIM];
    m->hidden_dim = (uint32_t)h[HIDDEN_DIM];
    m->n_layers = (uint32_t)h[N_LAYERS];
    m->heads = (uint32_t)h[HEADS];
    m->kv_heads = (uint32_t)h[KV_HEADS];
    m->head_dim = m->head_dim_v = m->rope_dims = m->dim / m->heads;
    m->vocab = (uint32_t)h[VOCAB];
    m->context = (uint32_t)h[CONTEXT];
    c->at = m->file.data + sizeof h;
    c->floats = (m->file.bytes - sizeof h) / sizeof(float);
    return 0;
}

/* The next `copies` tensors of one shape, which begin at c->at; afterwards that is behind them. */
static int take(cursor *c, const char *name, uint64_t copies, uint64_t rows, uint64_t cols, llm_tensor *first)
{
    if (copies > c->floats / (rows * cols)) /* each is below 2^31 */
        return llm_fail(c->why, "%s: too short for its own header: %s (%llu × %llu, %llu times) goes past the end",
                        c->path, name, (unsigned long long)rows, (unsigned long long)cols,
                        (unsigned long long)copies);
    *first = (llm_tensor){LLM_F32, rows, cols, c->at};
    c->at += copies * rows * cols * sizeof(float);
    c->floats -= copies * rows * cols;
    return 0;
}

static int read_layers(llm_model *m, cursor *c)
{
    const uint64_t q = m->dim, kv = (uint64_t)m->kv_heads * m->head_dim;
    const struct {
        const char *name;
        size_t field;
        uint64_t rows, cols;
    } parts[] = {
        {"attn_norm", offsetof(llm_layer, attn_norm), 1, m->dim},
        {"wq", offsetof(llm_layer, wq), q, m->dim},
        {"wk", offsetof(llm_layer, wk), kv, m->dim},
        {"wv", offsetof(llm_layer, wv), kv, m->dim},
        {"wo", offsetof(llm_layer, wo), m->dim, q},
        {"ffn_norm", offsetof(llm_layer, ffn_norm), 1, m->dim},
        {"w1", offsetof(llm_layer, w_gate), m->hidden_dim, m->dim},
        {"w2", offsetof(llm_layer, w_down), m->dim, m->hidden_dim},
        {"w3", offsetof(llm_layer, w_up), m->hidden_dim, m->dim},
    };
    if (m->n_layers > c->floats / m->dim)
        return llm_fail(c->why, "%s: too short for its own header: %u layers", c->path, (unsigned)m->n_layers);
    m->layers = calloc(m->n_layers, sizeof *m->layers);
    if (!m->layers) return llm_fail(c->why, "%s: out of memory", c->path);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        llm_tensor t;
        if (take(c, parts[i].name, m->n_layers, parts[i].rows, parts[i].cols, &t)) return -1;
        for (uint32_t layer = 0; layer < m->n_layers; layer++) {
            memcpy((char *)&m->layers[layer] + parts[i].field, &t, sizeof t);
            t.data = (const unsigned char *)t.data + llm_tensor_bytes(&t);
        }
    }
    return 0;
}

int llm_checkpoint_read(llm_model *model, const char *path, char *why)
{
    cursor c = {.path = llm_shown_path(path), .why = why};
    llm_tensor unused;
    int own_output = 0;
    if (read_header(model, &c, &own_output)) return -1;
    strcpy(model->architecture, "llama");
    model->rms_eps = 1e-5f;
    model->rope_base = 10000;
    model->rope_scale = 1;
    if (take(&c, "embedding", 1, model->vocab, model->dim, &model->embedding) || read_layers(model, &c) ||
        take(&c, "final_norm", 1, 1, model->dim, &model->final_norm) ||
        take(&c, "the RoPE tables", 2, model->context, model->head_dim / 2, &unused))
        return -1;
    if (own_output && take(&c, "output", 1, model->vocab, model->dim, &model->output)) return -1;
    const size_t rest = (size_t)(model->file.data + model->file.bytes - c.at);
    if (rest > 0) return llm_fail(why, "%s: %zu bytes more than its own header says", c.path, rest);
    return 0;
}
