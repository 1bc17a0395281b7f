/* test_runtime.c: the device runtime on a real checkpoint (skipped where it is absent): the golden ids token for
 * token, and that they do not change with types, block sizes, variants, ways of multiplying, or company.
 * SPDX-License-Identifier: Apache-2.0 */
#include "devices.h"
#include "model_file.h"
#include "runtime.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_IDS 300

static llm_model *model;
static uint32_t golden[MOST_IDS];
static uint32_t n_golden;
static char why[WHY_BYTES];
static const llm_sampler_params greedy;

#define ck_ok(call) ck_assert_msg((call) == 0, "%s: %s", #call, why)
#define ck_st(call) ck_assert_msg((call) == CLKV_OK, "%s: %s", #call, clkv_last_error()->message)

static llm_runtime *make(const llm_runtime_params *params)
{
    llm_runtime *r;
    int code;
    ck_ok(llm_runtime_create(&r, model, params, why, &code));
    return r;
}

static llm_runtime_params small(void)
{
    return (llm_runtime_params){
        .kv_type = CLKV_F32, .weight_type = CLKV_F32, .blocks = 512, .max_sequences = 8, .max_batch_tokens = 64};
}

/* Feeds `chunk` golden tokens at a time (the model's own next token is checked against the next golden one), for
 * two sequences beside each other, the second one `lag` steps behind. */
static void follow_golden(llm_runtime *r, uint32_t chunk, uint32_t lag)
{
    clkv_manager *manager = clkv_cache_manager(llm_runtime_cache(r));
    clkv_batch *batch;
    clkv_sequence *seq[2];
    uint32_t at[2] = {0, 0}, ids[2 * 64], tokens[2 * 64];
    llm_pick picks[2 * 64];
    ck_st(clkv_batch_create(&batch, manager));
    clkv_sequence_params sp = CLKV_PARAMS_INIT(clkv_sequence_params);
    for (int s = 0; s < 2; s++) ck_st(clkv_sequence_create(&seq[s], manager, &sp, NULL));
    for (uint32_t step = 0; at[1] + 1 < n_golden; step++) {
        uint32_t n = 0, from[2] = {at[0], at[1]};
        ck_st(clkv_batch_clear(batch));
        for (int s = 0; s < 2; s++) {
            if (s == 1 && step < lag) continue;
            uint32_t here = n_golden - 1 - at[s];
            if (here > chunk) here = chunk;
            if (here == 0) continue;
            ck_st(clkv_batch_add(batch, seq[s], golden + at[s], here, NULL));
            for (uint32_t i = 0; i < here; i++, n++) {
                tokens[n] = golden[at[s] + i];
                picks[n] = (llm_pick){.token = n, .how = greedy};
            }
            at[s] += here;
        }
        ck_st(clkv_batch_reserve(batch));
        ck_ok(llm_runtime_step(r, batch, tokens, n, picks, n, why));
        ck_st(clkv_batch_commit(batch));
        ck_ok(llm_runtime_sampled(r, ids, why));
        uint32_t seen = 0;
        for (int s = 0; s < 2; s++)
            for (uint32_t i = from[s]; i < at[s]; i++, seen++)
                ck_assert_msg(ids[seen] == golden[i + 1], "sequence %d, position %u: %u instead of %u", s,
                              (unsigned)i + 1, (unsigned)ids[seen], (unsigned)golden[i + 1]);
        ck_assert_uint_eq(seen, n);
    }
    for (int s = 0; s < 2; s++) clkv_sequence_destroy(&seq[s]);
    clkv_batch_destroy(&batch);
}

static void run(const llm_runtime_params *params, uint32_t chunk, uint32_t lag)
{
    llm_runtime *r = make(params);
    follow_golden(r, chunk, lag);
    llm_runtime_destroy(&r);
    ck_assert_ptr_null(r);
}

START_TEST(decode_gives_the_golden_ids)
{
    llm_runtime_params p = small();
    run(&p, 1, 3);
}
END_TEST

START_TEST(chunks_give_the_golden_ids)
{
    static const uint32_t chunks[] = {2, 5, 7, 32};
    llm_runtime_params p = small();
    for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) run(&p, chunks[i], 1);
}
END_TEST

START_TEST(half_types_give_the_golden_ids)
{
    llm_runtime_params p = small();
    p.kv_type = CLKV_F16;
    run(&p, 4, 2);
    p.weight_type = CLKV_F16;
    run(&p, 1, 1);
    run(&p, 32, 1);
}
END_TEST

START_TEST(clblast_gives_the_golden_ids)
{
    llm_runtime_params p = small();
    p.gemm = LLM_GEMM_CLBLAST;
    run(&p, 1, 0);
    run(&p, 32, 0);
    p.weight_type = CLKV_F16;
    run(&p, 8, 0);
}
END_TEST

START_TEST(both_variants_and_odd_blocks_give_the_golden_ids)
{
    static const char *const variants[] = {"cpu", "portable"};
    llm_runtime_params p = small();
    for (int i = 0; i < 2; i++) {
        p.variant = variants[i];
        p.block_size = i ? 1 : 64;
        p.shuffle_seed = 5;
        run(&p, 1, 1);
        run(&p, 16, 1);
    }
}
END_TEST

/* Where no size is asked for: half of the device, or as many blocks as can be used. */
START_TEST(default_pools_are_no_larger_than_needed)
{
    static const uint32_t most[] = {7, UINT32_MAX / 4, UINT32_MAX};
    for (size_t i = 0; i < sizeof most / sizeof *most; i++) {
        llm_runtime_params p = small();
        p.blocks = 0;
        p.most_blocks = most[i];
        llm_runtime *r = make(&p);
        const uint32_t blocks = clkv_manager_blocks(clkv_cache_manager(llm_runtime_cache(r)));
        ck_assert(most[i] == 7 ? blocks == 7 : blocks > 7 && blocks < UINT32_MAX / 4);
        llm_runtime_destroy(&r);
    }
}
END_TEST

START_TEST(times_are_told)
{
    llm_runtime_params p = small();
    p.profile = 1;
    double attention, gemm, other;
    llm_runtime *r = make(&p);
    follow_golden(r, 8, 0);
    llm_runtime_times(r, &attention, &gemm, &other);
    ck_assert_double_gt(attention, 0);
    ck_assert_double_gt(gemm, 0);
    ck_assert_double_gt(other, 0);
    llm_runtime_destroy(&r);
}
END_TEST

START_TEST(refused)
{
    llm_runtime_params p = small();
    llm_runtime *r = NULL;
    int code = 0;
    p.device = "no such device";
    ck_assert_int_eq(llm_runtime_create(&r, model, &p, why, &code), -1);
    ck_assert_ptr_null(r);
    ck_assert_int_eq(code, EXIT_NO_DEVICE);
    p = small();
    p.block_size = 3;
    ck_assert_int_eq(llm_runtime_create(&r, model, &p, why, &code), -1);
    ck_assert_int_eq(code, EXIT_USAGE);
    llm_model odd = *model;
    odd.head_dim = odd.head_dim_v = 12;
    p = small();
    ck_assert_int_eq(llm_runtime_create(&r, &odd, &p, why, &code), -1);
    ck_assert_int_eq(code, EXIT_USAGE);
    ck_assert_ptr_nonnull(strstr(why, "12"));
}
END_TEST

START_TEST(bad_steps_change_nothing)
{
    llm_runtime_params p = small();
    llm_runtime *r = make(&p);
    clkv_manager *manager = clkv_cache_manager(llm_runtime_cache(r));
    clkv_batch *batch;
    clkv_sequence *seq;
    uint32_t bad = 512, good = 1, id = 0;
    llm_pick pick = {.token = 1, .how = greedy};
    clkv_sequence_params sp = CLKV_PARAMS_INIT(clkv_sequence_params);
    ck_st(clkv_batch_create(&batch, manager));
    ck_st(clkv_sequence_create(&seq, manager, &sp, NULL));
    ck_st(clkv_batch_add(batch, seq, &good, 1, NULL));
    ck_st(clkv_batch_reserve(batch));
    ck_assert_int_eq(llm_runtime_step(r, batch, &bad, 1, NULL, 0, why), -1);
    ck_assert_int_eq(llm_runtime_step(r, batch, &good, 2, NULL, 0, why), -1);
    ck_assert_int_eq(llm_runtime_step(r, batch, &good, 1, &pick, 1, why), -1);
    pick.token = 0;
    ck_ok(llm_runtime_step(r, batch, &good, 1, &pick, 1, why));
    ck_st(clkv_batch_commit(batch));
    float logits[512];
    ck_ok(llm_runtime_logits(r, 0, logits, why));
    ck_assert_int_eq(llm_runtime_logits(r, 1, logits, why), -1);
    ck_ok(llm_runtime_sampled(r, &id, why));
    ck_assert_uint_eq(id, golden[1]);
    for (int i = 0; i < 512; i++) ck_assert(isfinite(logits[i]) && logits[i] <= logits[id]);
    clkv_sequence_destroy(&seq);
    clkv_batch_destroy(&batch);
    llm_runtime_destroy(&r);
}
END_TEST

static int read_golden(const char *folder)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/golden/greedy_ids.txt", folder);
    FILE *f = fopen(path, "r");
    if (!f) return -1;
    unsigned id;
    while (n_golden < MOST_IDS && fscanf(f, "%u", &id) == 1) golden[n_golden++] = id;
    fclose(f);
    snprintf(path, sizeof path, "%s/model/stories260K.bin", folder);
    return llm_model_open(&model, path, NULL, why);
}

int main(void)
{
    const char *folder = getenv("CLKV_SHARED_DATA");
    const int nothing = without_device();
    if (nothing >= 0) return nothing;
    if (!folder || read_golden(folder)) {
        printf("no real model (CLKV_SHARED_DATA): skipped\n");
        return 77;
    }
    TCase *c = tcase_create("runtime");
    tcase_add_test(c, decode_gives_the_golden_ids);
    tcase_add_test(c, chunks_give_the_golden_ids);
    tcase_add_test(c, half_types_give_the_golden_ids);
    tcase_add_test(c, both_variants_and_odd_blocks_give_the_golden_ids);
    tcase_add_test(c, clblast_gives_the_golden_ids);
    tcase_add_test(c, default_pools_are_no_larger_than_needed);
    tcase_add_test(c, times_are_told);
    tcase_add_test(c, refused);
    tcase_add_test(c, bad_steps_change_nothing);
    const int failed = run_on_device("runtime", c);
    llm_model_close(&model);
    return failed;
}
