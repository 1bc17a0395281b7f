/* days.h: the workload, day after day, until every step has met every fault.
 *
 *   day 0       undisturbed: its transcript is the truth
 *   day n       every step is run with its n-th fault; what fails must have changed nothing, is run again without,
 *               and at the end of the day the transcript is the same and nothing is left
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TESTS_DAYS_H
#define CLKV_TESTS_DAYS_H

#include "workload.h"

/* What makes steps fail: calls of the driver, or host allocations. */
typedef struct days_injector {
    const char *name;
    void (*arm)(uint64_t at, uint32_t choice); /* the at-th from now, in the choice-th way */
    int (*disarm)(void);                       /* has it happened? */
    uint32_t (*choices)(void);                 /* in how many ways that one can fail */
    const char *(*check)(clkv_status st);      /* NULL: the status and clkv_last_error() say the right thing */
    const char *(*left)(void);                 /* NULL: nothing is left at the end of a day */
} days_injector;

typedef struct days_result {
    uint64_t days, failed, absorbed; /* steps that failed, and steps that did what they should all the same */
} days_result;

days_result days_run(workload *w, const days_injector *injector);

#endif
