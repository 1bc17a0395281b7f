/* test_sequence.c: token histories and their block tables. SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

static uint32_t prompt[4096], other[4096];

static void setup(void)
{
    fill_tokens(prompt, 4096, 1);
    fill_tokens(other, 4096, 2);
}

static clkv_manager *new_windowed(uint32_t blocks, uint32_t window)
{
    clkv_manager *m = NULL;
    const clkv_manager_params params = {.size = sizeof params, .blocks = blocks, .window = window};
    ck_ok(clkv_manager_create(&m, &params));
    return m;
}

START_TEST(a_position_is_found_in_its_block_at_every_block_size)
{
    for (uint32_t size = 1; size <= 256; size *= 2) {
        clkv_manager *m = NULL;
        const clkv_manager_params params = {
            .size = sizeof params, .blocks = 1000, .block_size = size, .shuffle_seed = 5};
        ck_ok(clkv_manager_create(&m, &params));
        clkv_sequence *seq = serve(m, prompt, 700, NULL);
        const uint32_t *table = NULL;
        size_t n = 0;
        clkv_sequence_get_table(seq, 0, &table, &n);
        ck_assert_uint_eq(n, (700 + size - 1) / size);
        ck_assert_uint_eq(clkv_sequence_length(seq), 700);
        for (uint32_t p = 0; p < 700; p++) {
            uint32_t block = 0, offset = 0;
            ck_ok(clkv_sequence_locate(seq, 0, p, &block, &offset));
            must(block == table[p / size] && offset == p % size);
        }
        uint32_t block = 0, offset = 0;
        ck_assert_int_eq(clkv_sequence_locate(seq, 0, 700, &block, &offset), CLKV_ERROR_INVALID);
        end_manager(&m);
    }
}
END_TEST

START_TEST(what_follows_a_truncation_is_registered_as_what_it_is)
{
    clkv_manager *m = new_manager(20);
    clkv_sequence *seq = serve(m, prompt, 60, NULL);
    ck_ok(clkv_sequence_truncate(seq, 20));
    ck_valid(clkv_manager_validate(m));
    append(m, seq, other, 28);
    /* prompt[0 … 20) then other[0 … 28): three full blocks. */
    uint32_t mixed[49];
    memcpy(mixed, prompt, 20 * sizeof *mixed);
    memcpy(mixed + 20, other, 29 * sizeof *mixed);
    ck_assert_uint_eq(lookup(m, mixed, 49), 48);
    ck_assert_uint_eq(lookup(m, prompt, 61), 48);
    ck_ok(clkv_sequence_truncate(seq, 16));
    ck_ok(clkv_sequence_truncate(seq, 0));
    ck_valid(clkv_manager_validate(m));
    ck_assert_uint_eq(counts_of(m).used, 0);
    append(m, seq, prompt, 33);
    ck_assert_uint_eq(lookup(m, prompt, 61), 48);
    ck_assert_int_eq(clkv_sequence_truncate(seq, 34), CLKV_ERROR_INVALID);
    end_manager(&m);
}
END_TEST

START_TEST(a_window_releases_what_no_later_token_sees)
{
    clkv_manager *m = new_windowed(20, 20);
    clkv_sequence *seq = new_sequence(m, NULL, 0, NULL);
    uint32_t block = 0, offset = 0;
    for (uint32_t n = 1; n <= 300; n++) {
        append(m, seq, prompt + n - 1, 1);
        /* The token at position n sees n − 19 … n. */
        const uint32_t first = n >= 20 ? (n - 19) / 16 : 0;
        ck_assert_uint_eq(counts_of(m).used, (n + 15) / 16 - first);
        if (first) {
            ck_ok(clkv_sequence_locate(seq, 0, first * 16 - 1, &block, &offset));
            ck_assert_uint_eq(block, CLKV_NO_BLOCK);
        }
        ck_ok(clkv_sequence_locate(seq, 0, n - 1, &block, &offset));
        ck_assert_uint_ne(block, CLKV_NO_BLOCK);
    }
    /* 300: blocks from 17 on (position 272 …) are there, position 281 is the first that is seen. */
    ck_assert_int_eq(clkv_sequence_truncate(seq, 272 + 18), CLKV_ERROR_INVALID);
    ck_ok(clkv_sequence_truncate(seq, 272 + 19));
    ck_valid(clkv_manager_validate(m));
    /* What was computed stays findable as long as it is cached. */
    ck_assert_uint_eq(lookup(m, prompt, 100), 96);
    end_manager(&m);
}
END_TEST

START_TEST(a_window_lets_a_sequence_outgrow_the_pool)
{
    clkv_manager *m = new_windowed(13, 64);
    clkv_sequence *seq = new_sequence(m, NULL, 0, NULL);
    for (uint32_t n = 0; n < 512; n += 128) append(m, seq, prompt + n, 128);
    ck_assert_uint_eq(clkv_sequence_length(seq), 512);
    ck_valid(clkv_manager_validate(m));
    end_manager(&m);
}
END_TEST

START_TEST(a_window_of_one_token_works)
{
    clkv_manager *m = new_windowed(5, 1);
    clkv_sequence *seq = new_sequence(m, NULL, 0, NULL);
    for (uint32_t n = 0; n < 64; n++) append(m, seq, prompt + n, 1);
    ck_assert_uint_eq(counts_of(m).used, 0);
    ck_ok(clkv_sequence_truncate(seq, 64));
    append(m, seq, prompt, 1);
    ck_ok(clkv_sequence_truncate(seq, 64));
    ck_valid(clkv_manager_validate(m));
    end_manager(&m);
}
END_TEST

START_TEST(a_fork_has_the_same_history_and_a_life_of_its_own)
{
    clkv_manager *m = new_manager(20);
    clkv_sequence *a = serve(m, prompt, 40, NULL), *b = NULL;
    ck_ok(clkv_sequence_fork(&b, a, 0));
    clkv_sequence_destroy(&a);
    ck_valid(clkv_manager_validate(m));
    ck_assert_uint_eq(clkv_sequence_length(b), 40);
    append(m, b, prompt + 40, 9);
    ck_assert_uint_eq(stats_of(m).copies_on_write, 0);
    ck_assert_uint_eq(lookup(m, prompt, 49), 48);
    clkv_sequence_destroy(&b);
    ck_assert_uint_eq(counts_of(m).used, 0);
    end_manager(&m);
}
END_TEST

START_TEST(a_sequence_has_the_user_data_that_its_caller_gave)
{
    clkv_manager *m = new_manager(20);
    clkv_sequence *a = NULL, *b = NULL;
    const clkv_sequence_params params = {.size = sizeof params, .user_data = 11};
    ck_ok(clkv_sequence_create(&a, m, &params, NULL));
    append(m, a, prompt, 20);
    ck_ok(clkv_sequence_fork(&b, a, 12));
    ck_assert_uint_eq(clkv_sequence_user_data(a), 11);
    ck_assert_uint_eq(clkv_sequence_user_data(b), 12);
    clkv_sequence_set_user_data(a, UINT64_MAX);
    clkv_sequence_set_user_data(NULL, 1);
    ck_assert_uint_eq(clkv_sequence_user_data(a), UINT64_MAX);
    ck_assert_uint_eq(clkv_sequence_user_data(b), 12);
    ck_assert_uint_eq(clkv_sequence_user_data(NULL), 0);
    end_manager(&m);
}
END_TEST

START_TEST(there_is_one_layer_group)
{
    clkv_manager *m = new_manager(20);
    clkv_sequence *seq = serve(m, prompt, 20, NULL);
    const uint32_t *table = NULL;
    uint32_t block = 0, offset = 0;
    ck_ok(clkv_sequence_locate(seq, 0, 3, &block, &offset));
    ck_assert_int_eq(clkv_sequence_locate(seq, 1, 3, &block, &offset), CLKV_ERROR_INVALID);
    ck_assert_str_eq(clkv_last_error()->message, "layer group 1 of 1");
    ck_assert_int_eq(clkv_sequence_get_table(seq, UINT32_MAX, &table, NULL), CLKV_ERROR_INVALID);
    ck_assert_ptr_null(table);
    ck_assert_int_eq(clkv_sequence_get_table(NULL, 0, &table, NULL), CLKV_ERROR_INVALID);
    end_manager(&m);
}
END_TEST

START_TEST(two_forks_that_both_write_leave_the_original_alone)
{
    clkv_manager *m = new_manager(20);
    clkv_sequence *a = serve(m, prompt, 40, NULL), *b = NULL, *c = NULL;
    ck_ok(clkv_sequence_fork(&b, a, 0));
    ck_ok(clkv_sequence_fork(&c, b, 0));
    const uint32_t tail = block_at(a, 2);
    clkv_batch *batch = NULL;
    ck_ok(clkv_batch_create(&batch, m));
    ck_ok(clkv_batch_add(batch, b, other, 3, NULL));
    ck_ok(clkv_batch_add(batch, c, other + 50, 3, NULL));
    ck_ok(clkv_batch_reserve(batch));
    ck_valid(clkv_manager_validate(m));
    ck_ok(clkv_batch_commit(batch));
    clkv_batch_destroy(&batch);
    ck_valid(clkv_manager_validate(m));
    ck_assert_uint_eq(stats_of(m).copies_on_write, 2);
    ck_assert_uint_eq(block_at(a, 2), tail);
    ck_assert_uint_eq(refs_of(m, a, 2), 1);
    ck_assert_uint_ne(block_at(b, 2), block_at(c, 2));
    ck_assert_uint_eq(refs_of(m, a, 1), 3);
    end_manager(&m);
}
END_TEST

START_TEST(a_preempted_sequence_finds_its_blocks_again)
{
    clkv_manager *m = new_manager(10);
    clkv_sequence *seq = serve(m, prompt, 60, NULL);
    size_t matched = 0;
    ck_assert_int_eq(clkv_sequence_resume(seq, prompt, 60, &matched), CLKV_ERROR_STATE);
    ck_ok(clkv_sequence_preempt(seq));
    ck_valid(clkv_manager_validate(m));
    ck_assert_uint_eq(clkv_sequence_length(seq), 0);
    ck_assert_uint_eq(counts_of(m).used, 0);
    ck_assert_uint_eq(counts_of(m).cached, 3);
    ck_ok(clkv_sequence_resume(seq, prompt, 60, &matched));
    ck_assert_uint_eq(matched, 48);
    ck_assert_uint_eq(clkv_sequence_length(seq), 48);
    append(m, seq, prompt + 48, 12);
    ck_assert_uint_eq(stats_of(m).preemptions, 1);
    end_manager(&m);
}
END_TEST

START_TEST(without_prefix_nothing_is_found_or_findable)
{
    clkv_manager *m = new_manager(20);
    clkv_sequence *seq = NULL;
    const clkv_sequence_params params = {
        .size = sizeof params, .tokens = prompt, .n_tokens = 40, .prefix = CLKV_PREFIX_OFF};
    size_t matched = 9;
    clkv_sequence *first = serve(m, prompt, 40, NULL);
    ck_ok(clkv_sequence_create(&seq, m, &params, &matched));
    ck_assert_uint_eq(matched, 0);
    append(m, seq, NULL, 70);
    ck_assert_uint_eq(lookup(m, prompt, 65), 32);
    clkv_sequence_destroy(&seq);
    ck_assert_uint_eq(counts_of(m).cached, 0);
    clkv_sequence *plain = new_sequence(m, NULL, 0, NULL);
    ck_assert_int_eq(try_append(m, plain, NULL, 1), CLKV_ERROR_INVALID);
    ck_assert_ptr_nonnull(first);
    end_manager(&m);

    const clkv_manager_params none = {.size = sizeof none, .blocks = 20, .prefix = CLKV_PREFIX_OFF};
    ck_ok(clkv_manager_create(&m, &none));
    seq = new_sequence(m, prompt, 40, &matched);
    append(m, seq, NULL, 40);
    ck_assert_uint_eq(lookup(m, prompt, 40), 0);
    clkv_sequence *fork = NULL;
    ck_ok(clkv_sequence_fork(&fork, seq, 0));
    append(m, fork, NULL, 1);
    ck_assert_uint_eq(stats_of(m).copies_on_write, 1);
    ck_ok(clkv_sequence_truncate(fork, 17));
    ck_valid(clkv_manager_validate(m));
    ck_assert_int_eq(clkv_manager_reset(m), CLKV_ERROR_BUSY);
    end_manager(&m);
}
END_TEST

START_TEST(rows_are_recycled_and_start_unsynced)
{
    clkv_manager *m = NULL;
    const clkv_manager_params params = {.size = sizeof params, .blocks = 20, .max_sequences = 3};
    ck_ok(clkv_manager_create(&m, &params));
    clkv_sequence *seqs[3];
    for (uint32_t i = 0; i < 3; i++) {
        seqs[i] = serve(m, prompt, 20, NULL);
        ck_assert_uint_eq(seqs[i]->row, i);
    }
    clkv_sequence *more = NULL;
    const clkv_sequence_params none = {.size = sizeof none};
    ck_assert_int_eq(clkv_sequence_create(&more, m, &none, NULL), CLKV_ERROR_LIMIT);
    ck_assert_int_eq(clkv_sequence_fork(&more, seqs[0], 0), CLKV_ERROR_LIMIT);
    seqs[1]->synced = 2;
    clkv_sequence_destroy(&seqs[1]);
    ck_valid(clkv_manager_validate(m));
    ck_ok(clkv_sequence_create(&more, m, &none, NULL));
    ck_assert_uint_eq(more->row, 1);
    ck_assert_uint_eq(more->synced, 0);
    end_manager(&m);
}
END_TEST

START_TEST(whatever_changes_an_entry_unsyncs_it)
{
    clkv_manager *m = new_manager(20);
    clkv_sequence *a = serve(m, prompt, 40, NULL), *b = NULL;
    a->synced = 3;
    ck_ok(clkv_sequence_truncate(a, 36));
    ck_assert_uint_eq(a->synced, 3);
    append(m, a, other, 1);
    ck_assert_uint_eq(a->synced, 3);
    ck_ok(clkv_sequence_fork(&b, a, 0));
    ck_assert_uint_eq(b->synced, 0);
    append(m, a, other, 1); /* copies the tail */
    ck_assert_uint_eq(a->synced, 2);
    ck_ok(clkv_sequence_truncate(a, 10));
    ck_assert_uint_eq(a->synced, 1);
    ck_ok(clkv_sequence_preempt(a));
    ck_assert_uint_eq(a->synced, 0);
    end_manager(&m);
}
END_TEST

START_TEST(bad_input_is_refused)
{
    clkv_manager *m = new_manager(4);
    clkv_sequence *seq = NULL;
    clkv_sequence_params params = {.size = sizeof params};
    ck_assert_int_eq(clkv_sequence_create(&seq, NULL, &params, NULL), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_sequence_create(NULL, m, &params, NULL), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_sequence_create(&seq, m, NULL, NULL), CLKV_ERROR_INVALID);
    params.size = sizeof params.size - 1;
    ck_assert_int_eq(clkv_sequence_create(&seq, m, &params, NULL), CLKV_ERROR_INVALID);
    params.size = sizeof params;
    params.n_keys = 1;
    ck_assert_int_eq(clkv_sequence_create(&seq, m, &params, NULL), CLKV_ERROR_INVALID);
    const clkv_key bad = {.kind = CLKV_KEY_SALT};
    params.keys = &bad;
    ck_assert_int_eq(clkv_sequence_create(&seq, m, &params, NULL), CLKV_ERROR_INVALID);
    ck_assert_ptr_null(seq);
    ck_assert_int_eq(clkv_sequence_fork(&seq, NULL, 0), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_sequence_truncate(NULL, 0), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_sequence_preempt(NULL), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_sequence_resume(NULL, prompt, 1, NULL), CLKV_ERROR_INVALID);
    ck_assert_uint_eq(clkv_sequence_length(NULL), 0);
    clkv_sequence_destroy(NULL);
    clkv_sequence_destroy(&seq);
    ck_valid(clkv_manager_validate(m));
    ck_assert_uint_eq(stats_of(m).sequences, 0);
    end_manager(&m);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sequence");
    TCase *tests = tcase_create("sequence");
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, a_position_is_found_in_its_block_at_every_block_size);
    tcase_add_test(tests, what_follows_a_truncation_is_registered_as_what_it_is);
    tcase_add_test(tests, a_window_releases_what_no_later_token_sees);
    tcase_add_test(tests, a_window_lets_a_sequence_outgrow_the_pool);
    tcase_add_test(tests, a_window_of_one_token_works);
    tcase_add_test(tests, a_fork_has_the_same_history_and_a_life_of_its_own);
    tcase_add_test(tests, a_sequence_has_the_user_data_that_its_caller_gave);
    tcase_add_test(tests, there_is_one_layer_group);
    tcase_add_test(tests, two_forks_that_both_write_leave_the_original_alone);
    tcase_add_test(tests, a_preempted_sequence_finds_its_blocks_again);
    tcase_add_test(tests, without_prefix_nothing_is_found_or_findable);
    tcase_add_test(tests, rows_are_recycled_and_start_unsynced);
    tcase_add_test(tests, whatever_changes_an_entry_unsyncs_it);
    tcase_add_test(tests, bad_input_is_refused);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
