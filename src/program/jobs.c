/* jobs.c: see jobs.h. SPDX-License-Identifier: Apache-2.0 */
#include "program/jobs.h"

#include "core/error.h"
#include "os/environment.h"
#include "os/thread.h"

#include <stdlib.h>

#define MAX_THREADS 64u
#define STACK_BYTES ((size_t)8 << 20) /* a compiler needs more than some systems give a thread */

typedef struct work {
    const clkv_jobs *jobs;
    clkv_mutex lock; /* guards the members below */
    clkv_cond changed;
    uint32_t next, done, running;
    uint32_t failed; /* the index of the error below; n: none */
    clkv_error error;
} work;

uint32_t clkv_jobs_threads(void)
{
    char wanted[32];
    long n = clkv_os_environment("CLKV_COMPILE_THREADS", wanted, sizeof wanted) ? strtol(wanted, NULL, 10) : 0;
    if (n < 1) n = (long)clkv_os_processors();
    return n < (long)MAX_THREADS ? (uint32_t)n : MAX_THREADS;
}

/* Takes the next job, if there is one and no job has failed. */
static int begin(work *w, uint32_t *index)
{
    if (w->failed < w->jobs->n || w->next == w->jobs->n) return 0;
    *index = w->next++;
    return 1;
}

static void end(work *w, uint32_t index, clkv_status st)
{
    if (st == CLKV_OK) {
        w->done++;
    } else if (index < w->failed) {
        w->failed = index;
        w->error = *clkv_last_error();
    }
}

static void worker(void *p)
{
    work *w = p;
    uint32_t index;
    clkv_mutex_lock(&w->lock);
    while (begin(w, &index)) {
        clkv_mutex_unlock(&w->lock);
        const clkv_status st = w->jobs->run(w->jobs->user, index);
        clkv_mutex_lock(&w->lock);
        end(w, index, st);
        clkv_cond_signal(&w->changed);
    }
    w->running--;
    clkv_cond_signal(&w->changed);
    clkv_mutex_unlock(&w->lock);
}

static void report_progress(const work *w, uint32_t done)
{
    const clkv_jobs *jobs = w->jobs;
    if (jobs->on_progress) jobs->on_progress(jobs->progress_user, done, jobs->n);
}

/* Runs the jobs on the calling thread, in order. */
static void run_here(work *w)
{
    uint32_t index;
    while (begin(w, &index)) {
        const clkv_status st = w->jobs->run(w->jobs->user, index);
        end(w, index, st);
        if (st == CLKV_OK) report_progress(w, w->done);
    }
}

/* Starts threads, and returns their number. */
static uint32_t start(work *w, clkv_thread *threads, uint32_t wanted)
{
    clkv_mutex_lock(&w->lock);
    uint32_t n = 0;
    while (n < wanted && !clkv_thread_start(&threads[n], STACK_BYTES, worker, w)) n++;
    w->running = n;
    clkv_mutex_unlock(&w->lock);
    return n;
}

/* Reports progress until the last thread has ended. */
static void watch(work *w)
{
    uint32_t told = 0;
    clkv_mutex_lock(&w->lock);
    while (w->running || w->done != told) {
        if (w->done == told) {
            clkv_cond_wait(&w->changed, &w->lock);
            continue;
        }
        told = w->done;
        clkv_mutex_unlock(&w->lock);
        report_progress(w, told);
        clkv_mutex_lock(&w->lock);
    }
    clkv_mutex_unlock(&w->lock);
}

clkv_status clkv_jobs_run(const clkv_jobs *jobs, uint32_t threads)
{
    work w = { .jobs = jobs, .failed = jobs->n };
    clkv_thread started[MAX_THREADS];
    uint32_t n = 0;
    if (threads > jobs->n) threads = jobs->n;
    if (threads > MAX_THREADS) threads = MAX_THREADS;
    report_progress(&w, 0);
    if (threads > 1 && !clkv_mutex_init(&w.lock)) {
        if (!clkv_cond_init(&w.changed)) {
            n = start(&w, started, threads);
            watch(&w);
            for (uint32_t i = 0; i < n; i++) clkv_thread_join(&started[i]);
            clkv_cond_destroy(&w.changed);
        }
        clkv_mutex_destroy(&w.lock);
    }
    if (n == 0) run_here(&w);
    return w.failed < jobs->n ? clkv_error_restore(&w.error) : CLKV_OK;
}
