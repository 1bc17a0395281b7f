/* test_drafts.c: guesses by prompt look-up. SPDX-License-Identifier: Apache-2.0 */
#include "drafts.h"

#include "../unit/support.h"

#define GUESS(max, ...)                                                                                            \
    uint32_t ids[] = { __VA_ARGS__ }, out[16];                                                                     \
    const uint32_t n = llm_draft(ids, sizeof ids / sizeof *ids, max, out)

START_TEST(nothing_to_go_by)
{
    GUESS(4, 1, 2, 3, 4, 5);
    ck_assert_uint_eq(n, 0);
    for (uint32_t length = 0; length <= 2; length++) ck_assert_uint_eq(llm_draft(ids, length, 4, out), 0);
    uint32_t one[] = { 7, 1, 7 }; /* a single token says too little */
    ck_assert_uint_eq(llm_draft(one, 3, 4, out), 0);
}
END_TEST

START_TEST(what_followed_follows)
{
    GUESS(3, 1, 2, 3, 4, 5, 6, 1, 2);
    const uint32_t wanted[] = { 3, 4, 5 };
    ck_assert_uint_eq(n, 3);
    ck_assert_mem_eq(out, wanted, sizeof wanted);
    ck_assert_uint_eq(llm_draft(ids, 8, 0, out), 0);
}
END_TEST

START_TEST(in_circles)
{
    GUESS(7, 1, 2, 3, 1, 2);
    const uint32_t wanted[] = { 3, 1, 2, 3, 1, 2, 3 };
    ck_assert_uint_eq(n, 7);
    ck_assert_mem_eq(out, wanted, sizeof wanted);
}
END_TEST

START_TEST(longest_then_latest)
{
    GUESS(1, 8, 1, 2, 50, 9, 1, 2, 60, 1, 2, 70, 8, 1, 2);
    ck_assert_uint_eq(n, 1);
    ck_assert_uint_eq(out[0], 50); /* 8 1 2, although 1 2 stood there later */
    ids[11] = 9;
    ck_assert_uint_eq(llm_draft(ids, 14, 1, out), 1);
    ck_assert_uint_eq(out[0], 60);
    ids[11] = 7;
    ck_assert_uint_eq(llm_draft(ids, 14, 1, out), 1);
    ck_assert_uint_eq(out[0], 70);
}
END_TEST

START_TEST(a_single_token_again_and_again)
{
    GUESS(4, 5, 5, 5, 5);
    ck_assert_uint_eq(n, 4);
    for (uint32_t i = 0; i < n; i++) ck_assert_uint_eq(out[i], 5);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("drafts");
    TCase *tc = tcase_create("look-up");
    tcase_add_test(tc, nothing_to_go_by);
    tcase_add_test(tc, what_followed_follows);
    tcase_add_test(tc, in_circles);
    tcase_add_test(tc, longest_then_latest);
    tcase_add_test(tc, a_single_token_again_and_again);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
