/* jobs.h: runs a list of jobs on several threads, to compile kernels. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_PROGRAM_JOBS_H
#define CLKV_PROGRAM_JOBS_H

#include <clkv/status.h>

typedef struct clkv_jobs {
    uint32_t n;
    clkv_status (*run)(void *user, uint32_t index); /* called on several threads, once for each index */
    void *user;
    void (*on_progress)(void *user, uint32_t done, uint32_t total); /* on the calling thread; or NULL */
    void *progress_user;
} clkv_jobs;

/* The number of threads that compile: CLKV_COMPILE_THREADS, or the number of processors. */
uint32_t clkv_jobs_threads(void);

/* Runs all jobs, and returns when none is running. With threads = 1 they run on the calling thread, in order. Once a
 * job has failed, no other job is started. The returned error is that of the failed job with the lowest index; it
 * becomes the last error of the calling thread. on_progress is called at the start and whenever more jobs are done.
 * If no thread can be created, the calling thread runs the jobs. */
clkv_status clkv_jobs_run(const clkv_jobs *jobs, uint32_t threads);

#endif
