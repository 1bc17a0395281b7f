/* watch.h: remembers commands until their outcome is known, so that a failure on the device is noticed without waiting.
 *
 *   command enqueued ─▶ add ─▶ oldest … newest ─▶ looked at: complete ─▶ forgotten
 *                                                          └ failed   ─▶ noted in the watch and in the command's set
 *
 * Each new command makes the watch check one command, the oldest. So on an in-order queue the watch never holds more
 * events than the largest number of commands that were running or waiting at one time.
 *
 * Thread-safe. Its lock is the innermost lock: while it is held only OpenCL is called, and no call waits.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_DEVICE_WATCH_H
#define CLKV_DEVICE_WATCH_H

#include <clkv/device.h>

/* The first known failure among a set of commands; code 0: none is known. */
typedef struct clkv_failure {
    cl_int code;      /* the status of the command's event, negative */
    const char *call; /* the OpenCL function that enqueued it; static storage */
    const char *what; /* the command's name; static storage */
} clkv_failure;

typedef struct clkv_watch clkv_watch;

/* NO_MEMORY. */
clkv_status clkv_watch_create(clkv_watch **out);
/* Releases all events. Takes NULL. */
void clkv_watch_destroy(clkv_watch **watch);

/* Call it before a command is enqueued, on one thread at a time, so that clkv_watch_add has room. NO_MEMORY. */
clkv_status clkv_watch_make_room(clkv_watch *watch);
/* Takes over the event of a new command. If the command fails, the failure is noted in `set` (NULL: no set). */
void clkv_watch_add(clkv_watch *watch, cl_event event, const char *call, const char *what, clkv_failure *set);

/* Checks all commands. Returns the first failure since the last call; code 0: none. */
clkv_failure clkv_watch_take_failure(clkv_watch *watch);
/* Checks all commands. Returns the first failure of a set. */
clkv_failure clkv_watch_look(clkv_watch *watch, const clkv_failure *set);
/* Ends a set: its commands no longer belong to it, and its known failure is cleared. */
void clkv_watch_end_set(clkv_watch *watch, clkv_failure *set);

/* Makes a failure the last error of the calling thread: DEVICE, with the command's code. */
clkv_status clkv_failure_tell(const clkv_failure *failure);

#endif
