/* test_cleared.c: with clear_freed, what a sequence has left is no longer in the device's memory: after the next
 * upload, or when asked; and what somebody still holds, or can still find, stays. Looks at the slabs
 * themselves. SPDX-License-Identifier: Apache-2.0 */
#include "desk.h"

enum { BLOCK = 4, BLOCKS = 12 };

static target targets[MAX_TARGETS];
static size_t n_targets;

/* All slabs are there from the beginning, so that the test can look at every block. */
static void cleared_open(desk *d, clkv_device *device, int clear_freed)
{
    clkv_cache_params params = CLKV_PARAMS_INIT(clkv_cache_params);
    story_shape(&params);
    params.block_size = BLOCK;
    params.blocks = BLOCKS;
    params.clear_freed = clear_freed;
    params.max_slab_bytes = clkv_cache_block_bytes(&params) * 5;
    params.growth = CLKV_GROWTH_AT_ONCE;
    desk_open(d, device, params, 0);
}

/* What lies in a block, all layers: only zeros, only the 0xff of the beginning, or something of somebody's. */
enum { ZEROS, UNTOUCHED, CONTENT };

static int look(const desk *d, uint32_t block)
{
    unsigned char bytes[8192];
    const size_t n = raw_block(d->cache, block, bytes, sizeof bytes);
    size_t zeros = 0, ones = 0;
    for (size_t i = 0; i < n; i++) zeros += bytes[i] == 0, ones += bytes[i] == 0xff;
    return zeros == n ? ZEROS : ones == n ? UNTOUCHED : CONTENT;
}

static uint32_t count(const desk *d, int what)
{
    uint32_t n = 0;
    for (uint32_t block = 0; block < BLOCKS; block++) n += look(d, block) == what;
    return n;
}

static uint64_t cleared(const desk *d)
{
    clkv_stats stats = CLKV_PARAMS_INIT(clkv_stats);
    ck_ok(clkv_cache_get_stats(d->cache, &stats));
    return stats.blocks_cleared;
}

static void clear_now(desk *d)
{
    cl_event done = NULL;
    ck_ok(clkv_cache_clear_freed(d->cache, 0, NULL, &done));
    ck_assert_int_eq(clWaitForEvents(1, &done), CL_SUCCESS);
    clReleaseEvent(done);
}

START_TEST(without_the_option_it_stays)
{
    desk d;
    cleared_open(&d, targets[_i].device, 0);
    story a = begin_story(&d, 1, 15, 1);
    clkv_sequence_destroy(&a.sequence);
    story b = begin_story(&d, 2, 1, 1);
    ck_assert_uint_eq(count(&d, CONTENT), 4);
    ck_assert_uint_eq(count(&d, UNTOUCHED), BLOCKS - 4);
    ck_assert_int_eq(clkv_cache_clear_freed(d.cache, 0, NULL, NULL), CLKV_ERROR_STATE);
    ck_assert_uint_eq(cleared(&d), 0);
    check_story(&d, &b);
    desk_close(&d);
}
END_TEST

START_TEST(when_asked)
{
    desk d;
    cleared_open(&d, targets[_i].device, 1);
    clear_now(&d); /* nothing yet: an event all the same */
    story a = begin_story(&d, 1, 15, 1), b = begin_story(&d, 2, 6, 1);
    ck_assert_uint_eq(count(&d, CONTENT), 6);
    clkv_sequence_destroy(&a.sequence);
    ck_assert_uint_eq(count(&d, CONTENT), 6);
    clear_now(&d);
    ck_assert_uint_eq(count(&d, CONTENT), 2);
    ck_assert_uint_eq(count(&d, ZEROS), 4);
    ck_assert_uint_eq(count(&d, UNTOUCHED), BLOCKS - 6);
    ck_assert_uint_eq(cleared(&d), 4);
    check_story(&d, &b);
    ck_assert_int_eq(clkv_cache_clear_freed(NULL, 0, NULL, NULL), CLKV_ERROR_INVALID);
    desk_close(&d);
}
END_TEST

START_TEST(by_the_next_upload)
{
    desk d;
    cleared_open(&d, targets[_i].device, 1);
    story a = begin_story(&d, 1, 16, 1), b = begin_story(&d, 2, 6, 1);
    clkv_sequence_destroy(&a.sequence);
    grow(&d, &b, 3); /* takes one of the four */
    ck_assert_uint_eq(count(&d, ZEROS), 3);
    ck_assert_uint_eq(count(&d, CONTENT), 3);
    check_story(&d, &b);
    /* Of the block that it took, it has one slot: in the others is nothing of the former holder. */
    ck_ok(clkv_sequence_truncate(b.sequence, b.n = 8));
    clear_now(&d);
    ck_assert_uint_eq(count(&d, ZEROS), 4);
    /* An upload that is repeated does not clear what was appended in between. */
    reserve(&d, &b, 8);
    write(&d, &b, 8);
    ck_ok(clkv_cache_upload(d.cache, d.batch, NULL, 0, NULL, NULL));
    ck_ok(clkv_batch_commit(d.batch));
    b.n += 8;
    check_story(&d, &b);
    desk_close(&d);
}
END_TEST

START_TEST(what_is_cached_stays_until_it_is_evicted)
{
    desk d;
    cleared_open(&d, targets[_i].device, 1);
    story a = begin_story(&d, 1, 17, 0);
    clkv_sequence_destroy(&a.sequence);
    clear_now(&d);
    ck_assert_uint_eq(count(&d, CONTENT), 4); /* the full ones; the partial fifth was freed */
    ck_assert_uint_eq(count(&d, ZEROS), 1);
    a = begin_story(&d, 1, 0, 0);
    ck_assert_uint_eq(a.n, 16);
    check_story(&d, &a);
    clkv_sequence_destroy(&a.sequence);

    /* A reservation that takes cached blocks and gives them back unwritten, somebody's upload in between. */
    story b = begin_story(&d, 2, 1, 1), c = begin_story(&d, 3, 0, 1);
    clkv_batch *other = NULL;
    ck_ok(clkv_batch_create(&other, d.manager));
    ck_ok(clkv_batch_add(other, c.sequence, c.tokens, 10 * BLOCK, NULL));
    ck_ok(clkv_batch_reserve(other)); /* seven free ones and three cached */
    grow(&d, &b, 2);
    ck_ok(clkv_batch_rollback(other));
    ck_ok(clkv_batch_clear(other));
    a = begin_story(&d, 1, 0, 0);
    ck_assert_uint_eq(a.n, 16);
    check_story(&d, &a);
    clkv_sequence_destroy(&a.sequence);

    /* Now they are evicted: 41 tokens of another leave nothing of the three. */
    ck_ok(clkv_batch_add(d.batch, c.sequence, c.tokens, 10 * BLOCK + 1, NULL));
    clkv_batch_destroy(&other);
    ck_ok(clkv_batch_reserve(d.batch));
    ck_ok(clkv_cache_upload(d.cache, d.batch, NULL, 0, NULL, NULL));
    ck_assert_uint_eq(count(&d, CONTENT), 1); /* b's */
    ck_assert_uint_eq(count(&d, ZEROS) + count(&d, UNTOUCHED), BLOCKS - 1);
    ck_ok(clkv_batch_rollback(d.batch));
    ck_ok(clkv_batch_clear(d.batch));
    clear_now(&d);
    ck_assert_uint_eq(count(&d, CONTENT), 1);
    check_story(&d, &b);
    desk_close(&d);
}
END_TEST

START_TEST(drafts_forks_and_resets)
{
    desk d;
    cleared_open(&d, targets[_i].device, 1);
    story a = begin_story(&d, 1, 6, 0), b = a;
    ck_ok(clkv_sequence_fork(&b.sequence, a.sequence, 0));
    b.tokens[6] = 77;
    grow(&d, &b, 1); /* copy on write, into a block that may be on the list */
    reserve(&d, &a, 9);
    write(&d, &a, 9);
    ck_ok(clkv_batch_accept(d.batch, 0, 1)); /* of four blocks two were for drafts that were wrong */
    ck_ok(clkv_batch_commit(d.batch));
    a.n++;
    check_story(&d, &a);
    check_story(&d, &b);
    clear_now(&d);
    ck_assert_uint_eq(count(&d, CONTENT), 3);
    clkv_sequence_destroy(&a.sequence);
    clkv_sequence_destroy(&b.sequence);
    clear_now(&d);
    ck_assert_uint_eq(count(&d, CONTENT), 1); /* the one full block, cached */
    ck_ok(clkv_manager_reset(d.manager));
    clear_now(&d);
    ck_assert_uint_eq(count(&d, CONTENT), 0);
    desk_close(&d);
}
END_TEST

/* The upload that should have cleared never reached the device: the next one does. */
START_TEST(after_an_upload_that_failed)
{
    desk d;
    clkv_device *device = targets[_i].device;
    if (!can_hold_back(device) || !can_pass_on_failure(device) || !queue_outlives_failure(device)) return;
    cleared_open(&d, targets[_i].device, 1);
    story a = begin_story(&d, 1, 15, 1), b = begin_story(&d, 2, 1, 1);
    clkv_sequence_destroy(&a.sequence);
    cl_int err = CL_SUCCESS;
    cl_event held = clCreateUserEvent(clkv_device_context(d.device), &err);
    ck_assert_int_eq(err, CL_SUCCESS);
    reserve(&d, &b, 4);
    ck_ok(clkv_cache_upload(d.cache, d.batch, NULL, 1, &held, NULL));
    ck_assert_int_eq(clSetUserEventStatus(held, -5), CL_SUCCESS);
    clFinish(clkv_device_queue(d.device));
    clReleaseEvent(held);
    ck_assert_uint_eq(count(&d, CONTENT), 5);
    ck_ok(clkv_batch_rollback(d.batch));
    ck_ok(clkv_batch_clear(d.batch));
    grow(&d, &b, 2);
    ck_assert_uint_eq(count(&d, CONTENT), 1);
    check_story(&d, &b);
    desk_close(&d);
}
END_TEST

/* What the end of a cache does before its memory goes: the same, for used and cached blocks too. */
START_TEST(at_the_end)
{
    desk d;
    cleared_open(&d, targets[_i].device, 1);
    story a = begin_story(&d, 1, 10, 0);
    clkv_sequence_destroy(&a.sequence);
    a = begin_story(&d, 2, 10, 1);
    ck_assert_uint_eq(count(&d, CONTENT), 5);
    clkv_cache_clear_all(d.cache);
    ck_assert_uint_eq(count(&d, CONTENT), 0);
    destroy_leftovers(d.manager);
    clkv_cache_destroy(&d.cache);
}
END_TEST

int main(void)
{
    const int nothing = without_device();
    if (nothing >= 0) return nothing;
    n_targets = open_targets(targets);
    if (!n_targets) return EXIT_FAILURE;
    const int n = (int)n_targets;
    Suite *suite = suite_create("cleared");
    TCase *tests = tcase_create("cleared");
    tcase_set_timeout(tests, 0);
    tcase_add_loop_test(tests, without_the_option_it_stays, 0, n);
    tcase_add_loop_test(tests, when_asked, 0, n);
    tcase_add_loop_test(tests, by_the_next_upload, 0, n);
    tcase_add_loop_test(tests, what_is_cached_stays_until_it_is_evicted, 0, n);
    tcase_add_loop_test(tests, drafts_forks_and_resets, 0, n);
    tcase_add_loop_test(tests, after_an_upload_that_failed, 0, n);
    tcase_add_loop_test(tests, at_the_end, 0, n);
    suite_add_tcase(suite, tests);
    const int status = run_suite(suite);
    close_targets(targets, n_targets);
    return status;
}
