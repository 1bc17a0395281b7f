/* test_batch_limits.c: what a batch refuses, and when its lists are there. SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

static uint32_t prompt[64], other[64];

static void setup(void)
{
    fill_tokens(prompt, 64, 1);
    fill_tokens(other, 64, 2);
}

static clkv_batch *open_batch(clkv_manager *m)
{
    clkv_batch *batch = NULL;
    ck_ok(clkv_batch_create(&batch, m));
    return batch;
}

START_TEST(a_batch_has_no_more_tokens_than_it_may)
{
    clkv_manager *m = NULL;
    const clkv_manager_params params = {.size = sizeof params, .blocks = 20, .max_batch_tokens = 50};
    ck_ok(clkv_manager_create(&m, &params));
    clkv_sequence *a = new_sequence(m, NULL, 0, NULL), *b = new_sequence(m, NULL, 0, NULL);
    clkv_batch *batch = open_batch(m);
    ck_assert_int_eq(clkv_batch_add(batch, a, prompt, 51, NULL), CLKV_ERROR_LIMIT);
    ck_ok(clkv_batch_add(batch, a, prompt, 30, NULL));
    ck_assert_int_eq(clkv_batch_add(batch, b, prompt, 21, NULL), CLKV_ERROR_LIMIT);
    ck_assert_str_eq(clkv_last_error()->message, "30 tokens and 21 new ones exceed max_batch_tokens = 50");
    ck_assert_uint_eq(clkv_batch_tokens(batch), 30);
    ck_ok(clkv_batch_add(batch, b, prompt, 20, NULL));
    ck_ok(clkv_batch_reserve(batch));
    ck_ok(clkv_batch_commit(batch));
    ck_ok(clkv_batch_add(batch, b, prompt, 50, NULL)); /* each batch for itself */
    ck_valid(clkv_manager_validate(m));
    end_manager(&m);
}
END_TEST

/* Lists of a reservation: there while it is, for group 0, and either half may be left out. */
START_TEST(lists_are_there_while_a_batch_is_reserved)
{
    clkv_manager *m = new_manager(20);
    clkv_sequence *a = serve(m, prompt, 20, NULL), *b = new_sequence(m, NULL, 0, NULL);
    clkv_batch *batch = open_batch(m);
    const uint32_t *slots = NULL;
    const clkv_block_copy *copies = NULL;
    const int32_t *positions = NULL;
    uint32_t n = 77;
    ck_ok(clkv_batch_add(batch, b, other, 2, NULL));
    ck_ok(clkv_batch_add(batch, a, prompt + 20, 3, NULL));
    ck_assert_int_eq(clkv_batch_get_slots(batch, 0, &slots, &n), CLKV_ERROR_STATE);
    ck_assert_int_eq(clkv_batch_get_copies(batch, 0, &copies, &n), CLKV_ERROR_STATE);
    ck_assert_int_eq(clkv_batch_get_positions(batch, &positions, &n), CLKV_ERROR_STATE);
    ck_ok(clkv_batch_reserve(batch));
    ck_assert_int_eq(clkv_batch_get_slots(batch, 1, &slots, &n), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_batch_get_copies(batch, 1, &copies, &n), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_batch_get_slots(NULL, 0, &slots, &n), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_batch_get_entries(NULL, NULL, &n), CLKV_ERROR_INVALID);
    ck_assert(!batch->written && n == 77 && !slots && !copies && !positions);
    ck_ok(clkv_batch_get_positions(batch, &positions, &n));
    ck_assert_uint_eq(n, 5);
    const int32_t expected[] = {0, 1, 20, 21, 22};
    ck_assert_mem_eq(positions, expected, sizeof expected);
    ck_assert(!batch->written); /* who asks for positions does not write */
    ck_ok(clkv_batch_get_slots(batch, 0, NULL, NULL));
    ck_assert(batch->written);
    ck_ok(clkv_batch_rollback(batch));
    ck_assert_int_eq(clkv_batch_get_positions(batch, &positions, NULL), CLKV_ERROR_STATE);
    end_manager(&m);
}
END_TEST

/* Its blocks go back when the batch rolls back, not only when the entry leaves. */
START_TEST(a_destroyed_sequence_holds_nothing_after_a_rollback)
{
    clkv_manager *m = new_manager(10);
    clkv_sequence *seq = serve(m, prompt, 20, NULL), *alive = serve(m, other, 20, NULL);
    clkv_batch *batch = open_batch(m);
    ck_ok(clkv_batch_add(batch, seq, prompt + 20, 20, NULL));
    ck_ok(clkv_batch_add(batch, alive, other + 20, 20, NULL));
    ck_ok(clkv_batch_reserve(batch));
    clkv_sequence_destroy(&seq);
    ck_assert_uint_eq(counts_of(m).used, 6);
    ck_ok(clkv_batch_rollback(batch));
    ck_valid(clkv_manager_validate(m));
    ck_assert_uint_eq(counts_of(m).used, 2);
    ck_assert_uint_eq(lookup(m, prompt, 20), 16);
    ck_assert_int_eq(clkv_batch_reserve(batch), CLKV_ERROR_STATE);
    ck_ok(clkv_batch_clear(batch));
    ck_valid(clkv_manager_validate(m));
    end_manager(&m);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("batch_limits");
    TCase *tests = tcase_create("batch_limits");
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, a_batch_has_no_more_tokens_than_it_may);
    tcase_add_test(tests, lists_are_there_while_a_batch_is_reserved);
    tcase_add_test(tests, a_destroyed_sequence_holds_nothing_after_a_rollback);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
