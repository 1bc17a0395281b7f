/* jobs.c: see jobs.h. SPDX-License-Identifier: Apache-2.0 */
#define _DEFAULT_SOURCE /* _SC_NPROCESSORS_ONLN */
#include "program/jobs.h"

#include "core/error.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define MAX_THREADS 64u
#define STACK_BYTES ((size_t)8 << 20) /* a compiler needs more than some systems give a thread */

typedef struct work {
    const clkv_jobs *jobs;
    pthread_mutex_t lock; /* guards the members below */
    pthread_cond_t changed;
    uint32_t next, done, running;
    uint32_t failed; /* the index of the error below; n: none */
    clkv_error error;
} work;

uint32_t clkv_jobs_threads(void)
{
    const char *wanted = getenv("CLKV_COMPILE_THREADS");
    long n = wanted ? strtol(wanted, NULL, 10) : 0;
    if (n < 1) n = sysconf(_SC_NPROCESSORS_ONLN);
    if (n < 1) n = 1;
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

static void *worker(void *p)
{
    work *w = p;
    uint32_t index;
    pthread_mutex_lock(&w->lock);
    while (begin(w, &index)) {
        pthread_mutex_unlock(&w->lock);
        const clkv_status st = w->jobs->run(w->jobs->user, index);
        pthread_mutex_lock(&w->lock);
        end(w, index, st);
        pthread_cond_signal(&w->changed);
    }
    w->running--;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static void tell(const work *w, uint32_t done)
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
        if (st == CLKV_OK) tell(w, w->done);
    }
}

/* Starts threads with all signals blocked, so that the threads of the caller get them. Returns their number. */
static uint32_t start(work *w, pthread_t *ids, uint32_t threads)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    if (pthread_attr_init(&attributes)) return 0;
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    pthread_mutex_lock(&w->lock);
    uint32_t n = 0;
    while (n < threads && !pthread_create(&ids[n], &attributes, worker, w)) n++;
    w->running = n;
    pthread_mutex_unlock(&w->lock);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return n;
}

/* Reports progress until the last thread has ended. */
static void watch(work *w)
{
    uint32_t told = 0;
    pthread_mutex_lock(&w->lock);
    while (w->running || w->done != told) {
        if (w->done == told) {
            pthread_cond_wait(&w->changed, &w->lock);
            continue;
        }
        told = w->done;
        pthread_mutex_unlock(&w->lock);
        tell(w, told);
        pthread_mutex_lock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
}

clkv_status clkv_jobs_run(const clkv_jobs *jobs, uint32_t threads)
{
    work w = { .jobs = jobs, .failed = jobs->n };
    pthread_t ids[MAX_THREADS];
    uint32_t n = 0;
    if (threads > jobs->n) threads = jobs->n;
    if (threads > MAX_THREADS) threads = MAX_THREADS;
    tell(&w, 0);
    if (threads > 1 && !pthread_mutex_init(&w.lock, NULL)) {
        if (!pthread_cond_init(&w.changed, NULL)) {
            n = start(&w, ids, threads);
            watch(&w);
            for (uint32_t i = 0; i < n; i++) pthread_join(ids[i], NULL);
            pthread_cond_destroy(&w.changed);
        }
        pthread_mutex_destroy(&w.lock);
    }
    if (n == 0) run_here(&w);
    return w.failed < jobs->n ? clkv_error_restore(&w.error) : CLKV_OK;
}
