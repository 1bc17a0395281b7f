/* test_late.c: commands that are taken and fail on the device later, on a serving day. In every pass one command of the
 * pass fails; the caller learns it from a later call, or from the events; rolls back; makes the pass again.
 *
 *   reserve ─▶ upload, append … ─▶ an error, or an event that says so ─▶ rollback ─▶ reserve ─▶ the pass
 *
 * clkv_cache_check tells of the same failures. SPDX-License-Identifier: Apache-2.0 */
#include "fault.h"
#include "workload.h"

#include <stdio.h>
#include <string.h>

enum { PASS_STEPS = 5 }; /* upload, two layers of append and attention */

static fault_control *control;

/* What goes wrong in a pass. */
typedef enum trouble_kind {
    A_COMMAND,        /* its n-th command fails as soon as it is enqueued */
    THE_CALLERS_EVENT /* the upload waits for an event of the caller's, which fails when all is enqueued */
} trouble_kind;

typedef struct late_day {
    workload *w;
    trouble_kind trouble;
    uint64_t at;      /* which command; 0: an undisturbed day */
    uint32_t met;     /* passes that met it */
    cl_event events[PASS_STEPS + 1];
    uint32_t n_events;
} late_day;

static void keep_event(late_day *d)
{
    if (d->w->superseded) clReleaseEvent(d->w->superseded);
    if (d->w->last) d->events[d->n_events++] = d->w->last;
    d->w->superseded = d->w->last = NULL;
}

/* Whether a call of the pass, or one of its events, says that something has failed. */
static int pass_fails(late_day *d, size_t upload)
{
    cl_event callers = NULL;
    if (d->trouble == THE_CALLERS_EVENT) {
        callers = clCreateUserEvent(clkv_device_context(d->w->device), NULL);
        clRetainEvent(callers);
        d->w->last = callers;
    } else {
        fault_arm(control, FAULT_LATE, d->at, CL_OUT_OF_RESOURCES, 0);
    }
    int failed = 0;
    for (size_t i = upload; i < upload + PASS_STEPS && !failed; i++) {
        const clkv_status st = workload_steps[i].run(d->w, &workload_steps[i]);
        if (st == CLKV_OK) keep_event(d);
        failed = st != CLKV_OK;
        if (!failed) continue;
        ck_assert_int_eq(st, CLKV_ERROR_DEVICE);
        ck_assert_ptr_nonnull(strstr(clkv_last_error()->message, "failed on the device"));
    }
    control->watch = 0;
    control->mode = FAULT_NONE;
    if (callers) {
        ck_assert_int_eq(failed, 0);
        ck_assert_int_eq(clSetUserEventStatus(callers, CL_OUT_OF_RESOURCES), CL_SUCCESS);
        clReleaseEvent(callers);
    }
    for (uint32_t i = 0; i < d->n_events; i++) {
        failed |= clWaitForEvents(1, &d->events[i]) != CL_SUCCESS;
        clReleaseEvent(d->events[i]);
    }
    d->n_events = 0;
    if (failed) {
        ck_assert_int_eq(clkv_cache_check(d->w->cache), CLKV_ERROR_DEVICE);
        ck_assert_str_eq(clkv_last_error()->where, "clkv_cache_check");
        ck_assert_ptr_nonnull(strstr(clkv_last_error()->message, "failed on the device"));
    } else {
        ck_ok(clkv_cache_check(d->w->cache));
    }
    return failed;
}

/* The step at `reserve` is done. */
static void meet_trouble(late_day *d, size_t reserve, const char *before)
{
    if (!pass_fails(d, reserve + 1)) {
        ck_assert_uint_eq(control->failed, 0);
    } else {
        d->met++;
    }
    ck_ok(clkv_batch_rollback(d->w->batch));
    ck_valid(clkv_manager_validate(d->w->manager));
    char *now = workload_state(d->w, 1);
    /* What an upload has taken from the cache is lost: only in a day's last passes. */
    if (strstr(before, "\"blocks_cached\": 0,")) ck_assert_str_eq(before, now);
    free(now);
    ck_ok(workload_steps[reserve].run(d->w, &workload_steps[reserve]));
}

static void live(late_day *d)
{
    char *before = NULL;
    workload_begin(d->w);
    for (size_t i = 0; i < workload_n_steps; i++) {
        const workload_step *step = &workload_steps[i];
        const int reserves = !strcmp(step->name, "reserve");
        if (reserves) before = workload_state(d->w, 1);
        if (step->run(d->w, step)) {
            /* On an out-of-order queue the stream tells of the failed pass once more, to whoever comes next. */
            ck_assert_msg(d->at && d->w->out_of_order && strstr(clkv_last_error()->message, "failed on the device"),
                          "%s: %s", step->name, clkv_last_error()->message);
            ck_ok(step->run(d->w, step));
        }
        workload_look(d->w, step);
        if (reserves && d->at) meet_trouble(d, i, before);
        if (reserves) free(before);
        /* No command may wait for one that the day does not know to be good: the caller's events are over. */
        if (d->w->last) {
            ck_assert_int_eq(clWaitForEvents(1, &d->w->last), CL_SUCCESS);
            clReleaseEvent(d->w->last);
            d->w->last = NULL;
        }
    }
}

/* Tables differ where a pass was rolled back after its upload; what was computed does not. */
static void same(const workload *a, const workload *b)
{
    ck_assert_uint_eq(a->bytes, b->bytes);
    ck_assert_msg(!memcmp(a->transcript, b->transcript, a->bytes), "the transcript differs");
}

static void nothing_left(void)
{
    ck_assert_uint_eq(control->misuses, 0);
    for (int i = 0; i < FAULT_KINDS; i++) ck_assert_uint_eq(control->live[i], 0);
}

/* pocl 3.1 aborts now and then when one of the events that a command waits for fails while another one completes. Here
 * that is so when a command of the pass fails at once; the caller's event fails when everything else is over. */
static int is_pocl(void)
{
    clkv_device_info info = CLKV_PARAMS_INIT(clkv_device_info);
    size_t found = 0;
    ck_ok(clkv_device_list(&info, 1, &found));
    return !strcmp(info.platform, "Portable Computing Language");
}

static void live_through(int out_of_order, trouble_kind trouble)
{
    if (out_of_order && !workload_has_out_of_order()) {
        printf("not tried: the device has no out-of-order queues\n");
        return;
    }
    if (is_pocl() && trouble == A_COMMAND) {
        printf("not tried on pocl: it may abort\n");
        return;
    }
    workload truth = { .out_of_order = out_of_order, .no_tables = 1 };
    late_day undisturbed = { .w = &truth };
    live(&undisturbed);
    uint32_t met = 0, last;
    uint64_t at = 1;
    do {
        workload w = { .out_of_order = out_of_order, .no_tables = 1 };
        late_day d = { .w = &w, .trouble = trouble, .at = at++ };
        live(&d);
        same(&w, &truth);
        workload_end(&w);
        last = d.met;
        met += last;
    } while (last && trouble == A_COMMAND);
    workload_end(&truth);
    nothing_left();
    printf("%u passes failed on the device\n", (unsigned)met);
    ck_assert_uint_ge(met, trouble == A_COMMAND ? 40 : 8);
}

START_TEST(a_command_on_its_own_queue)
{
    live_through(0, A_COMMAND);
}
END_TEST

START_TEST(a_command_on_an_out_of_order_queue)
{
    live_through(1, A_COMMAND);
}
END_TEST

START_TEST(the_callers_event_on_its_own_queue)
{
    live_through(0, THE_CALLERS_EVENT);
}
END_TEST

START_TEST(the_callers_event_on_an_out_of_order_queue)
{
    live_through(1, THE_CALLERS_EVENT);
}
END_TEST

int main(void)
{
    const int skip = fault_without_layer(&control);
    if (skip >= 0) return skip;
    TCase *c = tcase_create("late");
    tcase_set_timeout(c, 0);
    tcase_add_test(c, a_command_on_its_own_queue);
    tcase_add_test(c, a_command_on_an_out_of_order_queue);
    tcase_add_test(c, the_callers_event_on_its_own_queue);
    tcase_add_test(c, the_callers_event_on_an_out_of_order_queue);
    Suite *s = suite_create("late");
    suite_add_tcase(s, c);
    return run_suite(s);
}
