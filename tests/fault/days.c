/* days.c: see days.h. SPDX-License-Identifier: Apache-2.0 */
#include "days.h"

#include <stdio.h>
#include <string.h>

enum { MAX_STEPS = 200 };

/* Which fault a step meets next. */
typedef struct cursor {
    uint64_t at; /* 0: it has met them all */
    uint32_t choice;
} cursor;

typedef struct day {
    workload *w;
    const days_injector *injector; /* NULL: undisturbed */
    cursor *cursors;
    days_result *result;
} day;

static void advance(cursor *c, const days_injector *injector)
{
    if (++c->choice < injector->choices()) return;
    c->choice = 0;
    c->at++;
}

/* An upload has failed: every other time its reservation is given back and made again. All must be as it was
 * before. */
static void reserve_again(const day *d, size_t index, const char *before)
{
    ck_ok(clkv_batch_rollback(d->w->batch));
    ck_valid(clkv_manager_validate(d->w->manager));
    char *now = workload_state(d->w, 1);
    ck_assert_msg(!strcmp(now, before), "before it was reserved:\n%s\nrolled back:\n%s", before, now);
    free(now);
    ck_ok(workload_steps[index].run(d->w, &workload_steps[index]));
}

/* Runs a step with its fault. 1 when it is done. */
static int disturbed(const day *d, size_t index)
{
    const workload_step *step = &workload_steps[index];
    cursor *c = &d->cursors[index];
    char *before = workload_state(d->w, 0);
    d->injector->arm(c->at, c->choice);
    const clkv_status st = step->run(d->w, step);
    const int happened = d->injector->disarm();
    if (happened && st != CLKV_OK) {
        const char *wrong = d->injector->check(st);
        ck_assert_msg(!wrong, "step %zu (%s), %s %llu: %s: status %d, %s: %s", index, step->name, d->injector->name,
                      (unsigned long long)c->at, wrong, (int)st, clkv_last_error()->where,
                      clkv_last_error()->message);
        char *after = workload_state(d->w, 0);
        ck_assert_msg(!strcmp(before, after), "step %zu (%s), %s %llu: before:\n%s\nafter:\n%s", index, step->name,
                      d->injector->name, (unsigned long long)c->at, before, after);
        free(after);
        if (d->w->manager) ck_valid(clkv_manager_validate(d->w->manager));
        d->result->failed++;
    } else {
        ck_assert_msg(st == CLKV_OK, "step %zu (%s): %s", index, step->name, clkv_last_error()->message);
        d->result->absorbed += (uint64_t)happened;
    }
    free(before);
    if (happened) advance(c, d->injector);
    else c->at = 0;
    return st == CLKV_OK;
}

static void run_day(const day *d)
{
    char *before_reserve = NULL;
    workload_begin(d->w);
    for (size_t i = 0; i < workload_n_steps; i++) {
        const workload_step *step = &workload_steps[i];
        if (!strcmp(step->name, "reserve")) {
            free(before_reserve);
            before_reserve = workload_state(d->w, 1);
        }
        int done = 0;
        if (d->injector && d->cursors[i].at) {
            done = disturbed(d, i);
            if (!done && !strcmp(step->name, "upload") && d->result->failed % 2)
                reserve_again(d, i - 1, before_reserve);
        }
        if (!done && step->run(d->w, step))
            ck_abort_msg("step %zu (%s): %s", i, step->name, clkv_last_error()->message);
        workload_look(d->w, step);
    }
    free(before_reserve);
}

static int all_met(const cursor *cursors)
{
    for (size_t i = 0; i < workload_n_steps; i++)
        if (cursors[i].at) return 0;
    return 1;
}

days_result days_run(workload *w, const days_injector *injector)
{
    cursor cursors[MAX_STEPS];
    days_result result = { 0 };
    ck_assert_uint_le(workload_n_steps, MAX_STEPS);
    for (size_t i = 0; i < workload_n_steps; i++) cursors[i] = (cursor){ 1, 0 };
    const day undisturbed = { w, NULL, NULL, &result };
    run_day(&undisturbed);
    const size_t bytes = w->bytes;
    char *truth = w->transcript;
    w->transcript = NULL;
    workload_end(w);
    while (!all_met(cursors)) {
        const day d = { w, injector, cursors, &result };
        run_day(&d);
        ck_assert_uint_eq(w->bytes, bytes);
        for (size_t i = 0; i < bytes; i++)
            if (w->transcript[i] != truth[i])
                ck_abort_msg("day %llu: byte %zu of the transcript differs", (unsigned long long)result.days + 1, i);
        workload_end(w);
        const char *left = injector->left();
        ck_assert_msg(!left, "day %llu: left at its end: %s", (unsigned long long)result.days + 1, left);
        result.days++;
    }
    free(truth);
    return result;
}
