/* workload.h: a small serving day as a list of steps, each one call of the library, with everything that the
 * device has: prefill, decode, prefix match, fork and copy-on-write, drafts, split contexts, gather, copy,
 * eviction, preemption, destruction.
 *
 *   steps[0 … n): run, and when it failed run again, until it is done
 *   transcript    what the steps found and computed: equal for equal days, whatever failed in between
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TESTS_WORKLOAD_H
#define CLKV_TESTS_WORKLOAD_H

#include "../unit/support.h"

#include <clkv/clkv.h>

#define WORKLOAD_SEQUENCES 6

typedef struct workload {
    int out_of_order;    /* on a queue of the test's own, else on clkv's */
    int no_tables;       /* block tables are left out of the transcript */
    const char *select;  /* which device, as in clkv_device_params */
    clkv_device *device;
    clkv_cache *cache;
    clkv_manager *manager;
    clkv_batch *batch;
    clkv_sequence *sequences[WORKLOAD_SEQUENCES];
    size_t matched;
    cl_context context;  /* with out_of_order */
    cl_device_id id;
    cl_command_queue queue;
    cl_mem q, k, v, o, lse;
    cl_event last;       /* of the last operation: the next one waits for it */
    cl_event superseded; /* the one before: to be released by workload_look */
    char *transcript;
    size_t bytes, capacity;
} workload;

typedef struct workload_step {
    const char *name;
    clkv_status (*run)(workload *w, const struct workload_step *step);
    uint32_t a, b, c;    /* what they mean depends on run */
} workload_step;

extern const workload_step workload_steps[];
extern const size_t workload_n_steps;

/* Whether the first device has such queues: else out_of_order is not for it. */
int workload_has_out_of_order(void);

/* What is the caller's: call it before the first step, after the device is open (on clkv's queue), and
 * after the last one. */
void workload_begin(workload *w);
void workload_end(workload *w);

/* What follows a step that is done: results go to the transcript. */
void workload_look(workload *w, const workload_step *step);

/* Counts, lists and tables of the host half, as text: two of them are equal when nothing has changed. malloc'ed.
 * but_for_rollback: without the two figures that a reservation and its rollback do change, the peak of used
 * blocks and the number of rollbacks. */
char *workload_state(const workload *w, int but_for_rollback);

#endif
