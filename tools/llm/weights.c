/* weights.c: see weights.h. SPDX-License-Identifier: Apache-2.0 */
#include "weights.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define STAGING_BYTES ((size_t)4 << 20) /* of rows as floats that travel at a time */
#define LD_STEP       16u

/* Where rows wait: decoded on the host, copied to the device, packed there. */
typedef struct staging {
    llm_compute *c;
    float *host;
    llm_buffer device;
    size_t floats;
    char *why;
} staging;

static int send_rows(staging *s, const llm_tensor *t, llm_matrix *m, uint64_t first)
{
    const uint32_t cols = (uint32_t)t->cols;
    uint64_t at_once = s->floats / t->cols;
    if (at_once > s->c->strip) at_once -= at_once % s->c->strip;
    for (uint64_t row = 0; row < t->rows; row += at_once) {
        const uint64_t n = t->rows - row < at_once ? t->rows - row : at_once;
        for (uint64_t i = 0; i < n; i++) llm_tensor_row(t, row + i, s->host + i * t->cols);
        const cl_int err = clEnqueueWriteBuffer(s->c->queue, s->device.mem, CL_TRUE, 0, n * t->cols * sizeof(float),
                                                s->host, 0, NULL, NULL);
        if (err != CL_SUCCESS) return llm_fail_driver(s->why, err, "clEnqueueWriteBuffer of weights");
        const cl_uint at = (cl_uint)(first + row), rows = (cl_uint)n;
        const llm_arg args[] = {LLM_ARG(s->device.mem), LLM_ARG(rows), LLM_ARG(cols),
                                LLM_ARG(m->data.mem),   LLM_ARG(at),   LLM_ARG(m->ld)};
        if (llm_compute_launch(s->c, LLM_KERNEL_PACK, llm_round_up(n, s->c->strip) / s->c->strip, args,
                               sizeof args / sizeof *args, LLM_TIME_OTHER, s->why))
            return -1;
    }
    return 0;
}

/* Stacks the tensors, which all have the same number of columns; absent ones are left out. */
static int send_matrix(staging *s, llm_matrix *m, const llm_tensor *const *tensors, size_t n, llm_weights *w)
{
    uint64_t rows = 0, cols = 0;
    for (size_t i = 0; i < n; i++) {
        rows += tensors[i]->rows;
        cols = tensors[i]->cols;
    }
    if (rows > UINT32_MAX / 2 || cols > s->floats)
        return llm_fail(s->why, "a matrix of %" PRIu64 " by %" PRIu64 " is more than the runtime can address", rows,
                        cols);
    m->rows = (uint32_t)rows;
    m->cols = (uint32_t)cols;
    m->ld = (uint32_t)llm_round_up(m->cols, LD_STEP);
    const size_t bytes = (size_t)llm_round_up(m->rows, s->c->strip) * m->ld * (s->c->half_weights ? sizeof(cl_half) : sizeof(float));
    if (llm_buffer_huge(s->c, &m->data, bytes, s->why)) return -1;
    w->bytes += bytes;
    uint64_t first = 0;
    for (size_t i = 0; i < n; first += tensors[i++]->rows)
        if (send_rows(s, tensors[i], m, first)) return -1;
    return 0;
}

/* The same for vectors, end to end; nothing is made when the first is absent. */
static int send_vector(staging *s, llm_buffer *b, const llm_tensor *const *tensors, size_t n)
{
    if (!tensors[0]->data) return 0;
    size_t floats = 0;
    for (size_t i = 0; i < n; i++) {
        if (floats + tensors[i]->cols > s->floats) return llm_fail(s->why, "a vector is longer than any real one");
        llm_tensor_row(tensors[i], 0, s->host + floats);
        floats += (size_t)tensors[i]->cols;
    }
    if (llm_buffer_create(s->c, b, floats * sizeof(float), s->why)) return -1;
    const cl_int err =
        clEnqueueWriteBuffer(s->c->queue, b->mem, CL_TRUE, 0, floats * sizeof(float), s->host, 0, NULL, NULL);
    return err == CL_SUCCESS ? 0 : llm_fail_driver(s->why, err, "clEnqueueWriteBuffer of weights");
}

#define MATRIX(m, ...)                                                                                             \
    send_matrix(s, (m), (const llm_tensor *const[]){__VA_ARGS__},                                                  \
                sizeof((const llm_tensor *const[]){__VA_ARGS__}) / sizeof(llm_tensor *), w)
#define VECTOR(b, ...)                                                                                             \
    send_vector(s, (b), (const llm_tensor *const[]){__VA_ARGS__},                                                  \
                sizeof((const llm_tensor *const[]){__VA_ARGS__}) / sizeof(llm_tensor *))

static int send_layer(staging *s, llm_weights *w, llm_layer_weights *to, const llm_layer *from)
{
    return MATRIX(&to->qkv, &from->wq, &from->wk, &from->wv) || MATRIX(&to->out, &from->wo) ||
           MATRIX(&to->gate_up, &from->w_gate, &from->w_up) || MATRIX(&to->down, &from->w_down) ||
           VECTOR(&to->attn_norm, &from->attn_norm) || VECTOR(&to->ffn_norm, &from->ffn_norm) ||
           VECTOR(&to->bias, &from->bq, &from->bk, &from->bv) || VECTOR(&to->q_norm, &from->q_norm) ||
           VECTOR(&to->k_norm, &from->k_norm);
}

static int send_all(staging *s, llm_weights *w, const llm_model *model)
{
    if (MATRIX(&w->embedding, &model->embedding) || VECTOR(&w->final_norm, &model->final_norm)) return -1;
    if (model->output.data && MATRIX(&w->output, &model->output)) return -1;
    for (uint32_t i = 0; i < model->n_layers; i++)
        if (send_layer(s, w, &w->layers[i], &model->layers[i])) return -1;
    const cl_int err = clFinish(s->c->queue);
    return err == CL_SUCCESS ? 0 : llm_fail_driver(s->why, err, "clFinish after the weights");
}

int llm_weights_upload(llm_weights *w, llm_compute *c, const llm_model *model, char *why)
{
    int result = -1;
    staging s = {.c = c, .floats = STAGING_BYTES / sizeof(float), .why = why};
    w->n_layers = model->n_layers;
    w->layers = calloc(model->n_layers, sizeof *w->layers);
    s.host = malloc(STAGING_BYTES);
    if (!w->layers || !s.host) {
        llm_fail(why, "out of memory for the weights of %u layers", (unsigned)model->n_layers);
        goto end;
    }
    if (llm_buffer_create(c, &s.device, STAGING_BYTES, why) || send_all(&s, w, model)) goto end;
    result = 0;
end:
    if (result) clFinish(c->queue);
    llm_buffer_free(&s.device);
    free(s.host);
    return result;
}

void llm_weights_free(llm_weights *w)
{
    for (uint32_t i = 0; w->layers && i < w->n_layers; i++) {
        llm_layer_weights *l = &w->layers[i];
        llm_buffer *buffers[] = {&l->qkv.data, &l->out.data, &l->gate_up.data, &l->down.data, &l->attn_norm,
                                 &l->ffn_norm, &l->bias,     &l->q_norm,       &l->k_norm};
        for (size_t b = 0; b < sizeof buffers / sizeof *buffers; b++) llm_buffer_free(buffers[b]);
    }
    free(w->layers);
    llm_buffer_free(&w->embedding.data);
    llm_buffer_free(&w->output.data);
    llm_buffer_free(&w->final_norm);
    memset(w, 0, sizeof *w);
}
