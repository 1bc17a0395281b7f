/* test_strides.c: tensors whose tokens lie apart: the fused output of one projection, [token][q, k, v, room for o], gives
 * to the bit what packed copies of its parts give; and nothing is written between the tokens of an output.
 * SPDX-License-Identifier: Apache-2.0 */
#include "targets.h"
#include "warm_up.h"

#include <clkv/clkv.h>

#include <math.h>

enum { HEADS = 4, KV_HEADS = 2, DIM = 16, DIM_V = 24, BLOCK = 4, HISTORY = 40, NEW = 7, TOKENS = HISTORY + NEW,
       Q_ROW = HEADS * DIM, K_ROW = KV_HEADS * DIM, V_ROW = KV_HEADS * DIM_V, O_ROW = HEADS * DIM_V,
       GAP = 3, FUSED = Q_ROW + K_ROW + V_ROW + O_ROW + GAP, K_AT = Q_ROW, V_AT = K_AT + K_ROW, O_AT = V_AT + V_ROW,
       LSE_STRIDE = HEADS + 2, BEFORE = 5 };

static target targets[MAX_TARGETS];
static size_t n_targets;

/* One cache that has seen the tokens, and what came of it. */
typedef struct run {
    clkv_device *device;
    clkv_cache *cache;
    clkv_batch *batch;
    clkv_sequence *sequence;
    clkv_type type;
    float o[NEW * O_ROW], lse[NEW * HEADS], k[TOKENS * K_ROW], v[TOKENS * V_ROW];
} run;

static float rows[TOKENS][FUSED]; /* all that is projected; NaN where nothing is read */

static void make_rows(void)
{
    uint32_t state = 1;
    for (int t = 0; t < TOKENS; t++) {
        for (int i = 0; i < FUSED; i++) {
            state = state * 1664525u + 1013904223u;
            rows[t][i] = i < O_AT ? (float)(state >> 20) / 1024.0f - 2.0f : NAN;
        }
    }
}

/* A buffer of n elements of the run's type after BEFORE others. */
static cl_mem make_buffer(const run *r, const float *from, size_t n)
{
    const size_t each = r->type == CLKV_F16 ? 2 : 4;
    void *host = malloc((BEFORE + n) * each);
    ck_assert_ptr_nonnull(host);
    for (size_t i = 0; i < BEFORE + n; i++) {
        const float x = i < BEFORE || !from ? NAN : from[i - BEFORE];
        if (r->type == CLKV_F16) ((uint16_t *)host)[i] = clkv_ref_half(x);
        else ((float *)host)[i] = x;
    }
    cl_int err = CL_SUCCESS;
    cl_mem mem = clCreateBuffer(clkv_device_context(r->device), CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR,
                                (BEFORE + n) * each, host, &err);
    ck_assert_int_eq(err, CL_SUCCESS);
    free(host);
    return mem;
}

/* The elements [at, at + row) of n tokens, stride apart; the rest of what lies between them must still be NaN where
 * it is `ours` alone. */
static void read_rows(const run *r, cl_mem mem, clkv_type type, size_t n, size_t stride, size_t at, size_t row,
                      int ours, float *out)
{
    const size_t each = type == CLKV_F16 ? 2 : 4, all = BEFORE + n * stride;
    void *host = malloc(all * each);
    ck_assert_ptr_nonnull(host);
    ck_assert_int_eq(clEnqueueReadBuffer(clkv_device_queue(r->device), mem, CL_TRUE, 0, all * each, host, 0, NULL,
                                         NULL),
                     CL_SUCCESS);
    for (size_t i = 0; i < all; i++) {
        const float x = type == CLKV_F16 ? clkv_ref_float(((uint16_t *)host)[i]) : ((float *)host)[i];
        const size_t token = i < BEFORE ? n : (i - BEFORE) / stride, in_row = i < BEFORE ? 0 : (i - BEFORE) % stride;
        if (token < n && in_row >= at && in_row < at + row) out[token * row + in_row - at] = x;
        else if (ours) ck_assert_msg(isnan(x), "element %zu, which is not of the tensor, was written", i);
    }
    free(host);
}

static void begin(run *r, clkv_device *device, clkv_type type)
{
    memset(r, 0, sizeof *r);
    r->device = device;
    r->type = type;
    clkv_cache_params params = CLKV_PARAMS_INIT(clkv_cache_params);
    params.layers = 1;
    params.heads = HEADS;
    params.kv_heads = KV_HEADS;
    params.head_dim = DIM;
    params.head_dim_v = DIM_V;
    params.block_size = BLOCK;
    params.blocks = 16;
    ck_ok(clkv_cache_create(&r->cache, device, &params));
    warm_up_for(r->cache, 0, type_bit(type == CLKV_F16), type_bit(type == CLKV_F16));
    const clkv_sequence_params seq = CLKV_PARAMS_INIT(clkv_sequence_params);
    ck_ok(clkv_sequence_create(&r->sequence, clkv_cache_manager(r->cache), &seq, NULL));
    ck_ok(clkv_batch_create(&r->batch, clkv_cache_manager(r->cache)));
}

static void end(run *r)
{
    clkv_batch_destroy(&r->batch);
    clkv_sequence_destroy(&r->sequence);
    clkv_cache_destroy(&r->cache);
}

static void reserve(run *r, uint32_t n, uint32_t parts)
{
    static const uint32_t tokens[TOKENS];
    const clkv_upload_params params = {.size = sizeof params, .parts = parts};
    ck_ok(clkv_batch_clear(r->batch));
    ck_ok(clkv_batch_add(r->batch, r->sequence, tokens, n, NULL));
    ck_ok(clkv_batch_reserve(r->batch));
    ck_ok(clkv_cache_upload(r->cache, r->batch, &params, 0, NULL, NULL));
}

/* Tokens [from, from + n): one buffer for everything. With attention the outputs go into it too. */
static void pass_fused(run *r, uint32_t from, uint32_t n, int attend)
{
    cl_mem mem = make_buffer(r, rows[from], (size_t)n * FUSED);
    const clkv_tensor fused = {.mem = mem, .type = r->type, .offset = BEFORE, .stride = FUSED, .tokens = n};
    clkv_append_params a = {.size = sizeof a, .k = fused, .v = fused};
    a.k.offset += K_AT;
    a.v.offset += V_AT;
    ck_ok(clkv_append(r->cache, r->batch, &a, 0, NULL, NULL));
    if (attend) {
        cl_int err = CL_SUCCESS;
        float nothing[BEFORE + NEW * LSE_STRIDE];
        for (int i = 0; i < BEFORE + NEW * LSE_STRIDE; i++) nothing[i] = NAN;
        cl_mem lse = clCreateBuffer(clkv_device_context(r->device), CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR,
                                    sizeof nothing, nothing, &err);
        ck_assert_int_eq(err, CL_SUCCESS);
        clkv_attention_params p = {.size = sizeof p, .q = fused, .o = fused};
        p.o.offset += O_AT;
        p.lse = (clkv_tensor){.mem = lse, .offset = BEFORE, .stride = LSE_STRIDE};
        ck_ok(clkv_attention(r->cache, r->batch, &p, 0, NULL, NULL));
        read_rows(r, mem, r->type, n, FUSED, O_AT, O_ROW, 0, r->o);
        read_rows(r, lse, CLKV_F32, n, LSE_STRIDE, 0, HEADS, 1, r->lse);
        float gap[NEW * GAP];
        read_rows(r, mem, r->type, n, FUSED, O_AT + O_ROW, GAP, 0, gap);
        for (uint32_t i = 0; i < n * GAP; i++) ck_assert(isnan(gap[i]));
        clReleaseMemObject(lse);
    }
    clReleaseMemObject(mem);
}

/* The same of packed copies of its parts. */
static cl_mem make_part(const run *r, uint32_t from, uint32_t n, size_t at, size_t row)
{
    float *part = malloc(n * row * sizeof *part);
    ck_assert_ptr_nonnull(part);
    for (uint32_t t = 0; t < n; t++) memcpy(part + t * row, rows[from + t] + at, row * sizeof *part);
    cl_mem mem = make_buffer(r, part, n * row);
    free(part);
    return mem;
}

static void pass_packed(run *r, uint32_t from, uint32_t n, int attend)
{
    cl_mem k = make_part(r, from, n, K_AT, K_ROW), v = make_part(r, from, n, V_AT, V_ROW);
    const clkv_append_params a = {.size = sizeof a,
                                  .k = {.mem = k, .type = r->type, .offset = BEFORE},
                                  .v = {.mem = v, .type = r->type, .offset = BEFORE}};
    ck_ok(clkv_append(r->cache, r->batch, &a, 0, NULL, NULL));
    if (attend) {
        cl_int err = CL_SUCCESS;
        cl_mem q = make_part(r, from, n, 0, Q_ROW), o = make_buffer(r, NULL, (size_t)n * O_ROW);
        cl_mem lse = clCreateBuffer(clkv_device_context(r->device), CL_MEM_READ_WRITE,
                                    (BEFORE + NEW * HEADS) * sizeof(float), NULL, &err);
        ck_assert_int_eq(err, CL_SUCCESS);
        const clkv_attention_params p = {.size = sizeof p,
                                         .q = {.mem = q, .type = r->type, .offset = BEFORE},
                                         .o = {.mem = o, .type = r->type, .offset = BEFORE},
                                         .lse = {.mem = lse, .offset = BEFORE}};
        ck_ok(clkv_attention(r->cache, r->batch, &p, 0, NULL, NULL));
        read_rows(r, o, r->type, n, O_ROW, 0, O_ROW, 1, r->o);
        read_rows(r, lse, CLKV_F32, n, HEADS, 0, HEADS, 0, r->lse);
        clReleaseMemObject(q);
        clReleaseMemObject(o);
        clReleaseMemObject(lse);
    }
    clReleaseMemObject(k);
    clReleaseMemObject(v);
}

/* K and V of all tokens, token by token behind each other in one buffer, or each in its own. */
static void gather(run *r, int fused)
{
    enum { STRIDE = K_ROW + V_ROW + GAP };
    cl_mem both = make_buffer(r, NULL, (size_t)TOKENS * STRIDE), own = make_buffer(r, NULL, (size_t)TOKENS * V_ROW);
    clkv_gather_params p = {.size = sizeof p};
    p.k = (clkv_tensor){.mem = both, .type = r->type, .offset = BEFORE, .stride = fused ? STRIDE : 0};
    p.v = p.k;
    if (fused) p.v.offset += K_ROW;
    else p.v.mem = own;
    ck_ok(clkv_gather(r->cache, r->sequence, &p, 0, NULL, NULL));
    if (fused) {
        float gap[TOKENS * GAP];
        read_rows(r, both, r->type, TOKENS, STRIDE, 0, K_ROW, 0, r->k);
        read_rows(r, both, r->type, TOKENS, STRIDE, K_ROW, V_ROW, 0, r->v);
        read_rows(r, both, r->type, TOKENS, STRIDE, K_ROW + V_ROW, GAP, 0, gap);
        for (int i = 0; i < TOKENS * GAP; i++) ck_assert(isnan(gap[i]));
    } else {
        read_rows(r, both, r->type, TOKENS, K_ROW, 0, K_ROW, 0, r->k);
        read_rows(r, own, r->type, TOKENS, V_ROW, 0, V_ROW, 1, r->v);
    }
    clReleaseMemObject(both);
    clReleaseMemObject(own);
}

/* parts > 1: outputs come from the merge, else from the attention kernel itself. */
static void compare(clkv_device *device, clkv_type type, uint32_t parts)
{
    static run fused, packed;
    make_rows();
    begin(&fused, device, type);
    begin(&packed, device, type);
    for (int new_ones = 0; new_ones < 2; new_ones++) {
        const uint32_t from = new_ones ? HISTORY : 0, n = new_ones ? NEW : HISTORY;
        reserve(&fused, n, parts);
        reserve(&packed, n, parts);
        pass_fused(&fused, from, n, new_ones);
        pass_packed(&packed, from, n, new_ones);
        ck_ok(clkv_batch_commit(fused.batch));
        ck_ok(clkv_batch_commit(packed.batch));
    }
    gather(&fused, 1);
    gather(&packed, 0);
    for (int i = 0; i < NEW * O_ROW; i++) ck_assert(isfinite(fused.o[i]));
    for (int i = 0; i < NEW * HEADS; i++) ck_assert(isfinite(fused.lse[i]));
    ck_assert_mem_eq(fused.o, packed.o, sizeof fused.o);
    ck_assert_mem_eq(fused.lse, packed.lse, sizeof fused.lse);
    ck_assert_mem_eq(fused.k, packed.k, sizeof fused.k);
    ck_assert_mem_eq(fused.v, packed.v, sizeof fused.v);
    for (int t = 0; t < TOKENS; t++) /* fp16 holds these exactly */
        ck_assert_mem_eq(fused.v + t * V_ROW, rows[t] + V_AT, V_ROW * sizeof(float));
    end(&fused);
    end(&packed);
}

START_TEST(fused_projections)
{
    compare(targets[_i / 2].device, _i % 2 ? CLKV_F16 : CLKV_F32, 1);
    compare(targets[_i / 2].device, _i % 2 ? CLKV_F16 : CLKV_F32, 4);
}
END_TEST

int main(void)
{
    const int nothing = without_device();
    if (nothing >= 0) return nothing;
    n_targets = open_targets(targets);
    if (!n_targets) return EXIT_FAILURE;
    for (size_t i = 0; i < n_targets; i++) printf("on %s\n", targets[i].name);
    Suite *suite = suite_create("strides");
    TCase *tests = tcase_create("strides");
    tcase_set_timeout(tests, 0);
    tcase_add_loop_test(tests, fused_projections, 0, (int)(2 * n_targets));
    suite_add_tcase(suite, tests);
    const int status = run_suite(suite);
    close_targets(targets, n_targets);
    return status;
}
