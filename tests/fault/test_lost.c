/* test_lost.c: the device is lost in the middle of a serving day: from some call on the driver refuses them all. Once
 * the cache is destroyed under these conditions, once the fault is lifted and the day goes on. Meanwhile another
 * device of the same process serves as ever. SPDX-License-Identifier: Apache-2.0 */
#include "fault.h"
#include "workload.h"

#include <clkv/log.h>

#include <stdio.h>
#include <string.h>

static fault_control *control;
static uint32_t told; /* lines about a lost device */

static void on_log(void *user, clkv_log_level level, const char *line)
{
    (void)user;
    told += level == CLKV_LOG_ERROR && strstr(line, "device lost: ") == line;
}

/* Runs steps from `first` on; the test's own calls pass. Returns the index of the one that failed, or n. */
static size_t go_on(workload *w, size_t first)
{
    for (size_t i = first; i < workload_n_steps; i++) {
        control->watch = control->mode != FAULT_NONE;
        const clkv_status st = workload_steps[i].run(w, &workload_steps[i]);
        control->watch = 0;
        if (st) return i;
        workload_look(w, &workload_steps[i]);
        if (w->manager) ck_valid(clkv_manager_validate(w->manager));
    }
    return workload_n_steps;
}

static void whole_day(workload *w)
{
    const fault_control saved = *control;
    control->mode = FAULT_NONE;
    control->failed = 0;
    const size_t end = go_on(w, 0);
    ck_assert_msg(end == workload_n_steps, "%s: %s", end < workload_n_steps ? workload_steps[end].name : "",
                  clkv_last_error()->message);
    control->mode = saved.mode;
    control->calls = saved.calls;
    control->failed = saved.failed;
}

static void same(const workload *a, const workload *b)
{
    ck_assert_uint_eq(a->bytes, b->bytes);
    ck_assert(!memcmp(a->transcript, b->transcript, a->bytes));
}

static void check_failure(const workload_step *step)
{
    const clkv_error *e = clkv_last_error();
    const char *gave = strstr(e->message, " gave CL_DEVICE_NOT_AVAILABLE (-2): ");
    ck_assert_msg(e->status == CLKV_ERROR_DEVICE_LOST && e->driver_code == CL_DEVICE_NOT_AVAILABLE && gave &&
                      gave == e->message + strcspn(e->message, " ") && !strncmp(e->where, "clkv_", 5),
                  "%s: status %d of %s: %s", step->name, (int)e->status, e->where, e->message);
}

static uint64_t device_bytes(const workload *w)
{
    clkv_stats s = CLKV_PARAMS_INIT(clkv_stats);
    if (w->cache) ck_ok(clkv_cache_get_stats(w->cache, &s));
    return s.device_bytes;
}

/* It goes on failing, is told once, and changes nothing; figures need no driver. */
static void try_again(workload *w, const workload_step *step)
{
    char *before = workload_state(w, 0);
    control->watch = 1;
    for (int i = 0; i < 3; i++) {
        ck_assert_int_ne(step->run(w, step), CLKV_OK);
        check_failure(step);
    }
    const uint64_t bytes = device_bytes(w);
    control->watch = 0;
    ck_assert_uint_eq(bytes, device_bytes(w));
    char *after = workload_state(w, 0);
    ck_assert_str_eq(before, after);
    free(before);
    free(after);
    if (w->cache) ck_assert_uint_eq(told, 1);
}

static void destroy(workload *w)
{
    control->watch = 1;
    clkv_batch_destroy(&w->batch);
    for (int i = 0; i < WORKLOAD_SEQUENCES; i++) clkv_sequence_destroy(&w->sequences[i]);
    clkv_cache_destroy(&w->cache);
    clkv_device_close(&w->device);
    control->watch = 0;
    w->manager = NULL;
}

static void nothing_left(void)
{
    ck_assert_uint_eq(control->misuses, 0);
    for (int i = 0; i < FAULT_KINDS; i++) ck_assert_uint_eq(control->live[i], 0);
}

/* One day for each call from which on all fail: every step-th of them. */
static void lose_everywhere(int out_of_order, uint64_t step, const char *other)
{
    workload truth = { .out_of_order = out_of_order };
    workload_begin(&truth);
    whole_day(&truth);
    uint64_t lost = 0;
    for (uint64_t at = 1;; at += step) {
        workload w = { .out_of_order = out_of_order }, second = { .select = other };
        workload_begin(&w);
        told = 0;
        fault_arm(control, FAULT_FROM, at, CL_DEVICE_NOT_AVAILABLE, 0);
        control->watch = 0;
        const size_t failed = go_on(&w, 0);
        const uint64_t happened = control->failed;
        const int lifted = (at / step) % 2 == 0;
        if (failed < workload_n_steps) {
            lost++;
            check_failure(&workload_steps[failed]);
            try_again(&w, &workload_steps[failed]);
            if (lost % 8 == 0) {
                whole_day(&second);
                same(&second, &truth);
            }
        }
        if (lifted && failed < workload_n_steps) {
            control->mode = FAULT_NONE;
            control->failed = 0;
            ck_assert_uint_eq(go_on(&w, failed), workload_n_steps);
            same(&w, &truth);
        }
        destroy(&w);
        workload_end(&w);
        workload_end(&second);
        control->mode = FAULT_NONE;
        if (!happened) break;
    }
    workload_end(&truth);
    nothing_left();
    printf("lost %llu times\n", (unsigned long long)lost);
    ck_assert_uint_gt(lost, 10);
}

/* Fewer days where a day takes long. */
static uint64_t coarse(void)
{
    const char *grid = getenv("CLKV_TEST_GRID");
    return grid && strcmp(grid, "full") ? 6 : 1;
}

/* Devices 0 and 1 are alike where POCL_DEVICES says so; else the same device is opened anew. */
static const char *other_device(void)
{
    size_t found = 0;
    ck_ok(clkv_device_list(NULL, 0, &found));
    return found > 1 ? "1" : NULL;
}

START_TEST(on_its_own_queue)
{
    lose_everywhere(0, 7 * coarse(), other_device());
}
END_TEST

START_TEST(on_an_out_of_order_queue)
{
    lose_everywhere(1, 11 * coarse(), other_device());
}
END_TEST

int main(void)
{
    const int skip = fault_without_layer(&control);
    if (skip >= 0) return skip;
    clkv_set_log(on_log, NULL, CLKV_LOG_ERROR);
    TCase *c = tcase_create("lost");
    tcase_set_timeout(c, 0);
    tcase_add_test(c, on_its_own_queue);
    tcase_add_test(c, on_an_out_of_order_queue);
    Suite *s = suite_create("lost");
    suite_add_tcase(s, c);
    return run_suite(s);
}
