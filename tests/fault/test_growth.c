/* test_growth.c: every OpenCL call of a reservation that makes slabs, and of a shrinking that moves blocks, fails in
 * turn. Either the call does without, or it says so and may be repeated; the stories (../device/story.h) lose nothing.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fault.h"

#include "../device/desk.h"

enum { BLOCK = 4, SLAB = 5, BLOCKS = 5 * SLAB };

static fault_control *control;

static void open_small(desk *d, clkv_device *device, int clear_freed)
{
    clkv_cache_params params = CLKV_PARAMS_INIT(clkv_cache_params);
    story_shape(&params);
    params.block_size = BLOCK;
    params.blocks = BLOCKS;
    params.max_slab_bytes = clkv_cache_block_bytes(&params) * SLAB;
    params.clear_freed = clear_freed;
    desk_open(d, device, params, CLKV_OP_COPY);
}

static clkv_stats stats_of(const desk *d)
{
    clkv_stats stats = CLKV_PARAMS_INIT(clkv_stats);
    ck_ok(clkv_cache_get_stats(d->cache, &stats));
    return stats;
}

static void check(const desk *d, const story *stories, uint32_t n)
{
    ck_valid(clkv_manager_validate(d->manager));
    for (uint32_t i = 0; i < n; i++)
        if (stories[i].sequence) check_story(d, &stories[i]);
}

/* Call number `at` of a reservation that needs two more slabs fails. Returns 0 when it has fewer calls. */
static int grow_with_a_failure(clkv_device *device, uint64_t at, cl_int code)
{
    desk d;
    open_small(&d, device, 0);
    story s[2] = { begin_story(&d, 1, SLAB * BLOCK, 1), begin_story(&d, 2, 0, 1) };
    ck_ok(clkv_batch_add(d.batch, s[1].sequence, s[1].tokens, 2 * SLAB * BLOCK, NULL));
    fault_arm(control, FAULT_ONE, at, code, 0);
    const clkv_status status = clkv_batch_reserve(d.batch);
    control->watch = 0;
    const int failed = control->failed > 0, memory = code != CL_INVALID_VALUE;
    check(&d, s, 1);
    if (status != CLKV_OK) {
        ck_assert_int_eq(status, memory ? CLKV_ERROR_NO_BLOCKS : CLKV_ERROR_DEVICE);
        ck_assert_str_eq(clkv_last_error()->where, "clkv_batch_reserve");
        ck_assert_uint_gt(clkv_batch_missing(d.batch), 0);
        ck_ok(clkv_batch_reserve(d.batch)); /* it asks for the memory again */
    }
    ck_assert_uint_eq(clkv_batch_missing(d.batch), 0);
    write(&d, &s[1], 2 * SLAB * BLOCK);
    ck_ok(clkv_batch_commit(d.batch));
    s[1].n = 2 * SLAB * BLOCK;
    ck_assert_uint_eq(stats_of(&d).slabs_open, 3);
    check(&d, s, 2);
    desk_close(&d);
    return failed;
}

START_TEST(growing)
{
    static const cl_int codes[] = { CL_MEM_OBJECT_ALLOCATION_FAILURE, CL_OUT_OF_RESOURCES, CL_INVALID_VALUE };
    clkv_device *device = open_device("");
    uint64_t at = 1;
    while (grow_with_a_failure(device, at, codes[_i])) at++;
    ck_assert_uint_ge(at, 3); /* each of two slabs has a call at least */
    clkv_device_close(&device);
    ck_assert_uint_eq(control->live[FAULT_MEM], 0);
    ck_assert_uint_eq(control->misuses, 0);
}
END_TEST

/* Call number `at` of a shrinking fails, which then is repeated. */
static int shrink_with_a_failure(clkv_device *device, uint64_t at, int clear_freed)
{
    desk d;
    open_small(&d, device, clear_freed);
    story s[6];
    for (uint32_t i = 0; i < 6; i++) s[i] = begin_story(&d, i + 1, 4 * BLOCK, 1);
    for (uint32_t i = 0; i < 6; i += 2) clkv_sequence_destroy(&s[i].sequence);
    const clkv_block_copy *moves = NULL;
    uint32_t first = 0, second = 0;
    fault_arm(control, FAULT_ONE, at, CL_INVALID_VALUE, 0);
    const clkv_status status = clkv_cache_shrink(d.cache, NULL, &moves, &first, 0, NULL, NULL);
    control->watch = 0;
    const int failed = control->failed > 0;
    check(&d, s, 6);
    if (status != CLKV_OK) {
        ck_assert_int_eq(status, CLKV_ERROR_DEVICE);
        ck_ok(clkv_cache_shrink(d.cache, NULL, &moves, &second, 0, NULL, NULL));
    }
    ck_assert_uint_eq(stats_of(&d).slabs_open, 3); /* 12 blocks */
    ck_assert_uint_eq(stats_of(&d).blocks_moved, first + second);
    check(&d, s, 6);
    for (uint32_t i = 1; i < 6; i += 2) grow(&d, &s[i], BLOCK + 1);
    check(&d, s, 6);
    desk_close(&d);
    return failed;
}

START_TEST(shrinking)
{
    clkv_device *device = open_device("");
    uint64_t at = 1;
    while (shrink_with_a_failure(device, at, _i)) at++;
    ck_assert_uint_ge(at, 3);
    clkv_device_close(&device);
    ck_assert_uint_eq(control->live[FAULT_MEM], 0);
    ck_assert_uint_eq(control->misuses, 0);
}
END_TEST

int main(void)
{
    const int skip = fault_without_layer(&control);
    if (skip >= 0) return skip;
    TCase *c = tcase_create("growth");
    tcase_set_timeout(c, 0);
    tcase_add_loop_test(c, growing, 0, 3);
    tcase_add_loop_test(c, shrinking, 0, 2);
    Suite *s = suite_create("growth");
    suite_add_tcase(s, c);
    return run_suite(s);
}
