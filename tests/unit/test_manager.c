/* test_manager.c: the block manager as a whole: pins, lookups, limits, statistics.
 * SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

static uint32_t prompt[4096], other[4096];
static uint64_t now;

static void setup(void)
{
    fill_tokens(prompt, 4096, 1);
    fill_tokens(other, 4096, 2);
    now = 1000;
}

static uint64_t fake_clock(void *user)
{
    (void)user;
    return now;
}

/* Eight blocks: prompt and other cached with three each, prompt's released first; two were never used. */
static clkv_manager *cached_world(void)
{
    clkv_manager *m = NULL;
    const clkv_manager_params params = {.size = sizeof params, .blocks = 8, .clock_ms = fake_clock};
    ck_ok(clkv_manager_create(&m, &params));
    clkv_sequence *a = serve(m, prompt, 48, NULL), *b = serve(m, other, 48, NULL);
    clkv_sequence_destroy(&a);
    clkv_sequence_destroy(&b);
    return m;
}

/* Uses n blocks for a moment, with content that is not findable afterwards. */
static void churn(clkv_manager *m, uint32_t n)
{
    clkv_sequence *seq = NULL;
    const clkv_sequence_params params = {.size = sizeof params, .prefix = CLKV_PREFIX_OFF};
    ck_ok(clkv_sequence_create(&seq, m, &params, NULL));
    append(m, seq, NULL, n * 16);
    clkv_sequence_destroy(&seq);
}

START_TEST(a_pinned_prefix_outlives_younger_ones)
{
    clkv_manager *m = cached_world();
    size_t pinned = 0;
    ck_ok(clkv_manager_pin(m, NULL, 0, prompt, 48, 3, 0, &pinned));
    ck_assert_uint_eq(pinned, 3);
    ck_valid(clkv_manager_validate(m));
    churn(m, 5);
    ck_assert_uint_eq(lookup(m, prompt, 49), 48);
    ck_assert_uint_eq(lookup(m, other, 49), 0);
    now += 1000000000;
    churn(m, 5);
    ck_assert_uint_eq(lookup(m, prompt, 49), 48);
    /* When nothing else is left, it goes, tail first. */
    churn(m, 6);
    ck_assert_uint_eq(lookup(m, prompt, 49), 32);
    churn(m, 8);
    ck_assert_uint_eq(lookup(m, prompt, 49), 0);
    end_manager(&m);
}
END_TEST

START_TEST(a_pin_ends_with_its_time_to_live)
{
    clkv_manager *m = cached_world();
    ck_ok(clkv_manager_pin(m, NULL, 0, prompt, 48, 3, 100, NULL));
    now += 99;
    churn(m, 5);
    ck_assert_uint_eq(lookup(m, prompt, 49), 48);
    now += 1;
    clkv_sequence *a = serve(m, other, 48, NULL);
    clkv_sequence_destroy(&a);
    churn(m, 5);
    ck_assert_uint_eq(lookup(m, prompt, 49), 0);
    ck_assert_uint_eq(lookup(m, other, 49), 48);
    end_manager(&m);
}
END_TEST

START_TEST(a_pin_can_be_renewed_raised_and_taken_away)
{
    clkv_manager *m = cached_world();
    ck_ok(clkv_manager_pin(m, NULL, 0, prompt, 48, 3, 100, NULL));
    now += 90;
    ck_ok(clkv_manager_pin(m, NULL, 0, prompt, 48, 5, 100, NULL));
    ck_assert_uint_eq(m->pins.n, 3);
    now += 90;
    ck_ok(clkv_manager_pin(m, NULL, 0, other, 48, 3, 0, NULL));
    ck_assert_uint_eq(m->pins.n, 3);
    churn(m, 3);
    ck_assert_uint_eq(lookup(m, other, 49), 32); /* the lower priority first */
    ck_assert_uint_eq(lookup(m, prompt, 49), 48);
    ck_ok(clkv_manager_pin(m, NULL, 0, prompt, 48, 0, 0, NULL));
    ck_assert_uint_eq(m->pins.n, 0);
    churn(m, 6);
    ck_assert_uint_eq(lookup(m, other, 49), 32);
    ck_assert_uint_eq(lookup(m, prompt, 49), 0);
    ck_assert_int_eq(clkv_manager_pin(m, NULL, 0, other, 48, 8, 0, NULL), CLKV_ERROR_INVALID);
    end_manager(&m);
}
END_TEST

START_TEST(a_pin_survives_use_and_a_rollback)
{
    clkv_manager *m = cached_world();
    ck_ok(clkv_manager_pin(m, NULL, 0, prompt, 48, 2, 0, NULL));
    clkv_sequence *a = serve(m, prompt, 49, NULL), *b = new_sequence(m, NULL, 0, NULL);
    clkv_sequence_destroy(&a);
    clkv_batch *batch = NULL;
    ck_ok(clkv_batch_create(&batch, m));
    ck_ok(clkv_batch_add(batch, b, other, 8 * 16, NULL));
    ck_ok(clkv_batch_reserve(batch));
    ck_assert_uint_eq(lookup(m, prompt, 49), 0);
    ck_ok(clkv_batch_rollback(batch));
    ck_valid(clkv_manager_validate(m));
    churn(m, 5);
    ck_assert_uint_eq(lookup(m, prompt, 49), 48);
    end_manager(&m);
}
END_TEST

START_TEST(a_pin_that_ends_while_its_block_is_reserved_is_over_after_the_rollback)
{
    clkv_manager *m = cached_world();
    ck_ok(clkv_manager_pin(m, NULL, 0, prompt, 48, 2, 10, NULL));
    clkv_sequence *b = new_sequence(m, NULL, 0, NULL), *c = new_sequence(m, NULL, 0, NULL);
    clkv_batch *batch = NULL, *second = NULL;
    ck_ok(clkv_batch_create(&batch, m));
    ck_ok(clkv_batch_create(&second, m));
    ck_ok(clkv_batch_add(batch, b, other, 8 * 16, NULL));
    ck_ok(clkv_batch_add(second, c, other, 16, NULL));
    ck_ok(clkv_batch_reserve(batch));
    now += 10;
    ck_assert_int_eq(clkv_batch_reserve(second), CLKV_ERROR_NO_BLOCKS);
    ck_assert_uint_eq(m->pins.n, 0);
    ck_ok(clkv_batch_rollback(batch));
    ck_valid(clkv_manager_validate(m));
    ck_assert_uint_eq(lookup(m, prompt, 49), 48);
    end_manager(&m);
}
END_TEST

START_TEST(looking_up_takes_nothing_and_touches_no_order)
{
    clkv_manager *m = cached_world();
    const clkv_pool_counts before = counts_of(m);
    size_t found = 0;
    for (uint32_t n = 0; n <= 60; n++) {
        ck_ok(clkv_manager_lookup(m, NULL, 0, prompt, n, &found));
        ck_assert_uint_eq(found, n == 0 ? 0 : n > 48 ? 48 : (n - 1) / 16 * 16);
    }
    const clkv_pool_counts after = counts_of(m);
    ck_assert_mem_eq(&before, &after, sizeof before);
    churn(m, 3); /* prompt's tail is still the oldest */
    ck_assert_uint_eq(lookup(m, prompt, 49), 32);
    ck_assert_int_eq(clkv_manager_lookup(m, NULL, 0, NULL, 17, &found), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_manager_lookup(m, NULL, 1, prompt, 17, &found), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_manager_lookup(NULL, NULL, 0, prompt, 17, &found), CLKV_ERROR_INVALID);
    end_manager(&m);
}
END_TEST

START_TEST(params_are_checked)
{
    clkv_manager *m = NULL;
    const clkv_manager_params good = {.size = sizeof good, .blocks = 8};
    clkv_manager_params p = good;
    ck_assert_int_eq(clkv_manager_create(NULL, &p), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_manager_create(&m, NULL), CLKV_ERROR_INVALID);
#define REFUSED(field, value)                                                                                      \
    p = good;                                                                                                      \
    p.field = value;                                                                                               \
    ck_assert_int_eq(clkv_manager_create(&m, &p), CLKV_ERROR_INVALID)
    REFUSED(size, 3);
    REFUSED(blocks, 0);
    REFUSED(block_size, 3);
    REFUSED(block_size, 512);
    REFUSED(max_sequences, 65536);
    REFUSED(max_context, (1u << 31) + 1);
    REFUSED(watermark, 8);
    REFUSED(hash_bits, 65);
    REFUSED(blocks, (1u << 28) + 1);
    ck_assert_ptr_null(m);
    end_manager(&m);
    clkv_manager_destroy(NULL);
    ck_ok(clkv_manager_create(&m, &good));
    ck_assert_uint_eq(clkv_manager_block_size(m), 16);
    ck_assert_uint_eq(clkv_manager_blocks(m), 8);
    end_manager(&m);
    ck_assert_ptr_null(m);
}
END_TEST

START_TEST(statistics_count_what_happened)
{
    clkv_manager *m = new_manager(20);
    clkv_sequence *a = serve(m, prompt, 55, NULL), *b = serve(m, prompt, 100, NULL);
    clkv_stats s = stats_of(m);
    ck_assert_uint_eq(s.blocks_total, 20);
    ck_assert_uint_eq(s.blocks_used, 8);
    ck_assert_uint_eq(s.blocks_free, 12);
    ck_assert_uint_eq(s.blocks_peak_used, 8);
    ck_assert_uint_eq(s.sequences, 2);
    ck_assert_uint_eq(s.lookups, 2);
    ck_assert_uint_eq(s.hit_blocks, 3);
    ck_assert_uint_eq(s.hit_tokens, 48);
    ck_assert_uint_eq(s.miss_blocks, 3 + 3);
    ck_assert_uint_eq(s.miss_tokens, 55 + 52);
    ck_assert_uint_eq(s.tokens_committed, 55 + 52);
    ck_assert_uint_eq(s.slots_wasted, 9 + 12);
    ck_assert_uint_eq(s.tokens_held, 55 + 52);
    ck_assert_uint_eq(s.batches_committed, 2);
    ck_assert_uint_eq(s.allocations, 8);
    ck_assert_uint_gt(s.host_bytes, 0);
    /* Shared tails count once, as full as the fullest makes them. */
    clkv_sequence *c = NULL, *d = NULL;
    ck_ok(clkv_sequence_fork(&c, b, 0));
    ck_ok(clkv_sequence_truncate(c, 97));
    ck_assert_uint_eq(stats_of(m).slots_wasted, 9 + 12);
    ck_ok(clkv_sequence_truncate(b, 96));
    ck_assert_uint_eq(stats_of(m).slots_wasted, 9 + 15);
    ck_ok(clkv_sequence_fork(&d, a, 0));
    ck_ok(clkv_sequence_truncate(d, 40)); /* in the middle of a block that is full */
    ck_assert_uint_eq(stats_of(m).slots_wasted, 9 + 15);
    end_manager(&m);

    const clkv_manager_params none = {.size = sizeof none, .blocks = 20, .prefix = CLKV_PREFIX_OFF};
    ck_ok(clkv_manager_create(&m, &none));
    a = new_sequence(m, NULL, 0, NULL);
    append(m, a, NULL, 32);
    ck_ok(clkv_sequence_fork(&b, a, 0));
    ck_ok(clkv_sequence_truncate(b, 20)); /* full for the first, a tail for the second */
    ck_assert_uint_eq(stats_of(m).slots_wasted, 0);
    ck_ok(clkv_sequence_truncate(a, 22));
    ck_assert_uint_eq(stats_of(m).slots_wasted, 10);
    end_manager(&m);
}
END_TEST

START_TEST(statistics_work_across_versions)
{
    clkv_manager *m = new_manager(20);
    clkv_stats s;
    memset(&s, 0xee, sizeof s);
    s.size = offsetof(clkv_stats, blocks_cached);
    ck_ok(clkv_manager_get_stats(m, &s));
    ck_assert_uint_eq(s.size, offsetof(clkv_stats, blocks_cached));
    ck_assert_uint_eq(s.blocks_used, 0);
    ck_assert_uint_eq(s.blocks_cached, UINT64_C(0xeeeeeeeeeeeeeeee));
    struct {
        clkv_stats known;
        uint64_t future;
    } longer = {.known.size = sizeof longer, .future = 42};
    ck_ok(clkv_manager_get_stats(m, &longer.known));
    ck_assert_uint_eq(longer.known.size, sizeof(clkv_stats));
    ck_assert_uint_eq(longer.future, 0); /* what this library does not know is zero */
    s.size = 1;
    ck_assert_int_eq(clkv_manager_get_stats(m, &s), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_manager_get_stats(m, NULL), CLKV_ERROR_INVALID);
    end_manager(&m);
}
END_TEST

START_TEST(statistics_are_one_json_object)
{
    clkv_stats s = {.size = sizeof s, .blocks_total = 7, .blocks_moved = UINT64_MAX};
    char text[2048], small[20];
    const size_t n = clkv_stats_json(&s, text, sizeof text);
    ck_assert_uint_eq(n, strlen(text));
    ck_assert_int_eq(strncmp(text, "{\"blocks_total\": 7, \"blocks_used\": 0, ", 38), 0);
    ck_assert_ptr_nonnull(strstr(text, "\"blocks_moved\": 18446744073709551615}"));
    ck_assert_ptr_null(strstr(text, "size"));
    ck_assert_uint_eq(clkv_stats_json(&s, NULL, 0), n);
    ck_assert_uint_eq(clkv_stats_json(&s, small, sizeof small), n);
    ck_assert_uint_eq(strlen(small), sizeof small - 1);
    ck_assert_int_eq(strncmp(small, text, sizeof small - 1), 0);
    s.size = offsetof(clkv_stats, blocks_used);
    clkv_stats_json(&s, text, sizeof text);
    ck_assert_str_eq(text, "{\"blocks_total\": 7}");
    s.size = sizeof s.size;
    clkv_stats_json(&s, text, sizeof text);
    ck_assert_str_eq(text, "{}");
}
END_TEST

START_TEST(destroying_a_manager_buries_everything_in_it)
{
    clkv_manager *m = cached_world();
    clkv_sequence *a = new_sequence(m, prompt, 48, NULL), *b = new_sequence(m, other, 48, NULL), *c = NULL;
    ck_ok(clkv_sequence_fork(&c, a, 0));
    clkv_batch *batch = NULL, *open = NULL;
    ck_ok(clkv_batch_create(&batch, m));
    ck_ok(clkv_batch_create(&open, m));
    ck_ok(clkv_batch_add(batch, a, prompt, 16, NULL));
    ck_ok(clkv_batch_add(open, b, prompt, 16, NULL));
    ck_ok(clkv_batch_reserve(batch));
    clkv_sequence_destroy(&a);
    clkv_sequence_destroy(&b);
    ck_valid(clkv_manager_validate(m));
    end_manager(&m);
}
END_TEST

/* Numbers that are none, and only those, have the text of the unknown. */
START_TEST(every_status_and_every_code_has_a_text)
{
    for (int status = 1; status > -20; status--) {
        const char *text = clkv_status_text((clkv_status)status);
        ck_assert_int_eq(strcmp(text, "unknown status") == 0, status > 0 || status < CLKV_ERROR_NOT_FOUND);
        for (int before = 0; status < 0 && status >= CLKV_ERROR_NOT_FOUND && before > status; before--)
            ck_assert_str_ne(text, clkv_status_text((clkv_status)before));
    }
    for (int code = 1; code > -80; code--) {
        const int known = code <= 0 && code >= -68 && (code > -20 || code <= -30);
        ck_assert_int_eq(strncmp(clkv_driver_text(code), "CL_", 3) == 0, known);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("manager");
    TCase *tests = tcase_create("manager");
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, a_pinned_prefix_outlives_younger_ones);
    tcase_add_test(tests, a_pin_ends_with_its_time_to_live);
    tcase_add_test(tests, a_pin_can_be_renewed_raised_and_taken_away);
    tcase_add_test(tests, a_pin_survives_use_and_a_rollback);
    tcase_add_test(tests, a_pin_that_ends_while_its_block_is_reserved_is_over_after_the_rollback);
    tcase_add_test(tests, looking_up_takes_nothing_and_touches_no_order);
    tcase_add_test(tests, params_are_checked);
    tcase_add_test(tests, statistics_count_what_happened);
    tcase_add_test(tests, statistics_work_across_versions);
    tcase_add_test(tests, statistics_are_one_json_object);
    tcase_add_test(tests, every_status_and_every_code_has_a_text);
    tcase_add_test(tests, destroying_a_manager_buries_everything_in_it);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
