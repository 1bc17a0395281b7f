/* pass.c: see pass.h. SPDX-License-Identifier: Apache-2.0 */
#include "pass.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SWIGLU_SPAN 1024u       /* LLM_SPAN in layers.cl */
#define ALL_ROWS    0xffffffffu /* llm_norm: no picking */

#define LAUNCH(p, kernel, groups, why, ...)                                                                        \
    llm_compute_launch((p)->c, (kernel), (groups), (const llm_arg[]){__VA_ARGS__},                                 \
                       sizeof((const llm_arg[]){__VA_ARGS__}) / sizeof(llm_arg), LLM_TIME_OTHER, (why))

static int send_frequencies(llm_pass *p, char *why)
{
    const llm_model *m = p->model;
    const uint32_t pairs = m->rope_dims / 2;
    float *factors = NULL, *table = malloc((pairs ? pairs : 1) * 2 * sizeof *table);
    int result = -1;
    if (!table) return llm_fail(why, "out of memory for RoPE");
    if (m->rope_factors.data) {
        factors = malloc((size_t)m->rope_factors.cols * sizeof *factors);
        if (!factors) {
            llm_fail(why, "out of memory for RoPE");
            goto end;
        }
        llm_tensor_row(&m->rope_factors, 0, factors);
    }
    for (uint32_t i = 0; i < pairs; i++) {
        const double f = pow(m->rope_base, -2.0 * i / m->rope_dims) / m->rope_scale / (factors ? factors[i] : 1.0);
        table[2 * i] = (float)f;
        table[2 * i + 1] = (float)(f - (double)table[2 * i]);
    }
    if (llm_buffer_create(p->c, &p->frequencies, pairs * 2 * sizeof *table, why)) goto end;
    const cl_int err = pairs == 0 ? CL_SUCCESS
                                  : clEnqueueWriteBuffer(p->c->queue, p->frequencies.mem, CL_TRUE, 0,
                                                         pairs * 2 * sizeof *table, table, 0, NULL, NULL);
    result = err == CL_SUCCESS ? 0 : llm_fail_driver(why, err, "clEnqueueWriteBuffer for RoPE");
end:
    free(factors);
    free(table);
    return result;
}

int llm_pass_create(llm_pass *p, const llm_pass_parts *parts, char *why)
{
    const llm_model *m = parts->model;
    p->c = parts->c;
    p->model = m;
    p->weights = parts->weights;
    p->gemm = parts->gemm;
    p->cache = parts->cache;
    const size_t row = (size_t)parts->max_tokens * sizeof(float);
    const size_t q = (size_t)m->heads * m->head_dim, k = (size_t)m->kv_heads * m->head_dim;
    const size_t v = (size_t)m->kv_heads * m->head_dim_v, o = (size_t)m->heads * m->head_dim_v;
    const struct {
        llm_buffer *buffer;
        size_t floats;
    } wanted[] = {
        {&p->x, m->dim},
        {&p->normed, m->dim},
        {&p->qkv, q + k + v},
        {&p->q, q > o ? q : o}, /* takes picked rows of o, too */
        {&p->k, k},
        {&p->v, v},
        {&p->o, o},
        {&p->both, 2 * (size_t)m->hidden_dim},
        {&p->hidden, m->hidden_dim},
        {&p->angles, m->rope_dims},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        if (llm_buffer_create(p->c, wanted[i].buffer, row * wanted[i].floats, why)) return -1;
    return send_frequencies(p, why);
}

void llm_pass_free(llm_pass *p)
{
    llm_buffer *buffers[] = {&p->frequencies, &p->angles, &p->x,      &p->normed,  &p->qkv,
                             &p->q,           &p->k,      &p->v,      &p->o,       &p->both,
                             &p->hidden,      &p->picked, &p->logits, &p->scratch, &p->ids};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) llm_buffer_free(buffers[i]);
    llm_input_free(&p->input);
    memset(p, 0, sizeof *p);
}

static int norm(llm_pass *p, uint32_t rows, cl_mem weights, uint32_t rows_at, cl_mem to, char *why)
{
    const llm_model *m = p->model;
    return LAUNCH(p, LLM_KERNEL_NORM, rows, why, LLM_ARG(p->x.mem), LLM_ARG(m->dim), LLM_ARG(weights),
                  LLM_ARG(m->rms_eps), LLM_ARG(p->input.device.mem), LLM_ARG(rows_at), LLM_ARG(to));
}

static int begin(llm_pass *p, uint32_t n, char *why)
{
    const llm_model *m = p->model;
    const llm_matrix *e = &p->weights->embedding;
    const cl_ulong ld = e->ld;
    const cl_uint pairs = m->rope_dims / 2;
    const llm_input *in = &p->input;
    if (LAUNCH(p, LLM_KERNEL_EMBED, n, why, LLM_ARG(e->data.mem), LLM_ARG(ld), LLM_ARG(m->dim),
               LLM_ARG(in->device.mem), LLM_ARG(in->ids_at), LLM_ARG(p->x.mem)))
        return -1;
    return LAUNCH(p, LLM_KERNEL_ANGLES, n, why, LLM_ARG(in->device.mem), LLM_ARG(in->positions_at),
                  LLM_ARG(p->frequencies.mem), LLM_ARG(pairs), LLM_ARG(p->angles.mem));
}

static int heads(llm_pass *p, const llm_layer_weights *w, uint32_t n, char *why)
{
    const llm_model *m = p->model;
    const cl_uint biased = w->bias.mem != NULL, norms = w->q_norm.mem != NULL, halves = m->rope_halves != 0;
    const cl_mem none = p->angles.mem; /* stands for what is not read */
    const cl_mem bias = biased ? w->bias.mem : none;
    const cl_mem q_norm = norms ? w->q_norm.mem : none, k_norm = norms ? w->k_norm.mem : none;
    return LAUNCH(p, LLM_KERNEL_HEADS, (size_t)n * (m->heads + 2 * m->kv_heads), why, LLM_ARG(p->qkv.mem),
                  LLM_ARG(m->heads), LLM_ARG(m->kv_heads), LLM_ARG(m->head_dim), LLM_ARG(m->head_dim_v),
                  LLM_ARG(bias), LLM_ARG(biased), LLM_ARG(q_norm), LLM_ARG(k_norm), LLM_ARG(norms),
                  LLM_ARG(m->rms_eps), LLM_ARG(p->angles.mem), LLM_ARG(m->rope_dims), LLM_ARG(halves),
                  LLM_ARG(p->q.mem), LLM_ARG(p->k.mem), LLM_ARG(p->v.mem));
}

static int append(llm_pass *p, clkv_batch *batch, uint32_t layer, char *why)
{
    clkv_append_params a = CLKV_PARAMS_INIT(clkv_append_params);
    cl_event event;
    a.layer = layer;
    a.k.mem = p->k.mem;
    a.v.mem = p->v.mem;
    if (clkv_append(p->cache, batch, &a, 0, NULL, llm_compute_event(p->c, &event)) != CLKV_OK)
        return llm_fail_clkv(why, "append");
    if (p->c->profile) llm_compute_note(p->c, event, LLM_TIME_OTHER);
    return 0;
}

static int attend(llm_pass *p, clkv_batch *batch, uint32_t layer, char *why)
{
    clkv_attention_params t = CLKV_PARAMS_INIT(clkv_attention_params);
    cl_event event;
    t.layer = layer;
    t.q.mem = p->q.mem;
    t.o.mem = p->o.mem;
    if (clkv_attention(p->cache, batch, &t, 0, NULL, llm_compute_event(p->c, &event)) != CLKV_OK)
        return llm_fail_clkv(why, "attention");
    if (p->c->profile) llm_compute_note(p->c, event, LLM_TIME_ATTENTION);
    return 0;
}

static int feed_forward(llm_pass *p, const llm_layer_weights *w, uint32_t n, char *why)
{
    const uint32_t hidden = p->model->hidden_dim;
    const size_t groups = (size_t)n * ((hidden + SWIGLU_SPAN - 1) / SWIGLU_SPAN);
    if (norm(p, n, w->ffn_norm.mem, ALL_ROWS, p->normed.mem, why)) return -1;
    if (llm_gemm_multiply(p->gemm, &w->gate_up, p->normed.mem, p->both.mem, n, 0, why)) return -1;
    if (LAUNCH(p, LLM_KERNEL_SWIGLU, groups, why, LLM_ARG(p->both.mem), LLM_ARG(hidden), LLM_ARG(p->hidden.mem)))
        return -1;
    return llm_gemm_multiply(p->gemm, &w->down, p->hidden.mem, p->x.mem, n, 1, why);
}

static int pick_rows(llm_pass *p, cl_mem from, uint32_t dim, uint32_t n, cl_mem to, char *why)
{
    return LAUNCH(p, LLM_KERNEL_ROWS, n, why, LLM_ARG(from), LLM_ARG(dim), LLM_ARG(p->input.device.mem),
                  LLM_ARG(p->input.rows_at), LLM_ARG(to));
}

/* x has a row for each pick when rows_at is ALL_ROWS, else one for each token. */
static int sample(llm_pass *p, const llm_pick *picks, uint32_t n, uint32_t rows_at, char *why)
{
    llm_kernel kernel = LLM_KERNEL_GREEDY;
    for (uint32_t i = 0; i < n; i++)
        if (picks[i].how.temperature > 0) kernel = LLM_KERNEL_SAMPLE;
    const llm_model *m = p->model;
    const llm_matrix *output = p->weights->output.data.mem ? &p->weights->output : &p->weights->embedding;
    const size_t row = n * sizeof(float);
    if (llm_buffer_room(p->c, &p->picked, row * m->dim, why) ||
        llm_buffer_room(p->c, &p->logits, row * m->vocab, why) ||
        llm_buffer_room(p->c, &p->scratch, row * m->vocab, why) || llm_buffer_room(p->c, &p->ids, row, why))
        return -1;
    if (norm(p, n, p->weights->final_norm.mem, rows_at, p->picked.mem, why)) return -1;
    if (llm_gemm_multiply(p->gemm, output, p->picked.mem, p->logits.mem, n, 0, why)) return -1;
    return LAUNCH(p, kernel, n, why, LLM_ARG(p->logits.mem), LLM_ARG(m->vocab), LLM_ARG(p->input.device.mem),
                  LLM_ARG(p->input.picks_at), LLM_ARG(p->scratch.mem), LLM_ARG(p->ids.mem),
                  {p->c->group * sizeof(float), NULL});
}

int llm_pass_run(llm_pass *p, clkv_batch *batch, const uint32_t *tokens, uint32_t n_tokens, const llm_pick *picks,
                 uint32_t n_picks, char *why)
{
    const llm_model *m = p->model;
    const int fewer = n_picks < n_tokens;
    if (llm_input_send(&p->input, p->c, batch, tokens, n_tokens, picks, n_picks, why)) return -1;
    if (begin(p, n_tokens, why)) return -1;
    for (uint32_t i = 0; i < m->n_layers; i++) {
        const llm_layer_weights *w = &p->weights->layers[i];
        const int last = i + 1 == m->n_layers;
        uint32_t rows = n_tokens;
        cl_mem o = p->o.mem;
        if (norm(p, n_tokens, w->attn_norm.mem, ALL_ROWS, p->normed.mem, why)) return -1;
        if (llm_gemm_multiply(p->gemm, &w->qkv, p->normed.mem, p->qkv.mem, n_tokens, 0, why)) return -1;
        if (heads(p, w, n_tokens, why) || append(p, batch, i, why)) return -1;
        if (last && n_picks == 0) return 0; /* nothing is read any more but the cache */
        if (attend(p, batch, i, why)) return -1;
        if (last && fewer) {
            if (pick_rows(p, p->x.mem, m->dim, n_picks, p->normed.mem, why)) return -1;
            if (pick_rows(p, o, m->heads * m->head_dim_v, n_picks, p->q.mem, why)) return -1;
            const llm_buffer x = p->x;
            p->x = p->normed;
            p->normed = x;
            o = p->q.mem;
            rows = n_picks;
        }
        if (llm_gemm_multiply(p->gemm, &w->out, o, p->x.mem, rows, 1, why)) return -1;
        if (feed_forward(p, w, rows, why)) return -1;
    }
    return sample(p, picks, n_picks, fewer ? ALL_ROWS : p->input.rows_at, why);
}
