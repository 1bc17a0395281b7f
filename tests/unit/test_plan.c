/* test_plan.c: how a batch's attention is cut into work items. SPDX-License-Identifier: Apache-2.0 */
#include "plan/plan.h"

#include "support.h"

/* A device that 64 items fill. */
static clkv_plan_params defaults(void)
{
    return (clkv_plan_params){.kv_heads = 8,
                              .block_size = 16,
                              .tile_tokens = 3,
                              .target_groups = 512,
                              .min_split = 128,
                              .split_max_queries = 16,
                              .rule = CLKV_RULE_CAUSAL};
}

/* n entries of the same shape, one behind the other. */
static void same_entries(clkv_batch_entry *entries, uint32_t n, uint32_t context, uint32_t queries)
{
    for (uint32_t i = 0; i < n; i++)
        entries[i] = (clkv_batch_entry){.row = i, .new_tokens = queries, .first = i * queries, .context = context};
}

/* Of an entry that same_entries has made. */
static uint32_t items_of(const clkv_plan *plan, uint32_t entry)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < plan->n_items; i++) n += plan->items[i].row == entry;
    return n;
}

START_TEST(an_empty_batch_has_an_empty_plan)
{
    clkv_plan plan = {0};
    const clkv_plan_params params = defaults();
    ck_ok(clkv_plan_build(&plan, &params, NULL, 0));
    ck_assert_uint_eq(plan.n_items, 0);
    ck_assert_uint_eq(plan.n_merges, 0);
    ck_valid(clkv_plan_validate(&plan, &params, NULL, 0));
    clkv_plan_free(&plan);
}
END_TEST

START_TEST(a_full_device_is_not_split)
{
    clkv_plan plan = {0};
    const clkv_plan_params params = defaults();
    clkv_batch_entry entries[64];
    same_entries(entries, 64, 65536, 1);
    ck_ok(clkv_plan_build(&plan, &params, entries, 64));
    ck_assert_uint_eq(plan.n_items, 64);
    ck_assert_uint_eq(plan.n_parts, 0);
    ck_assert_uint_eq(plan.n_split, 0);
    for (uint32_t i = 0; i < 64; i++) ck_assert_uint_eq(plan.items[i].part, CLKV_PLAN_DIRECT);
    ck_valid(clkv_plan_validate(&plan, &params, entries, 64));
    clkv_plan_free(&plan);
}
END_TEST

START_TEST(few_sequences_fill_the_device_and_no_more)
{
    clkv_plan plan = {0};
    const clkv_plan_params params = defaults();
    clkv_batch_entry entries[64];
    for (uint32_t n = 1; n <= 32; n++) {
        same_entries(entries, n, 65536, 1);
        ck_ok(clkv_plan_build(&plan, &params, entries, n));
        ck_assert_uint_le(plan.n_items, 64);
        ck_assert_uint_ge(plan.n_items, 64 - n + 1 - 64 / 20); /* whole blocks cost a part now and then */
        ck_assert_uint_eq(plan.n_parts, plan.n_items);
        ck_assert_uint_eq(plan.n_merges, n);
        ck_valid(clkv_plan_validate(&plan, &params, entries, n));
    }
    clkv_plan_free(&plan);
}
END_TEST

START_TEST(no_part_is_shorter_than_the_minimum)
{
    clkv_plan plan = {0};
    const clkv_plan_params params = defaults();
    clkv_batch_entry entry;
    same_entries(&entry, 1, 1000, 1);
    ck_ok(clkv_plan_build(&plan, &params, &entry, 1));
    ck_assert_uint_eq(plan.chunk, 128);
    ck_assert_uint_eq(plan.n_items, 8);
    same_entries(&entry, 1, 128, 1);
    ck_ok(clkv_plan_build(&plan, &params, &entry, 1));
    ck_assert_uint_eq(plan.n_items, 1);
    ck_assert_uint_eq(plan.n_parts, 0);
    clkv_plan_free(&plan);
}
END_TEST

START_TEST(a_long_sequence_among_short_ones_is_split)
{
    clkv_plan plan = {0};
    const clkv_plan_params params = defaults();
    clkv_batch_entry entries[65];
    same_entries(entries, 65, 100, 1);
    entries[40].context = 65536;
    ck_ok(clkv_plan_build(&plan, &params, entries, 65));
    ck_assert_uint_ge(items_of(&plan, 40), 50);
    ck_assert_uint_eq(items_of(&plan, 0), 1);
    ck_assert_uint_eq(plan.n_merges, 1);
    ck_valid(clkv_plan_validate(&plan, &params, entries, 65));
    clkv_plan_free(&plan);
}
END_TEST

START_TEST(verification_reads_a_context_once_per_tile)
{
    clkv_plan plan = {0};
    clkv_plan_params params = defaults();
    params.tile_tokens = 8;
    clkv_batch_entry entry;
    same_entries(&entry, 1, 4096, 8);
    params.target_groups = 1;
    ck_ok(clkv_plan_build(&plan, &params, &entry, 1));
    ck_assert_uint_eq(plan.n_items, 1);
    params.target_groups = 512;
    ck_ok(clkv_plan_build(&plan, &params, &entry, 1));
    ck_assert_uint_eq(plan.n_items, 32);
    ck_assert_uint_eq(plan.n_parts, 8 * 32);
    ck_assert_uint_eq(plan.n_merges, 8);
    ck_valid(clkv_plan_validate(&plan, &params, &entry, 1));
    clkv_plan_free(&plan);
}
END_TEST

START_TEST(prefill_is_never_split_and_goes_longest_first)
{
    clkv_plan plan = {0};
    const clkv_plan_params params = defaults();
    clkv_batch_entry entry;
    same_entries(&entry, 1, 2048, 2048);
    ck_ok(clkv_plan_build(&plan, &params, &entry, 1));
    ck_assert_uint_eq(plan.n_items, 683);
    ck_assert_uint_eq(plan.n_parts, 0);
    /* The buckets are an eighth of an octave wide: never out of order by more. */
    for (uint32_t i = 1; i < plan.n_items; i++)
        ck_assert_uint_le(plan.items[i].token, plan.items[i - 1].token + plan.items[i - 1].token / 4 + 512);
    ck_assert_uint_gt(plan.items[0].token, 1500);
    ck_assert_uint_lt(plan.items[682].token, 8);
    ck_valid(clkv_plan_validate(&plan, &params, &entry, 1));
    clkv_plan_free(&plan);
}
END_TEST

START_TEST(a_fixed_split_does_not_look_at_the_rest_of_the_batch)
{
    clkv_plan plan = {0};
    clkv_plan_params params = defaults();
    params.split_tokens = 250; /* 256 in whole blocks */
    clkv_batch_entry entries[64];
    same_entries(entries, 64, 1000, 1);
    entries[7].context = 256;
    entries[8].context = 257;
    for (uint32_t n = 9; n <= 64; n++) {
        ck_ok(clkv_plan_build(&plan, &params, entries, n));
        ck_assert_uint_eq(plan.chunk, 256);
        ck_assert_uint_eq(items_of(&plan, 0), 4);
        ck_assert_uint_eq(items_of(&plan, 7), 1);
        ck_assert_uint_eq(plan.n_split, n - 1);
        ck_assert_uint_eq(items_of(&plan, 8), 2);
        ck_valid(clkv_plan_validate(&plan, &params, entries, n));
    }
    clkv_plan_free(&plan);
}
END_TEST

START_TEST(a_number_of_parts_can_be_forced)
{
    clkv_plan plan = {0};
    clkv_plan_params params = defaults();
    clkv_batch_entry entries[64];
    same_entries(entries, 64, 4000, 1);
    params.parts = 1;
    ck_ok(clkv_plan_build(&plan, &params, entries, 2));
    ck_assert_uint_eq(plan.n_parts, 0);
    params.parts = 7; /* 571.4 tokens, so 576 */
    ck_ok(clkv_plan_build(&plan, &params, entries, 64));
    ck_assert_uint_eq(plan.chunk, 576);
    ck_assert_uint_eq(plan.n_items, 64 * 7);
    ck_valid(clkv_plan_validate(&plan, &params, entries, 64));
    clkv_plan_free(&plan);
}
END_TEST

START_TEST(chunks_that_no_query_sees_are_left_out)
{
    clkv_plan plan = {0};
    clkv_plan_params params = defaults();
    params.split_tokens = 16;
    params.tile_tokens = 4;
    params.split_max_queries = 64;
    clkv_batch_entry entry;
    same_entries(&entry, 1, 64, 64);
    ck_ok(clkv_plan_build(&plan, &params, &entry, 1));
    ck_assert_uint_eq(plan.n_items, 4 * (1 + 2 + 3 + 4));
    ck_valid(clkv_plan_validate(&plan, &params, &entry, 1));
    params.rule = CLKV_RULE_ALL;
    ck_ok(clkv_plan_build(&plan, &params, &entry, 1));
    ck_assert_uint_eq(plan.n_items, 16 * 4);
    ck_valid(clkv_plan_validate(&plan, &params, &entry, 1));
    clkv_plan_free(&plan);
}
END_TEST

START_TEST(bad_input_is_refused_and_changes_nothing)
{
    clkv_plan plan = {0};
    clkv_plan_params params = defaults();
    clkv_batch_entry entry;
    same_entries(&entry, 1, 70000, 1);
    ck_ok(clkv_plan_build(&plan, &params, &entry, 1));
    params.split_tokens = 1;
    params.block_size = 1;
    clkv_batch_entry longer = entry;
    longer.context = (1u << 27) + 1;
    ck_assert_int_eq(clkv_plan_build(&plan, &params, &longer, 1), CLKV_ERROR_LIMIT);
    ck_assert_ptr_nonnull(strstr(clkv_last_error()->message, "parts of 1 tokens"));
    params.tile_tokens = 16;
    longer.context = UINT32_MAX / 2;
    longer.new_tokens = 16;
    params.split_tokens = 7;
    ck_assert_int_eq(clkv_plan_build(&plan, &params, &longer, 1), CLKV_ERROR_LIMIT);
    longer = entry;
    longer.context = 0;
    ck_assert_int_eq(clkv_plan_build(&plan, &params, &longer, 1), CLKV_ERROR_INVALID);
    params = defaults();
    ck_valid(clkv_plan_validate(&plan, &params, &entry, 1));
    params.tile_tokens = CLKV_PLAN_MAX_TILE + 1;
    ck_assert_int_eq(clkv_plan_build(&plan, &params, &entry, 1), CLKV_ERROR_INVALID);
    params.tile_tokens = 0;
    ck_assert_int_eq(clkv_plan_build(&plan, &params, &entry, 1), CLKV_ERROR_INVALID);
    clkv_plan_free(&plan);
}
END_TEST

START_TEST(a_failed_allocation_keeps_the_last_plan)
{
    fail_allocator failing = {0};
    clkv_set_allocator(&(clkv_allocator){fail_resize, &failing});
    clkv_plan plan = {0};
    clkv_plan_params params = defaults();
    clkv_batch_entry entries[40];
    same_entries(entries, 40, 65536, 1);
    ck_ok(clkv_plan_build(&plan, &params, entries, 2));
    const long before = failing.requests;
    params.split_tokens = 256;
    for (long k = 1; k <= 2; k++) {
        failing.requests = 0;
        failing.fail_at = k;
        ck_assert_int_eq(clkv_plan_build(&plan, &params, entries, 40), CLKV_ERROR_NO_MEMORY);
        failing.fail_at = 0;
        clkv_plan_params automatic = defaults();
        ck_valid(clkv_plan_validate(&plan, &automatic, entries, 2));
        clkv_plan_free(&plan);
        ck_ok(clkv_plan_build(&plan, &automatic, entries, 2));
    }
    ck_assert_int_gt(before, 0);
    clkv_plan_free(&plan);
    ck_assert_uint_eq(failing.live_bytes, 0);
    clkv_set_allocator(NULL);
}
END_TEST

/* Without clkv_plan_validate, key by key: each query of every entry is given each key that it sees once. */
static void check_pairs(const clkv_plan *plan, const clkv_plan_params *params, const clkv_batch_entry *entries,
                        uint32_t n)
{
    static uint8_t given[4096];
    for (uint32_t i = 0; i < n; i += 7) {
        const clkv_batch_entry *e = &entries[i];
        const uint32_t token = e->first + e->new_tokens / 2, query = e->new_tokens / 2;
        memset(given, 0, e->context);
        for (uint32_t k = 0; k < plan->n_items; k++) {
            const clkv_plan_item *item = &plan->items[k];
            if (token - item->token >= (item->shape & 0xffff)) continue;
            const int64_t hidden = (int64_t)(item->shape >> 16) - (token - item->token);
            const int64_t end = item->end - (hidden > 0 ? hidden : 0);
            for (int64_t t = item->first; t < end; t++) given[t]++;
        }
        for (uint32_t t = 0; t < e->context; t++) {
            const int seen = params->rule == CLKV_RULE_ALL || t <= e->context - e->new_tokens + query;
            must(given[t] == seen);
        }
    }
}

START_TEST(random_batches_are_covered_exactly_once)
{
    clkv_plan plan = {0};
    clkv_batch_entry entries[48];
    uint64_t rng = 20240607;
    for (uint32_t round = 0; round < random_steps(4000); round++) {
        clkv_plan_params params = {0};
        params.kv_heads = 1 + rng_below(&rng, 9);
        params.block_size = 1u << rng_below(&rng, 6);
        params.tile_tokens = 1 + rng_below(&rng, 9);
        params.target_groups = rng_below(&rng, 600);
        params.min_split = rng_below(&rng, 3) * 64;
        params.split_max_queries = rng_below(&rng, 40);
        params.rule = rng_below(&rng, 2) ? CLKV_RULE_CAUSAL : CLKV_RULE_ALL;
        if (rng_below(&rng, 4) == 0) params.split_tokens = 1 + rng_below(&rng, 700);
        if (rng_below(&rng, 4) == 0) params.parts = 1 + rng_below(&rng, 12);
        const uint32_t n = rng_below(&rng, 49);
        uint32_t first = 0;
        for (uint32_t i = 0; i < n; i++) {
            const uint32_t queries = 1 + (rng_below(&rng, 3) ? rng_below(&rng, 6) : rng_below(&rng, 90));
            const uint32_t context = queries + rng_below(&rng, rng_below(&rng, 4) ? 100 : 4000);
            entries[i] = (clkv_batch_entry){
                .row = rng_below(&rng, 1000), .new_tokens = queries, .first = first, .context = context};
            first += queries;
        }
        ck_ok(clkv_plan_build(&plan, &params, entries, n));
        ck_valid(clkv_plan_validate(&plan, &params, entries, n));
        check_pairs(&plan, &params, entries, n);
    }
    clkv_plan_free(&plan);
}
END_TEST

/* The diagonal of an item: what the first query does not see of it, and each later one sees one more. */
START_TEST(queries_see_along_the_diagonal)
{
    clkv_plan plan = {0};
    clkv_plan_params params = defaults();
    clkv_batch_entry entry;
    same_entries(&entry, 1, 35, 5);
    params.tile_tokens = 5;
    params.split_tokens = 16;
    ck_ok(clkv_plan_build(&plan, &params, &entry, 1));
    ck_assert_uint_eq(plan.n_items, 3);
    ck_assert_uint_eq(plan.n_parts, 15);
    for (uint32_t i = 0; i < 3; i++) {
        const clkv_plan_item *item = &plan.items[i];
        static const uint32_t diagonals[] = {0, 1, 4}; /* query 0 sees 31 keys: all of the first chunk, 15, none */
        ck_assert_uint_eq(item->shape, 5 | diagonals[item->first / 16] << 16);
        ck_assert_uint_eq(item->end, item->first == 32 ? 35 : item->first + 16);
    }
    for (uint32_t q = 0; q < 5; q++) {
        ck_assert_uint_eq(plan.merges[q].parts, q < 2 ? 2 : 3);
        ck_assert_uint_eq(plan.merges[q].part, q);
        ck_assert_uint_eq(plan.merges[q].stride, 5);
    }
    clkv_plan_free(&plan);
}
END_TEST

START_TEST(what_a_query_sees)
{
    for (uint32_t q = 0; q < 5; q++) {
        ck_assert_uint_eq(clkv_visible(CLKV_RULE_CAUSAL, 35, 5, q).first, 0);
        ck_assert_uint_eq(clkv_visible(CLKV_RULE_CAUSAL, 35, 5, q).end, 31 + q);
        ck_assert_uint_eq(clkv_visible(CLKV_RULE_ALL, 35, 5, q).end, 35);
        ck_assert_uint_eq(clkv_visible(CLKV_RULE_CAUSAL, 3, 5, q).end, q < 2 ? 0 : q - 1); /* before the first key */
    }
    ck_assert_uint_eq(clkv_visible(CLKV_RULE_CAUSAL, UINT32_MAX, 1, 0).end, UINT32_MAX);
    ck_assert_uint_eq(clkv_visible(CLKV_RULE_ALL, 0, 1, 0).end, 0);
}
END_TEST

START_TEST(validity_sees_what_is_broken)
{
    clkv_plan plan = {0};
    const clkv_plan_params params = defaults();
    clkv_batch_entry entries[2];
    same_entries(entries, 2, 4096, 2);
    ck_ok(clkv_plan_build(&plan, &params, entries, 2));
    ck_assert_uint_gt(plan.n_parts, 0);
    const clkv_plan_item item = plan.items[3];
    plan.items[3] = plan.items[4];
    ck_assert_ptr_nonnull(clkv_plan_validate(&plan, &params, entries, 2));
    plan.items[3] = item;
    ck_valid(clkv_plan_validate(&plan, &params, entries, 2));
    plan.n_items--;
    ck_assert_ptr_nonnull(clkv_plan_validate(&plan, &params, entries, 2));
    plan.n_items++;
    plan.merges[1].token = 0;
    ck_assert_ptr_nonnull(clkv_plan_validate(&plan, &params, entries, 2));
    plan.merges[1].token = 1;
    plan.merges[1].parts--;
    ck_assert_ptr_nonnull(clkv_plan_validate(&plan, &params, entries, 2));
    plan.merges[1].parts++;
    plan.items[5].end++;
    ck_assert_ptr_nonnull(clkv_plan_validate(&plan, &params, entries, 2));
    plan.items[5].end--;
    plan.items[5].part += 2;
    ck_assert_ptr_nonnull(clkv_plan_validate(&plan, &params, entries, 2));
    plan.items[5].part -= 2;
    plan.items[5].row++;
    ck_assert_ptr_nonnull(clkv_plan_validate(&plan, &params, entries, 2));
    plan.items[5].row--;
    ck_valid(clkv_plan_validate(&plan, &params, entries, 2));
    plan.n_parts++;
    ck_assert_ptr_nonnull(clkv_plan_validate(&plan, &params, entries, 2));
    plan.n_parts--;
    ck_valid(clkv_plan_validate(&plan, &params, entries, 2));
    clkv_plan_free(&plan);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("plan");
    TCase *tests = tcase_create("plan");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, an_empty_batch_has_an_empty_plan);
    tcase_add_test(tests, a_full_device_is_not_split);
    tcase_add_test(tests, few_sequences_fill_the_device_and_no_more);
    tcase_add_test(tests, no_part_is_shorter_than_the_minimum);
    tcase_add_test(tests, a_long_sequence_among_short_ones_is_split);
    tcase_add_test(tests, verification_reads_a_context_once_per_tile);
    tcase_add_test(tests, prefill_is_never_split_and_goes_longest_first);
    tcase_add_test(tests, a_fixed_split_does_not_look_at_the_rest_of_the_batch);
    tcase_add_test(tests, a_number_of_parts_can_be_forced);
    tcase_add_test(tests, chunks_that_no_query_sees_are_left_out);
    tcase_add_test(tests, bad_input_is_refused_and_changes_nothing);
    tcase_add_test(tests, a_failed_allocation_keeps_the_last_plan);
    tcase_add_test(tests, random_batches_are_covered_exactly_once);
    tcase_add_test(tests, queries_see_along_the_diagonal);
    tcase_add_test(tests, what_a_query_sees);
    tcase_add_test(tests, validity_sees_what_is_broken);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
