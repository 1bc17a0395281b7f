/* jobs.h: does a list of jobs on several threads, for those who compile. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_PROGRAM_JOBS_H
#define CLKV_PROGRAM_JOBS_H

#include <clkv/status.h>

typedef struct clkv_jobs {
    uint32_t n;
    clkv_status (*run)(void *user, uint32_t index); /* from several threads, each index once */
    void *user;
    void (*on_progress)(void *user, uint32_t done, uint32_t total); /* on the calling thread; NULL: nobody asks */
    void *progress_user;
} clkv_jobs;

/* How many threads compile: CLKV_COMPILE_THREADS, or as many as there are processors. */
uint32_t clkv_jobs_threads(void);

/* Does all jobs, and returns when none is under way any more. With threads = 1 they run on the calling thread, in
 * order. Once a job has failed no other is begun; the error that is returned, and is then the calling thread's last
 * error, is that of the failed job with the lowest index. Progress is told at the start and whenever more are done.
 * Where no thread can be made the calling one does the work. */
clkv_status clkv_jobs_run(const clkv_jobs *jobs, uint32_t threads);

#endif
