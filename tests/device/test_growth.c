/* test_growth.c: caches whose slabs come and go: growth, shrinking, compaction. Stories (story.h) must find their own
 * keys and values, and attention must compute the same bits, before and after. SPDX-License-Identifier: Apache-2.0 */
#include "desk.h"

enum { BLOCK = 4, SLAB = 5, BLOCKS = 5 * SLAB, OUT = STORY_TOKENS * STORY_HEADS * STORY_DIM_V };

static target targets[MAX_TARGETS];
static size_t n_targets;

static void open_growing(desk *d, const target *t, clkv_cache_params params)
{
    story_shape(&params);
    params.size = sizeof params;
    params.block_size = BLOCK;
    params.blocks = BLOCKS;
    params.max_slab_bytes = clkv_cache_block_bytes(&params) * SLAB;
    desk_open(d, t->device, params, CLKV_OP_COPY | CLKV_OP_ATTENTION);
}

static clkv_stats stats_of(const desk *d)
{
    clkv_stats stats = CLKV_PARAMS_INIT(clkv_stats);
    ck_ok(clkv_cache_get_stats(d->cache, &stats));
    return stats;
}

static uint64_t slabs_of(const desk *d)
{
    return stats_of(d).slabs_open;
}

/* Shrinks as far as possible; returns the number of moves, and checks each. */
static uint32_t shrink(desk *d, clkv_cached cached, uint32_t max_moves)
{
    const clkv_block_copy *moves = NULL;
    uint32_t n = UINT32_MAX;
    cl_event done = NULL;
    clkv_shrink_params params = CLKV_PARAMS_INIT(clkv_shrink_params);
    params.cached = cached;
    params.max_moves = max_moves;
    ck_ok(clkv_cache_shrink(d->cache, &params, &moves, &n, 0, NULL, &done));
    ck_assert_int_eq(clWaitForEvents(1, &done), CL_SUCCESS);
    clReleaseEvent(done);
    ck_assert_uint_le(n, max_moves ? max_moves : BLOCKS);
    for (uint32_t i = 0; i < n; i++)
        ck_assert(moves[i].from < BLOCKS && moves[i].to < BLOCKS && moves[i].from / SLAB != moves[i].to / SLAB);
    ck_valid(clkv_manager_validate(d->manager));
    return n;
}

/* Attention of the last token of a story, computed once more in a batch that is rolled back. */
static void attend(desk *d, story *s, float *out)
{
    static float q[STORY_HEADS * STORY_DIM];
    const uint32_t layer = STORY_LAYERS - 1;
    story again = *s;
    ck_ok(clkv_sequence_fork(&again.sequence, s->sequence, 0));
    ck_ok(clkv_sequence_truncate(again.sequence, again.n = s->n - 1));
    reserve(d, &again, 1);
    write(d, &again, 1);
    for (uint32_t i = 0; i < STORY_HEADS * STORY_DIM; i++) q[i] = (float)(i % 7) / 8.0f - 0.375f;
    clkv_attention_params params = CLKV_PARAMS_INIT(clkv_attention_params);
    params.layer = layer;
    params.q.mem = buffer_of(d, q, STORY_HEADS * STORY_DIM);
    params.o.mem = buffer_of(d, out, STORY_HEADS * STORY_DIM_V);
    ck_ok(clkv_attention(d->cache, d->batch, &params, 0, NULL, NULL));
    raw_read(d->device, params.o.mem, out, STORY_HEADS * STORY_DIM_V * sizeof *out);
    clReleaseMemObject(params.q.mem);
    clReleaseMemObject(params.o.mem);
    ck_ok(clkv_batch_rollback(d->batch));
    ck_ok(clkv_batch_clear(d->batch));
    clkv_sequence_destroy(&again.sequence);
}

START_TEST(starts_small_and_grows)
{
    desk d;
    open_growing(&d, &targets[_i], (clkv_cache_params){ 0 });
    const uint64_t each = clkv_cache_block_bytes(&d.cache->params) * SLAB;
    ck_assert_uint_eq(slabs_of(&d), 1);
    ck_assert_uint_eq(stats_of(&d).slabs, 5);
    ck_assert_uint_eq(clkv_manager_available(d.manager), BLOCKS);
    story a = begin_story(&d, 1, SLAB * BLOCK, 1), b = begin_story(&d, 2, 1, 1);
    ck_assert_uint_eq(slabs_of(&d), 2);
    grow(&d, &b, 3 * SLAB * BLOCK);
    ck_assert_uint_eq(slabs_of(&d), 5);
    check_story(&d, &a);
    check_story(&d, &b);
    /* Empty slabs beyond the spare one go with the next upload. */
    clkv_sequence_destroy(&b.sequence);
    ck_assert_uint_eq(slabs_of(&d), 5);
    story c = begin_story(&d, 3, 1, 1);
    ck_assert_uint_eq(slabs_of(&d), 3);
    check_story(&d, &a);
    check_story(&d, &c);
    const uint64_t bytes = stats_of(&d).device_bytes;
    ck_assert_uint_eq(shrink(&d, CLKV_CACHED_KEEP, 0), 0);
    ck_assert_uint_eq(slabs_of(&d), 2);
    ck_assert_uint_eq(stats_of(&d).device_bytes, bytes - each);
    check_story(&d, &a);
    desk_close(&d);
}
END_TEST

/* Stories in all slabs; some end, and what is left moves together. */
START_TEST(compaction_changes_no_bit)
{
    desk d;
    static float before[6][STORY_HEADS * STORY_DIM_V], after[STORY_HEADS * STORY_DIM_V];
    const clkv_cache_params clear = { .clear_freed = _i & 1 };
    open_growing(&d, &targets[_i / 2], clear);
    story s[6];
    for (uint32_t i = 0; i < 6; i++) s[i] = begin_story(&d, i + 1, 4 * BLOCK - i % 2, i % 3 == 0); /* 24 blocks */
    ck_assert_uint_eq(slabs_of(&d), 5);
    for (uint32_t i = 1; i < 6; i += 2) attend(&d, &s[i], before[i]);
    for (uint32_t i = 0; i < 6; i += 2) clkv_sequence_destroy(&s[i].sequence); /* 0 is freed, 2 and 4 stay cached */
    ck_assert_uint_eq(stats_of(&d).slabs_needed, 4);
    ck_assert_uint_eq(shrink(&d, CLKV_CACHED_KEEP, 0), 1); /* slab 0 has one left, and slab 4 room for one */
    ck_assert_uint_eq(slabs_of(&d), 4);
    for (uint32_t i = 1; i < 6; i += 2) {
        check_story(&d, &s[i]);
        attend(&d, &s[i], after);
        ck_assert_mem_eq(before[i], after, sizeof after);
    }
    story again = begin_story(&d, 3, 0, 0); /* a cached one, found where it is now */
    ck_assert_uint_eq(again.n, 4 * BLOCK);
    check_story(&d, &again);
    clkv_sequence_destroy(&again.sequence);
    shrink(&d, CLKV_CACHED_EVICT, 0);
    ck_assert_uint_eq(stats_of(&d).blocks_cached, 0);
    ck_assert_uint_eq(slabs_of(&d), 3); /* for the 12 used blocks */
    for (uint32_t i = 1; i < 6; i += 2) {
        attend(&d, &s[i], after);
        ck_assert_mem_eq(before[i], after, sizeof after);
        grow(&d, &s[i], 2 * BLOCK); /* and they go on */
        check_story(&d, &s[i]);
    }
    desk_close(&d);
}
END_TEST

/* What a closed slab held does not come back, and clearing does not reach what has moved to its place. */
START_TEST(with_clear_freed)
{
    desk d;
    open_growing(&d, &targets[_i], (clkv_cache_params){ .clear_freed = 1, .spare_slabs = CLKV_SPARE_NONE });
    story a = begin_story(&d, 1, 4 * BLOCK, 1), b = begin_story(&d, 2, 4 * BLOCK, 1), c = begin_story(&d, 3, 4 * BLOCK, 1);
    clkv_sequence_destroy(&a.sequence); /* four blocks to clear; compaction moves others there */
    ck_assert_uint_eq(shrink(&d, CLKV_CACHED_KEEP, 0), 1); /* slab 0 has one left, and slab 2 room for three */
    ck_assert_uint_eq(slabs_of(&d), 2);
    ck_assert_uint_eq(stats_of(&d).blocks_cleared, 4 + 1);
    check_story(&d, &b);
    check_story(&d, &c);
    grow(&d, &b, 1); /* the upload clears what is listed: nothing */
    ck_assert_uint_eq(stats_of(&d).blocks_cleared, 4 + 1);
    check_story(&d, &b);
    check_story(&d, &c);
    desk_close(&d);
}
END_TEST

/* A shrinking waits for the caller's events even when it has nothing to do, and fails with them. */
START_TEST(waits)
{
    desk d;
    const target *t = &targets[_i];
    open_growing(&d, t, (clkv_cache_params){ 0 });
    cl_int status = CL_COMPLETE;
    if (can_hold_back(t->device)) {
        cl_event gate = clCreateUserEvent(clkv_device_context(t->device), NULL), done = NULL;
        ck_ok(clkv_cache_shrink(d.cache, NULL, NULL, NULL, 1, &gate, &done));
        ck_assert_int_eq(clGetEventInfo(done, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status, NULL), CL_SUCCESS);
        ck_assert_int_ne(status, CL_COMPLETE);
        ck_assert_int_eq(clSetUserEventStatus(gate, CL_COMPLETE), CL_SUCCESS);
        ck_assert_int_eq(clWaitForEvents(1, &done), CL_SUCCESS);
        clReleaseEvent(done);
        clReleaseEvent(gate);
    }
    if (may_provoke(t->device)) {
        cl_event bad = clCreateUserEvent(clkv_device_context(t->device), NULL);
        ck_assert_int_eq(clSetUserEventStatus(bad, CL_OUT_OF_RESOURCES), CL_SUCCESS);
        ck_assert_int_eq(clkv_cache_shrink(d.cache, NULL, NULL, NULL, 1, &bad, NULL), CLKV_ERROR_DEVICE);
        clReleaseEvent(bad);
    }
    desk_close(&d);
}
END_TEST

/* In the place of a closed slab is another one: its blocks must not be written. */
START_TEST(closed_blocks_are_not_copied)
{
    desk d;
    open_growing(&d, &targets[_i], (clkv_cache_params){ 0 });
    story a = begin_story(&d, 1, SLAB * BLOCK, 1);
    const clkv_block_copy to_closed = { 0, SLAB + 1 }, from_closed = { 2 * SLAB, 1 }, nowhere = { 0, BLOCKS };
    ck_assert_int_eq(clkv_copy_blocks(d.cache, 0, &to_closed, 1, 0, NULL, NULL), CLKV_ERROR_STATE);
    ck_assert_int_eq(clkv_copy_blocks(d.cache, 0, &from_closed, 1, 0, NULL, NULL), CLKV_ERROR_STATE);
    ck_assert_int_eq(clkv_copy_blocks(d.cache, 0, &nowhere, 1, 0, NULL, NULL), CLKV_ERROR_INVALID);
    check_story(&d, &a);
    desk_close(&d);
}
END_TEST

START_TEST(refused)
{
    desk d;
    open_growing(&d, &targets[_i], (clkv_cache_params){ .growth = CLKV_GROWTH_AT_ONCE });
    ck_assert_uint_eq(slabs_of(&d), 1); /* one in the manager's eyes: all of its memory is there */
    const clkv_block_copy *moves = (const clkv_block_copy *)&d;
    uint32_t n = 77;
    ck_assert_int_eq(clkv_cache_shrink(d.cache, NULL, &moves, &n, 0, NULL, NULL), CLKV_ERROR_STATE);
    ck_assert(!moves && n == 0);
    ck_assert_int_eq(clkv_cache_shrink(NULL, NULL, NULL, NULL, 0, NULL, NULL), CLKV_ERROR_INVALID);
    desk_close(&d);
    open_growing(&d, &targets[_i], (clkv_cache_params){ 0 });
    clkv_shrink_params params = CLKV_PARAMS_INIT(clkv_shrink_params);
    params.cached = (clkv_cached)7;
    ck_assert_int_eq(clkv_cache_shrink(d.cache, &params, NULL, NULL, 0, NULL, NULL), CLKV_ERROR_INVALID);
    clkv_cache_params bad = d.cache->params;
    clkv_cache *none = NULL;
    bad.growth = (clkv_growth)7;
    ck_assert_int_eq(clkv_cache_create(&none, d.device, &bad), CLKV_ERROR_INVALID);
    desk_close(&d);
}
END_TEST

/* Stories live and die at random, while slabs come and go. */
START_TEST(at_random)
{
    desk d;
    uint64_t rng = 5 + (uint64_t)_i / n_targets; /* the same on every device */
    open_growing(&d, &targets[(size_t)_i % n_targets], (clkv_cache_params){ .clear_freed = _i / (int)n_targets,
                                                                            .shuffle_seed = 3 });
    story s[5] = { { 0 } };
    for (uint32_t step = 0; step < 60; step++) {
        story *one = &s[rng_below(&rng, 5)];
        const uint32_t n = 1 + rng_below(&rng, 5 * BLOCK);
        if (!one->sequence) {
            *one = begin_story(&d, 1 + rng_below(&rng, 4), 0, 0);
        } else if (rng_below(&rng, 3) == 0) {
            clkv_sequence_destroy(&one->sequence);
        } else if (one->n + n < STORY_TOKENS / 2 && n / BLOCK + 2 < clkv_manager_available(d.manager)) {
            grow(&d, one, n);
        }
        if (rng_below(&rng, 4) == 0) shrink(&d, (clkv_cached)rng_below(&rng, 2), rng_below(&rng, 8));
        for (uint32_t i = 0; i < 5 && step % 4 == 0; i++)
            if (s[i].sequence && s[i].n) check_story(&d, &s[i]);
    }
    ck_assert_uint_gt(stats_of(&d).blocks_moved, 0);
    ck_ok(clkv_cache_check(d.cache));
    desk_close(&d);
}
END_TEST

int main(void)
{
    const int nothing = without_device();
    if (nothing >= 0) return nothing;
    n_targets = open_targets(targets);
    if (!n_targets) return EXIT_FAILURE;
    const int n = (int)n_targets;
    Suite *suite = suite_create("growth");
    TCase *tests = tcase_create("growth");
    tcase_set_timeout(tests, 0);
    tcase_add_loop_test(tests, starts_small_and_grows, 0, n);
    tcase_add_loop_test(tests, compaction_changes_no_bit, 0, 2 * n);
    tcase_add_loop_test(tests, with_clear_freed, 0, n);
    tcase_add_loop_test(tests, waits, 0, n);
    tcase_add_loop_test(tests, closed_blocks_are_not_copied, 0, n);
    tcase_add_loop_test(tests, refused, 0, n);
    tcase_add_loop_test(tests, at_random, 0, 2 * n);
    suite_add_tcase(suite, tests);
    const int status = run_suite(suite);
    close_targets(targets, n_targets);
    return status;
}
