/* test_life.c: a manager, its sequences and its batches are destroyed in every order, in every state; nothing is used
 * after it is gone (which the sanitizers see), nothing is left, and nobody is called back who has let go.
 * SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

enum { MANAGER, BATCH, FIRST, SECOND, HANDLES };
enum { EMPTY, OPEN, RESERVED, WRITTEN, COMMITTED, STATES };

static fail_allocator memory;
static uint32_t prompt[256];

typedef struct world {
    clkv_manager *m;
    clkv_batch *batch;
    clkv_sequence *first, *second;
    int owned;           /* the manager's handle is alive */
    int late;            /* calls back after that */
    unsigned long calls; /* before */
} world;

static void on_event(void *user, const clkv_cache_event *event)
{
    world *w = user;
    (void)event;
    w->calls++;
    w->late += !w->owned;
}

static uint64_t now(void *user)
{
    world *w = user;
    w->late += !w->owned;
    return 7;
}

/* Two sequences with a common prefix, one of them shared with a fork that is gone; a batch with both of them. */
static void begin(world *w, int state)
{
    *w = (world){.owned = 1};
    const clkv_manager_params params = {
        .size = sizeof params, .blocks = 12, .on_event = on_event, .clock_ms = now, .user = w};
    ck_ok(clkv_manager_create(&w->m, &params));
    w->first = serve(w->m, prompt, 40, NULL);
    w->second = serve(w->m, prompt, 50, NULL);
    clkv_sequence *evicted = serve(w->m, prompt + 100, 90, NULL);
    clkv_sequence_destroy(&evicted);
    ck_ok(clkv_manager_pin(w->m, NULL, 0, prompt, 40, 1, 5, NULL));
    ck_ok(clkv_batch_create(&w->batch, w->m));
    if (state == EMPTY) return;
    ck_ok(clkv_batch_add(w->batch, w->first, prompt + 40, 3, NULL));
    ck_ok(clkv_batch_add(w->batch, w->second, prompt + 50, 60, NULL));
    if (state == OPEN) return;
    ck_ok(clkv_batch_reserve(w->batch));
    if (state == WRITTEN) ck_ok(clkv_batch_get_slots(w->batch, 0, NULL, NULL));
    if (state == COMMITTED) ck_ok(clkv_batch_commit(w->batch));
}

static void destroy(world *w, int what)
{
    if (what == MANAGER) clkv_manager_destroy(&w->m);
    if (what == MANAGER) w->owned = 0;
    if (what == BATCH) clkv_batch_destroy(&w->batch);
    if (what == FIRST) clkv_sequence_destroy(&w->first);
    if (what == SECOND) clkv_sequence_destroy(&w->second);
}

/* The number-th order of the handles. */
static void order_of(uint32_t number, int *order)
{
    int left[HANDLES] = {MANAGER, BATCH, FIRST, SECOND};
    for (uint32_t i = 0; i < HANDLES; i++) {
        const uint32_t at = number % (HANDLES - i);
        number /= HANDLES - i;
        order[i] = left[at];
        left[at] = left[HANDLES - 1 - i];
    }
}

START_TEST(handles_end_in_every_order)
{
    clkv_set_allocator(&(clkv_allocator){fail_resize, &memory});
    for (uint32_t number = 0; number < 24; number++) {
        world w;
        int order[HANDLES];
        order_of(number, order);
        begin(&w, _i);
        ck_assert_uint_gt(w.calls, 0);
        for (int i = 0; i < HANDLES; i++) {
            if (w.m) ck_valid(clkv_manager_validate(w.m));
            destroy(&w, order[i]);
        }
        ck_assert_int_eq(w.late, 0);
        ck_assert_uint_eq(memory.live_bytes, 0);
    }
    clkv_set_allocator(NULL);
}
END_TEST

/* Whoever is left goes on: lengths, tables, another step; nobody hears of it. */
START_TEST(what_is_left_goes_on_without_its_manager)
{
    clkv_set_allocator(&(clkv_allocator){fail_resize, &memory});
    world w;
    begin(&w, _i);
    clkv_manager *inside = w.m;
    destroy(&w, MANAGER);
    ck_assert_ptr_null(w.m);
    ck_valid(clkv_manager_validate(inside));
    const size_t length = clkv_sequence_length(w.first);
    if (_i == RESERVED || _i == WRITTEN) {
        const int32_t *positions;
        uint32_t n;
        ck_ok(clkv_batch_get_positions(w.batch, &positions, &n));
        ck_assert_uint_eq(n, 63);
        ck_assert_int_eq(positions[0], 40);
        ck_ok(clkv_batch_commit(w.batch));
        ck_assert_uint_eq(clkv_sequence_length(w.first), length + 3);
    }
    ck_ok(clkv_batch_clear(w.batch));
    clkv_sequence *fork = NULL;
    ck_ok(clkv_sequence_fork(&fork, w.first, 3));
    ck_ok(clkv_batch_add(w.batch, fork, prompt, 1, NULL));
    ck_ok(clkv_batch_reserve(w.batch)); /* asks no clock whose owner is gone */
    const uint32_t *table = NULL;
    size_t n_blocks = 0;
    ck_ok(clkv_sequence_get_table(fork, 0, &table, &n_blocks));
    ck_assert_uint_eq(n_blocks, (clkv_sequence_length(fork) + 15) / 16);
    ck_ok(clkv_batch_commit(w.batch));
    ck_ok(clkv_sequence_preempt(w.second));
    ck_valid(clkv_manager_validate(inside));
    clkv_sequence_destroy(&w.second);
    clkv_sequence_destroy(&w.first);
    clkv_batch_destroy(&w.batch);
    clkv_sequence_destroy(&fork);
    ck_assert_int_eq(w.late, 0);
    ck_assert_uint_eq(memory.live_bytes, 0);
    clkv_set_allocator(NULL);
}
END_TEST

static void setup(void)
{
    memset(&memory, 0, sizeof memory);
    fill_tokens(prompt, 256, 1);
}

int main(void)
{
    Suite *suite = suite_create("life");
    TCase *tests = tcase_create("life");
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_loop_test(tests, handles_end_in_every_order, 0, STATES);
    tcase_add_loop_test(tests, what_is_left_goes_on_without_its_manager, 0, STATES);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
