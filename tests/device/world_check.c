/* world_check.c: what a pass computed, against the oracle; what the cache holds, against the host.
 * SPDX-License-Identifier: Apache-2.0 */
#include "content.h"
#include "oracle.h"
#include "world.h"
#include "warm_up.h"

#include <clkv/ref.h>

#include <math.h>

/* Queries are checked until they have cost this many multiplications; then first, last and some between. */
#define ORACLE_BUDGET 4e7

static char text[240];

static void *allocate(size_t bytes)
{
    void *p = calloc(1, bytes ? bytes : 1);
    ck_assert_ptr_nonnull(p);
    return p;
}

static uint32_t seen_by(const test_case *c, const case_entry *e, uint32_t query)
{
    return c->non_causal ? e->total : e->total - e->new_tokens + query + 1;
}

static void run_oracle(const world *w, uint32_t i, uint32_t query, uint32_t head, oracle_arithmetic how,
                       double *work, oracle_row *row)
{
    const test_case *c = w->c;
    const uint32_t kv_head = head / (c->heads / c->kv_heads);
    const oracle_shape shape = {c->head_dim, c->head_dim_v, (size_t)c->kv_heads * c->head_dim,
                                (size_t)c->kv_heads * c->head_dim_v, w->scale};
    how.random = c->scores == SCORES_RANDOM;
    oracle_compute(row, &shape, &how, w->q[i] + ((size_t)query * c->heads + head) * c->head_dim,
                   w->k[i] + (size_t)kv_head * c->head_dim, w->v[i] + (size_t)kv_head * c->head_dim_v,
                   seen_by(c, &c->entries[i], query), work);
}

/* One row, by whom it was computed; lse may be NULL. */
static const char *check_row(const char *whose, const oracle_row *row, const float *o, const float *lse,
                             uint32_t dims, int f16, double *share)
{
    for (uint32_t d = 0; d < dims; d++) {
        if (oracle_accepts(o[d], row->o[d], row->o_bound[d], f16, share)) continue;
        snprintf(text, sizeof text, "%s: o[%u] is %.9g, not %.9g ± %.3g", whose, d, (double)o[d], row->o[d],
                 row->o_bound[d]);
        return text;
    }
    if (!lse || oracle_accepts(*lse, row->lse, row->lse_bound, 0, share)) return NULL;
    snprintf(text, sizeof text, "%s: lse is %.9g, not %.9g ± %.3g", whose, (double)*lse, row->lse, row->lse_bound);
    return text;
}

static const char *check_entry(const world *w, uint32_t i, double *share)
{
    const test_case *c = w->c;
    const case_entry *e = &c->entries[i];
    const double cost = (double)e->total * c->heads * (c->head_dim + c->head_dim_v);
    const uint32_t n = e->new_tokens, all = (uint32_t)(ORACLE_BUDGET / cost) + 3, checked = all < n ? all : n;
    oracle_arithmetic how = oracle_kernels;
    double *work = allocate(4 * sizeof(double) * e->total);
    const char *wrong = NULL;
    for (uint32_t j = 0; j < checked && !wrong; j++) {
        const uint32_t query = checked == 1 ? n - 1 : (uint32_t)((uint64_t)j * (n - 1) / (checked - 1));
        for (uint32_t h = 0; h < c->heads && !wrong; h++) {
            const size_t at = (size_t)query * c->heads + h;
            char whose[60];
            oracle_row row;
            snprintf(whose, sizeof whose, "entry %u query %u head %u", i, query, h);
            how.parts = w->chunk ? (seen_by(c, e, query) + w->chunk - 1) / w->chunk : 1;
            run_oracle(w, i, query, h, how, work, &row);
            wrong = check_row(whose, &row, w->o[i] + at * c->head_dim_v, w->lse[i] ? w->lse[i] + at : NULL,
                              c->head_dim_v, c->out_f16, share);
        }
    }
    free(work);
    return wrong;
}

const char *world_check(const world *w, double *share)
{
    /* Else bounds may be as wide as the values lie apart, or all that is left of them is fp16's rounding. */
    if (w->c->scores != SCORES_RANDOM || w->c->scale != 0.0f || w->c->out_f16) share = NULL;
    for (uint32_t j = 0; j < w->n_batch; j++) {
        const char *wrong = check_entry(w, w->batch_of[j], share);
        if (wrong) return wrong;
    }
    return NULL;
}

/* One query of an entry by a twin; in float64 only the result is rounded. */
static const char *check_twin(const world *w, uint32_t i, uint32_t query, int use_float32, double *share)
{
    const test_case *c = w->c;
    const case_entry *e = &c->entries[i];
    clkv_ref_attention_params params = CLKV_PARAMS_INIT(clkv_ref_attention_params);
    params.q_len = e->new_tokens;
    params.kv_len = e->total;
    params.heads = c->heads;
    params.kv_heads = c->kv_heads;
    params.head_dim = c->head_dim;
    params.head_dim_v = c->head_dim_v;
    params.scale = w->scale;
    params.causal = !c->non_causal;
    params.q = w->q[i];
    params.k = w->k[i];
    params.v = w->v[i];
    params.o = allocate((size_t)e->new_tokens * c->heads * c->head_dim_v * sizeof(float));
    params.lse = allocate((size_t)e->new_tokens * c->heads * sizeof(float));
    params.row_first = query;
    params.row_count = 1;
    params.use_float32 = use_float32;
    ck_ok(clkv_ref_attention(&params));
    double *work = allocate(4 * sizeof(double) * e->total);
    const char *wrong = NULL;
    for (uint32_t h = 0; h < c->heads && !wrong; h++) {
        const size_t at = (size_t)query * c->heads + h;
        const float *o = params.o + at * c->head_dim_v;
        char whose[80];
        oracle_row row;
        snprintf(whose, sizeof whose, "twin in float%d, entry %u query %u head %u", use_float32 ? 32 : 64, i, query,
                 h);
        run_oracle(w, i, query, h, use_float32 ? oracle_twin : oracle_rounding, work, &row);
        wrong = check_row(whose, &row, o, &params.lse[at], c->head_dim_v, 0, use_float32 ? share : NULL);
    }
    free(work);
    free(params.o);
    free(params.lse);
    return wrong;
}

const char *world_check_twins(const world *w, double *share)
{
    if (w->c->scores != SCORES_RANDOM || w->c->scale != 0.0f) share = NULL;
    for (uint32_t j = 0; j < w->n_batch; j++) {
        const uint32_t i = w->batch_of[j], query = w->c->seed % w->c->entries[i].new_tokens;
        for (int use_float32 = 0; use_float32 < 2; use_float32++) {
            const char *wrong = check_twin(w, i, query, use_float32, share);
            if (wrong) return wrong;
        }
    }
    return NULL;
}

/* n elements: the bits are those of the host's number in the type, or both are NaN. */
static const char *check_bits(const char *what, const void *got, const float *expected, size_t n, int f16)
{
    for (size_t j = 0; j < n; j++) {
        uint32_t a = 0, b = 0;
        const float x = f16 ? clkv_ref_float(((const uint16_t *)got)[j]) : ((const float *)got)[j];
        const float y = content_round(expected[j], f16);
        memcpy(&a, &x, sizeof a);
        memcpy(&b, &y, sizeof b);
        if (a == b || (isnan(x) && isnan(y))) continue;
        snprintf(text, sizeof text, "gathered %s[%zu] is %.9g (%08x), not %.9g (%08x)", what, j, (double)x, a,
                 (double)y, b);
        return text;
    }
    return NULL;
}

/* One of the two tensors of a gather, behind an offset. */
typedef struct gathered {
    cl_mem mem;
    size_t offset, n, each;
} gathered;

static gathered make_gathered(const world *w, int wanted, size_t offset, size_t n, int f16)
{
    gathered g = {NULL, offset, n, f16 ? 2 : 4};
    if (!wanted) return g;
    g.mem = clCreateBuffer(clkv_device_context(clkv_cache_device(w->cache)), 0, (offset + n) * g.each, NULL, NULL);
    ck_assert_ptr_nonnull(g.mem);
    return g;
}

static const char *check_gathered(const world *w, const char *what, gathered *g, const float *expected)
{
    if (!g->mem) return NULL;
    void *host = allocate(g->n * g->each);
    ck_assert_int_eq(clEnqueueReadBuffer(clkv_device_queue(clkv_cache_device(w->cache)), g->mem, CL_TRUE,
                                         g->offset * g->each, g->n * g->each, host, 0, NULL, NULL),
                     CL_SUCCESS);
    clReleaseMemObject(g->mem);
    const char *wrong = check_bits(what, host, expected, g->n, g->each == 2);
    free(host);
    return wrong;
}

const char *world_check_blocks(const world *w, uint32_t entry, uint32_t first, uint32_t n, int f16, uint32_t want)
{
    const test_case *c = w->c;
    const size_t per_k = (size_t)c->kv_heads * c->head_dim, per_v = (size_t)c->kv_heads * c->head_dim_v;
    gathered k = make_gathered(w, want & 1, 3, n * per_k, f16), v = make_gathered(w, want & 2, 5, n * per_v, f16);
    clkv_gather_params params = CLKV_PARAMS_INIT(clkv_gather_params);
    params.layer = c->layer;
    params.first = first;
    params.count = n;
    params.k.type = params.v.type = f16 ? CLKV_F16 : CLKV_F32;
    params.k.mem = k.mem;
    params.v.mem = v.mem;
    params.k.offset = k.offset;
    params.v.offset = v.offset;
    warm_up_for(w->cache, CLKV_OP_GATHER, 0, type_bit(f16));
    ck_ok(clkv_gather(w->cache, w->sequences[entry], &params, 0, NULL, NULL));
    const char *wrong_k = check_gathered(w, "k", &k, w->k[entry] + first * per_k);
    const char *wrong_v = check_gathered(w, "v", &v, w->v[entry] + first * per_v);
    return wrong_k ? wrong_k : wrong_v;
}
