/* test_gemm.c: projections on the device against sums in float64, over shapes that fill strips, tiles and blocks
 * of columns, and shapes that do not, with both types of weights; and that a token's result does not depend on
 * which other tokens there are. SPDX-License-Identifier: Apache-2.0 */
#include "devices.h"
#include "../random.h"
#include "gemm.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_TOKENS 60u
#define MARK        12345.0f /* behind the last row of y: must stay */

static char why[WHY_BYTES];
static const struct way {
    const char *variant;
    int half, row_major;
    llm_gemm_way way;
} ways[] = {
    {"cpu", 1, 0, LLM_GEMM_OWN},      {"cpu", 0, 0, LLM_GEMM_OWN},      {"portable", 1, 0, LLM_GEMM_OWN},
    {"portable", 0, 0, LLM_GEMM_OWN}, {"cpu", 1, 1, LLM_GEMM_CLBLAST},
    {"cpu", 0, 1, LLM_GEMM_CLBLAST},
};
static const struct shape {
    uint32_t rows, cols;
} shapes[] = {{1, 1}, {31, 5}, {32, 16}, {33, 512}, {64, 513}, {95, 1100}, {200, 64}};
static const uint32_t tokens[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 24, 29, MOST_TOKENS};

#define ck_ok(call) ck_assert_msg((call) == 0, "%s: %s", #call, why)

/* A model that is one matrix, its weights exact in either type. */
typedef struct fixture {
    llm_compute compute;
    llm_weights weights;
    llm_gemm gemm;
    llm_buffer x, y;
    uint32_t rows, cols;
    float *w, *in, *before, *out, *alone;
} fixture;

static float *numbers(random_state *r, size_t n)
{
    float *all = malloc(n * sizeof *all);
    for (size_t i = 0; i < n; i++) all[i] = (float)(int)(random_signed(r) * 100) / 64;
    return all;
}

static void set_up(fixture *f, const struct shape *s)
{
    random_state r = random_seed(s->rows * 1000 + s->cols);
    const size_t y = (size_t)MOST_TOKENS * s->rows;
    f->rows = s->rows;
    f->cols = s->cols;
    f->w = numbers(&r, (size_t)s->rows * s->cols);
    f->in = numbers(&r, (size_t)MOST_TOKENS * s->cols);
    f->before = numbers(&r, y + 1);
    f->before[y] = MARK;
    f->out = malloc((y + 1) * sizeof(float));
    f->alone = malloc((y + 1) * sizeof(float));
    llm_model model = {.embedding = {LLM_F32, s->rows, s->cols, f->w}, .final_norm = {LLM_F32, 1, s->cols, f->w}};
    ck_ok(llm_weights_upload(&f->weights, &f->compute, &model, why));
    ck_ok(llm_buffer_create(&f->compute, &f->x, (size_t)MOST_TOKENS * s->cols * sizeof(float), why));
    ck_ok(llm_buffer_create(&f->compute, &f->y, (y + 1) * sizeof(float), why));
}

static void tear_down(fixture *f)
{
    llm_buffer_free(&f->x);
    llm_buffer_free(&f->y);
    llm_weights_free(&f->weights);
    free(f->w);
    free(f->in);
    free(f->before);
    free(f->out);
    free(f->alone);
}

/* The product for n tokens from token `first` on; y is given with what was in it before. */
static void multiply(fixture *f, uint32_t first, uint32_t n, int add, float *out)
{
    cl_command_queue q = f->compute.queue;
    const float nan = NAN;
    const size_t all = ((size_t)MOST_TOKENS * f->rows + 1) * sizeof(float);
    ck_assert_int_eq(clEnqueueWriteBuffer(q, f->x.mem, CL_TRUE, 0, (size_t)n * f->cols * sizeof(float),
                                          f->in + (size_t)first * f->cols, 0, NULL, NULL), CL_SUCCESS);
    ck_assert_int_eq(clEnqueueWriteBuffer(q, f->y.mem, CL_TRUE, 0, all, f->before, 0, NULL, NULL), CL_SUCCESS);
    if (!add) /* what was there is not read */
        ck_assert_int_eq(clEnqueueFillBuffer(q, f->y.mem, &nan, sizeof nan, 0, (size_t)n * f->rows * sizeof nan, 0,
                                             NULL, NULL), CL_SUCCESS);
    ck_ok(llm_gemm_multiply(&f->gemm, &f->weights.embedding, f->x.mem, f->y.mem, n, add, why));
    ck_assert_int_eq(clEnqueueReadBuffer(q, f->y.mem, CL_TRUE, 0, all, out, 0, NULL, NULL), CL_SUCCESS);
}

static void check(const fixture *f, uint32_t n, int add)
{
    for (uint32_t t = 0; t < n; t++)
        for (uint32_t r = 0; r < f->rows; r++) {
            const size_t at = (size_t)t * f->rows + r;
            double sum = add ? (double)f->before[at] : 0, size = fabs(sum);
            for (uint32_t k = 0; k < f->cols; k++) {
                const double p = (double)f->w[(size_t)r * f->cols + k] * (double)f->in[(size_t)t * f->cols + k];
                sum += p;
                size += fabs(p);
            }
            ck_assert_msg(fabs((double)f->out[at] - sum) <= 1e-6 * size + 1e-30,
                          "%u by %u, token %u of %u, row %u: %.9g instead of %.9g", (unsigned)f->rows,
                          (unsigned)f->cols, (unsigned)t, (unsigned)n, (unsigned)r, (double)f->out[at], sum);
        }
    for (size_t at = (size_t)n * f->rows; at <= (size_t)MOST_TOKENS * f->rows; at++)
        ck_assert_msg(memcmp(&f->out[at], &f->before[at], sizeof(float)) == 0, "written behind %u tokens",
                      (unsigned)n);
}

START_TEST(products_are_right)
{
    const struct way *way = &ways[_i];
    const llm_compute_params params = {
        .variant = way->variant, .half_weights = way->half, .row_major = way->row_major};
    fixture f = {0};
    int code;
    ck_ok(llm_compute_open(&f.compute, &params, why, &code));
    llm_gemm_init(&f.gemm, &f.compute, way->way);
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        set_up(&f, &shapes[s]);
        for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
            const int add = (int)(i + s) % 2;
            multiply(&f, 0, tokens[i], add, f.out);
            check(&f, tokens[i], add);
        }
        tear_down(&f);
    }
    llm_gemm_free(&f.gemm);
    llm_compute_close(&f.compute);
}
END_TEST

/* On the CPU tier there is one kernel, so that holds to the bit. */
START_TEST(company_changes_nothing)
{
    const llm_compute_params params = {.variant = "cpu", .half_weights = 1};
    const struct shape shape = {70, 1100};
    fixture f = {0};
    int code;
    ck_ok(llm_compute_open(&f.compute, &params, why, &code));
    llm_gemm_init(&f.gemm, &f.compute, LLM_GEMM_OWN);
    set_up(&f, &shape);
    multiply(&f, 0, MOST_TOKENS, 0, f.out);
    for (uint32_t t = 0; t < MOST_TOKENS; t++) {
        multiply(&f, t, 1, 0, f.alone);
        ck_assert_mem_eq(f.alone, f.out + (size_t)t * f.rows, f.rows * sizeof(float));
    }
    tear_down(&f);
    llm_gemm_free(&f.gemm);
    llm_compute_close(&f.compute);
}
END_TEST

int main(void)
{
    const int nothing = without_device();
    if (nothing >= 0) return nothing;
    TCase *c = tcase_create("gemm");
    tcase_add_loop_test(c, products_are_right, 0, sizeof ways / sizeof *ways);
    tcase_add_test(c, company_changes_nothing);
    return run_on_device("gemm", c);
}
