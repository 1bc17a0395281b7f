/* forward.c: see forward.h. Values are doubles everywhere; at LLM_WIDTH_FLOAT each is rounded to a float where it
 * is stored, and sums of products run in floats. All tokens of a call go through a layer together, so that a
 * weight row becomes floats once.
 *
 * Cache: keys [layer][position][kv_heads · head_dim], after RoPE; values the same with head_dim_v.
 * SPDX-License-Identifier: Apache-2.0 */
#include "forward.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct llm_forward {
    const llm_model *m;
    llm_width width;
    uint32_t positions, length;
    size_t q_dim, k_dim, v_dim, o_dim; /* what a token has of each, all heads together */
    double *keys, *values;
    double *scores; /* [positions] */
    float *row;     /* a weight row, of any tensor */
};

/* What a call computes with: n tokens, row-major [n][…]. */
typedef struct work {
    uint32_t n, first; /* the first token's position */
    double *x, *normed, *q, *o, *gate, *up;
    double *all;
} work;

static double held(const llm_forward *f, double x)
{
    return f->width == LLM_WIDTH_DOUBLE ? x : (double)(float)x;
}

static double dot(const llm_forward *f, const float *w, const double *x, size_t n)
{
    if (f->width == LLM_WIDTH_DOUBLE) {
        double sum = 0;
        for (size_t i = 0; i < n; i++) sum += (double)w[i] * x[i];
        return sum;
    }
    float sum = 0;
    for (size_t i = 0; i < n; i++) sum += w[i] * (float)x[i];
    return (double)sum;
}

/* y = w x + bias, for each token. What the rows are added to, or replace, starts at y[token · stride]. */
static void project(const llm_forward *f, const llm_tensor *w, const llm_tensor *bias, const double *x, uint32_t n,
                    double *y, size_t stride, int add)
{
    for (uint64_t r = 0; r < w->rows; r++) {
        llm_tensor_row(w, r, f->row);
        for (uint32_t t = 0; t < n; t++) {
            double *to = &y[t * stride + r];
            *to = held(f, dot(f, f->row, x + t * w->cols, (size_t)w->cols) + (add ? *to : 0));
        }
    }
    if (!bias->data) return;
    llm_tensor_row(bias, 0, f->row);
    for (uint32_t t = 0; t < n; t++)
        for (uint64_t r = 0; r < w->rows; r++) y[t * stride + r] = held(f, y[t * stride + r] + (double)f->row[r]);
}

/* RMS norm of each of n vectors; y may be x. */
static void norm(const llm_forward *f, const llm_tensor *weight, const double *x, size_t n, double *y)
{
    const size_t size = (size_t)weight->cols;
    llm_tensor_row(weight, 0, f->row);
    for (size_t v = 0; v < n; v++, x += size, y += size) {
        double sum = 0;
        for (size_t i = 0; i < size; i++) sum += x[i] * x[i];
        const double scale = held(f, 1 / sqrt(sum / (double)size + (double)f->m->rms_eps));
        for (size_t i = 0; i < size; i++) y[i] = held(f, (double)f->row[i] * held(f, x[i] * scale));
    }
}

/* Turns the pairs of n heads that belong to one position. */
static void rope(const llm_forward *f, double *x, size_t n, uint32_t position)
{
    const llm_model *m = f->m;
    const uint32_t pairs = m->rope_dims / 2;
    if (m->rope_factors.data) llm_tensor_row(&m->rope_factors, 0, f->row);
    for (uint32_t i = 0; i < pairs; i++) {
        double frequency = pow((double)m->rope_base, -2.0 * i / m->rope_dims) / (double)m->rope_scale;
        if (m->rope_factors.data) frequency /= (double)f->row[i];
        const double angle = held(f, position * held(f, frequency));
        const double c = cos(angle), s = sin(angle);
        const uint32_t a = m->rope_halves ? i : 2 * i, b = m->rope_halves ? i + pairs : 2 * i + 1;
        for (size_t h = 0; h < n; h++) {
            double *head = x + h * m->head_dim;
            const double before = head[a];
            head[a] = held(f, before * c - head[b] * s);
            head[b] = held(f, before * s + head[b] * c);
        }
    }
}

/* One head of one token at `position`, over what it sees of its KV head. */
static void attend(const llm_forward *f, const double *q, const double *keys, const double *values,
                   uint32_t position, double *o)
{
    const llm_model *m = f->m;
    const uint32_t first = m->window > 0 && position >= m->window ? position - m->window + 1 : 0;
    const double scale = held(f, 1 / sqrt((double)m->head_dim));
    double max = -INFINITY, sum = 0;
    for (uint32_t p = first; p <= position; p++) {
        double s = 0;
        for (uint32_t d = 0; d < m->head_dim; d++) s = held(f, s + q[d] * keys[p * f->k_dim + d]);
        f->scores[p] = held(f, s * scale);
        if (f->scores[p] > max) max = f->scores[p];
    }
    for (uint32_t p = first; p <= position; p++) {
        f->scores[p] = held(f, exp(f->scores[p] - max));
        sum = held(f, sum + f->scores[p]);
    }
    for (uint32_t d = 0; d < m->head_dim_v; d++) {
        o[d] = 0;
        for (uint32_t p = first; p <= position; p++)
            o[d] = held(f, o[d] + f->scores[p] / sum * values[p * f->v_dim + d]);
    }
}

static void attention_block(llm_forward *f, const llm_layer *l, uint32_t index, work *w)
{
    const llm_model *m = f->m;
    const llm_tensor none = {0};
    double *keys = f->keys + (size_t)index * f->positions * f->k_dim;
    double *values = f->values + (size_t)index * f->positions * f->v_dim;
    double *k = keys + w->first * f->k_dim, *v = values + w->first * f->v_dim;
    norm(f, &l->attn_norm, w->x, w->n, w->normed);
    project(f, &l->wq, &l->bq, w->normed, w->n, w->q, f->q_dim, 0);
    project(f, &l->wk, &l->bk, w->normed, w->n, k, f->k_dim, 0);
    project(f, &l->wv, &l->bv, w->normed, w->n, v, f->v_dim, 0);
    if (l->q_norm.data) norm(f, &l->q_norm, w->q, (size_t)w->n * m->heads, w->q);
    if (l->k_norm.data) norm(f, &l->k_norm, k, (size_t)w->n * m->kv_heads, k);
    for (uint32_t t = 0; t < w->n; t++) {
        rope(f, w->q + t * f->q_dim, m->heads, w->first + t);
        rope(f, k + t * f->k_dim, m->kv_heads, w->first + t);
    }
    const uint32_t group = m->heads / m->kv_heads;
    for (uint32_t t = 0; t < w->n; t++)
        for (uint32_t h = 0; h < m->heads; h++)
            attend(f, w->q + t * f->q_dim + (size_t)h * m->head_dim, keys + (size_t)(h / group) * m->head_dim,
                   values + (size_t)(h / group) * m->head_dim_v, w->first + t,
                   w->o + t * f->o_dim + (size_t)h * m->head_dim_v);
    project(f, &l->wo, &none, w->o, w->n, w->x, m->dim, 1);
}

static void feed_forward_block(const llm_forward *f, const llm_layer *l, work *w)
{
    const llm_model *m = f->m;
    const llm_tensor none = {0};
    norm(f, &l->ffn_norm, w->x, w->n, w->normed);
    project(f, &l->w_gate, &none, w->normed, w->n, w->gate, m->hidden_dim, 0);
    project(f, &l->w_up, &none, w->normed, w->n, w->up, m->hidden_dim, 0);
    for (size_t i = 0; i < (size_t)w->n * m->hidden_dim; i++)
        w->gate[i] = held(f, held(f, w->gate[i] / (1 + exp(-w->gate[i]))) * w->up[i]);
    project(f, &l->w_down, &none, w->gate, w->n, w->x, m->dim, 1);
}

/* Logits of the last n_logits tokens, whose final x is there. */
static void output_block(const llm_forward *f, work *w, float *logits, uint32_t n_logits)
{
    const llm_model *m = f->m;
    const llm_tensor *out = m->output.data ? &m->output : &m->embedding;
    const double *x = w->x + (size_t)(w->n - n_logits) * m->dim;
    norm(f, &m->final_norm, x, n_logits, w->normed);
    for (uint64_t r = 0; r < m->vocab; r++) {
        llm_tensor_row(out, r, f->row);
        for (uint32_t t = 0; t < n_logits; t++)
            logits[(size_t)t * m->vocab + r] = (float)dot(f, f->row, w->normed + (size_t)t * m->dim, m->dim);
    }
}

static int begin_work(const llm_forward *f, work *w, uint32_t n)
{
    const llm_model *m = f->m;
    const size_t per_token = 2 * (size_t)m->dim + f->q_dim + f->o_dim + 2 * (size_t)m->hidden_dim;
    if (per_token > SIZE_MAX / sizeof(double) / n) return -1;
    w->all = malloc(per_token * n * sizeof(double));
    if (!w->all) return -1;
    w->n = n;
    w->first = f->length;
    w->x = w->all;
    w->normed = w->x + (size_t)n * m->dim;
    w->q = w->normed + (size_t)n * m->dim;
    w->o = w->q + n * f->q_dim;
    w->gate = w->o + n * f->o_dim;
    w->up = w->gate + (size_t)n * m->hidden_dim;
    return 0;
}

int llm_forward_tokens(llm_forward *f, const uint32_t *tokens, uint32_t n, float *logits, uint32_t n_logits,
                       char *why)
{
    const llm_model *m = f->m;
    work w;
    if (n > f->positions - f->length)
        return llm_fail(why, "%u more tokens after %u: there is room for %u", (unsigned)n, (unsigned)f->length,
                        (unsigned)f->positions);
    for (uint32_t t = 0; t < n; t++)
        if (tokens[t] >= m->vocab)
            return llm_fail(why, "token %u of a vocabulary of %u", (unsigned)tokens[t], (unsigned)m->vocab);
    if (begin_work(f, &w, n)) return llm_fail(why, "out of memory for %u tokens", (unsigned)n);

    for (uint32_t t = 0; t < n; t++) {
        llm_tensor_row(&m->embedding, tokens[t], f->row);
        for (uint32_t i = 0; i < m->dim; i++) w.x[(size_t)t * m->dim + i] = (double)f->row[i];
    }
    for (uint32_t l = 0; l < m->n_layers; l++) {
        attention_block(f, &m->layers[l], l, &w);
        feed_forward_block(f, &m->layers[l], &w);
    }
    if (n_logits > 0) output_block(f, &w, logits, n_logits);
    free(w.all);
    f->length += n;
    return 0;
}

uint32_t llm_forward_length(const llm_forward *f)
{
    return f->length;
}

void llm_forward_rewind(llm_forward *f, uint32_t length)
{
    if (length < f->length) f->length = length;
}

/* The longest row of any tensor: every row and every vector is as long as one of these. */
static size_t longest_row(const llm_forward *f)
{
    const size_t sizes[] = {f->m->dim, f->m->hidden_dim, f->q_dim, f->k_dim, f->v_dim, f->o_dim};
    size_t most = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i] > most) most = sizes[i];
    return most;
}

static double *cache_of(const llm_forward *f, size_t per_token)
{
    const uint64_t tokens = (uint64_t)f->m->n_layers * f->positions;
    if (tokens > SIZE_MAX / sizeof(double) / per_token) return NULL;
    return malloc((size_t)tokens * per_token * sizeof(double));
}

int llm_forward_create(llm_forward **out, const llm_model *model, uint32_t positions, llm_width width, char *why)
{
    *out = NULL;
    llm_forward *f = calloc(1, sizeof *f);
    if (!f) return llm_fail(why, "out of memory");
    f->m = model;
    f->width = width;
    f->positions = positions;
    f->q_dim = (size_t)model->heads * model->head_dim;
    f->k_dim = (size_t)model->kv_heads * model->head_dim;
    f->v_dim = (size_t)model->kv_heads * model->head_dim_v;
    f->o_dim = (size_t)model->heads * model->head_dim_v;
    f->keys = cache_of(f, f->k_dim);
    f->values = cache_of(f, f->v_dim);
    f->scores = malloc(positions * sizeof *f->scores);
    f->row = malloc(longest_row(f) * sizeof *f->row);
    if (!f->keys || !f->values || !f->scores || !f->row) {
        llm_forward_destroy(&f);
        return llm_fail(why, "out of memory for the keys and values of %u positions", (unsigned)positions);
    }
    *out = f;
    return 0;
}

void llm_forward_destroy(llm_forward **forward)
{
    llm_forward *f = *forward;
    if (!f) return;
    free(f->keys);
    free(f->values);
    free(f->scores);
    free(f->row);
    free(f);
    *forward = NULL;
}
