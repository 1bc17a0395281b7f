/* test_make_random.c: models with random weights. SPDX-License-Identifier: Apache-2.0 */
#include "files.h"
#include "make_random.h"

#include <math.h>
#include <sys/stat.h>

static char path[64];

static void setup(void)
{
    temporary_path(path);
}

static void teardown(void)
{
    remove(path);
}

static llm_model *made(llm_type type, uint64_t seed)
{
    llm_model *m;
    char why[WHY_BYTES];
    if (llm_make_random(path, "1M", type, seed, why)) ck_abort_msg("%s", why);
    if (llm_model_open(&m, path, NULL, why)) ck_abort_msg("%s", why);
    ck_valid(llm_model_check(m));
    return m;
}

/* Mean square of a matrix times its row length: 1 when activations keep their size. */
static double gain(const llm_tensor *t)
{
    double sum = 0;
    float row[1024];
    ck_assert_uint_le(t->cols, 1024);
    for (uint64_t i = 0; i < t->rows; i++) {
        llm_tensor_row(t, i, row);
        for (uint64_t j = 0; j < t->cols; j++) sum += (double)row[j] * row[j];
    }
    return sum / (double)t->rows;
}

START_TEST(weights)
{
    llm_model *m = made(_i ? LLM_Q8_0 : LLM_F16, 1);
    ck_assert_uint_eq(m->n_layers, 4);
    ck_assert_int_eq((int)m->embedding.type, (int)(_i ? LLM_Q8_0 : LLM_F16));
    ck_assert_double_eq_tol(gain(&m->embedding), 1, 0.02);
    ck_assert_double_eq_tol(gain(&m->layers[3].wv), 1, 0.05);
    ck_assert_double_eq_tol(gain(&m->layers[0].w_down), 1, 0.05);
    float row[128];
    llm_tensor_row(&m->layers[2].ffn_norm, 0, row);
    ck_assert_float_eq(row[127], 1);
    llm_model_close(&m);
}
END_TEST

START_TEST(vocabulary)
{
    llm_model *m = made(LLM_F16, 1);
    const llm_tokenizer_data *tok = &m->tok;
    ck_assert_uint_eq(tok->n, 1024);
    ck_assert_str_eq(tok->pieces[3 + 'A'], "<0x41>");
    ck_assert_int_eq(tok->types[3 + 255], LLM_PIECE_BYTE);
    ck_assert_int_eq(tok->types[259], LLM_PIECE_NORMAL);
    for (uint32_t i = 0; i < tok->n; i++)
        for (uint32_t j = 0; j < i; j++) must(strcmp(tok->pieces[i], tok->pieces[j]));
    llm_model_close(&m);
}
END_TEST

START_TEST(seeds)
{
    float first[128], same[128], other[128];
    float *const rows[] = {first, same, other};
    for (int i = 0; i < 3; i++) {
        llm_model *m = made(LLM_F16, i < 2 ? 7 : 8);
        llm_tensor_row(&m->layers[3].w_up, 11, rows[i]);
        llm_model_close(&m);
    }
    ck_assert(!memcmp(first, same, sizeof first));
    ck_assert(memcmp(first, other, sizeof first));
}
END_TEST

START_TEST(refused)
{
    char why[WHY_BYTES], part[80];
    ck_assert_int_eq(llm_make_random(path, "7B", LLM_F16, 1, why), -1);
    ck_assert(strstr(why, "7B is no shape") && strstr(why, llm_random_shapes()));
    ck_assert_int_eq(llm_make_random(path, "1M", LLM_Q6_K, 1, why), -1);
    ck_assert(strstr(why, "not Q6_K"));
    ck_assert_int_eq(llm_make_random("/nowhere/x.gguf", "1M", LLM_F16, 1, why), -1);
    ck_assert(strstr(why, "/nowhere/x.gguf.part: No such file"));
    ck_assert_int_eq(llm_make_random("/tmp", "1M", LLM_F16, 1, why), -1);
    ck_assert(strstr(why, "/tmp: "));
    snprintf(part, sizeof part, "%s.part", "/tmp");
    ck_assert_int_ne(access(part, F_OK), 0); /* nothing is left */
    struct stat pipe;
    must(!remove(path) && !mkfifo(path, 0600));
    ck_assert_int_eq(llm_make_random(path, "1M", LLM_F16, 1, why), -1);
    ck_assert(strstr(why, "not an ordinary file"));
    ck_assert_int_eq(lstat(path, &pipe), 0);
    ck_assert(S_ISFIFO(pipe.st_mode)); /* renaming over it would make it a file */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("make_random");
    TCase *tc = tcase_create("files");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, weights, 0, 2);
    tcase_add_test(tc, vocabulary);
    tcase_add_test(tc, seeds);
    tcase_add_test(tc, refused);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
