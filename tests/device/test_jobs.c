/* test_jobs.c: a list of jobs on several threads: each is done once, the first failure is told, and nothing goes on
 * after the call. SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L /* setenv */
#include "../variables.h"

#include "../unit/support.h"

#include "core/error.h"
#include "program/jobs.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

enum { JOBS = 20 };

typedef struct desk {
    atomic_uint runs[JOBS], under_way, most;
    uint32_t fail_from; /* jobs from this index on fail; JOBS: none */
    pthread_t caller;
    uint32_t n_told, told[JOBS + 2];
    atomic_uint on_caller;
} desk;

static clkv_status run(void *user, uint32_t index)
{
    desk *d = user;
    const unsigned now = atomic_fetch_add(&d->under_way, 1) + 1;
    unsigned most = atomic_load(&d->most);
    while (most < now && !atomic_compare_exchange_weak(&d->most, &most, now)) continue;
    atomic_fetch_add(&d->runs[index], 1);
    if (pthread_equal(pthread_self(), d->caller)) atomic_fetch_add(&d->on_caller, 1);
    const int fails = index >= d->fail_from;
    if (fails) clkv_error_set(CLKV_ERROR_BUILD, -11, "test", "job %u", (unsigned)index);
    atomic_fetch_sub(&d->under_way, 1);
    return fails ? CLKV_ERROR_BUILD : CLKV_OK;
}

static void tell(void *user, uint32_t done, uint32_t total)
{
    desk *d = user;
    ck_assert(pthread_equal(pthread_self(), d->caller));
    ck_assert_uint_eq(total, JOBS);
    ck_assert_uint_le(d->n_told, JOBS);
    d->told[d->n_told++] = done;
}

static clkv_status do_jobs(desk *d, uint32_t threads, uint32_t fail_from)
{
    memset(d, 0, sizeof *d);
    d->fail_from = fail_from;
    d->caller = pthread_self();
    const clkv_jobs jobs = { .n = JOBS, .run = run, .user = d, .on_progress = tell, .progress_user = d };
    return clkv_jobs_run(&jobs, threads);
}

START_TEST(all_are_done_once)
{
    static const uint32_t threads[] = { 1, 2, 7, 1000 };
    desk d;
    ck_ok(do_jobs(&d, threads[_i], JOBS));
    for (int i = 0; i < JOBS; i++) ck_assert_uint_eq(d.runs[i], 1);
    ck_assert_uint_eq(d.on_caller, threads[_i] == 1 ? JOBS : 0);
    ck_assert_uint_le(d.most, threads[_i]);
    ck_assert_uint_eq(d.under_way, 0);
    ck_assert_uint_ge(d.n_told, 2);
    ck_assert_uint_eq(d.told[0], 0);
    ck_assert_uint_eq(d.told[d.n_told - 1], JOBS);
    for (uint32_t i = 1; i < d.n_told; i++) ck_assert_uint_gt(d.told[i], d.told[i - 1]);
    if (threads[_i] == 1) ck_assert_uint_eq(d.n_told, JOBS + 1);
}
END_TEST

START_TEST(the_first_failure_is_told)
{
    static const uint32_t threads[] = { 1, 4 };
    desk d;
    clkv_error_set(CLKV_ERROR_INVALID, 0, "before", "before");
    ck_assert_int_eq(do_jobs(&d, threads[_i], 5), CLKV_ERROR_BUILD);
    const clkv_error *e = clkv_last_error();
    ck_assert_int_eq(e->status, CLKV_ERROR_BUILD);
    ck_assert_int_eq(e->driver_code, -11);
    ck_assert_str_eq(e->where, "test");
    ck_assert_msg(strstr(e->message, "job 5") != NULL, "%s", e->message); /* begun before all that fail */
    uint32_t ran = 0;
    for (int i = 0; i < JOBS; i++) ran += d.runs[i];
    for (int i = 0; i <= 5; i++) ck_assert_uint_eq(d.runs[i], 1);
    ck_assert_uint_le(ran, 5 + threads[_i]); /* one a thread has begun meanwhile */
    ck_assert_uint_eq(d.under_way, 0);
}
END_TEST

START_TEST(threads)
{
    set_variable("CLKV_COMPILE_THREADS", "3");
    ck_assert_uint_eq(clkv_jobs_threads(), 3);
    set_variable("CLKV_COMPILE_THREADS", "100000");
    ck_assert_uint_le(clkv_jobs_threads(), 64);
    static const char *const nothing[] = { "0", "-2", "", "many" };
    for (int i = 0; i < 4; i++) {
        set_variable("CLKV_COMPILE_THREADS", nothing[i]);
        ck_assert_uint_ge(clkv_jobs_threads(), 1);
        ck_assert_uint_le(clkv_jobs_threads(), 64);
    }
    set_variable("CLKV_COMPILE_THREADS", NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("jobs");
    TCase *tests = tcase_create("jobs");
    tcase_add_loop_test(tests, all_are_done_once, 0, 4);
    tcase_add_loop_test(tests, the_first_failure_is_told, 0, 2);
    tcase_add_test(tests, threads);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
