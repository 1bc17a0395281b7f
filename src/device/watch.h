/* watch.h: remembers commands until their outcome is seen, so that a failure on the device is noticed without waiting.
 *
 *   command enqueued ─▶ add ─▶ oldest … newest ─▶ looked at: complete ─▶ forgotten
 *                                                          └ failed   ─▶ told of the watch, and of the set it belongs to
 *
 * Each new command costs one look, at the oldest. So on an in-order queue no more events are held than were ever
 * under way at one time.
 *
 * Thread-safe. Its lock is the innermost one: with it held only OpenCL is called, and nothing there waits.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_DEVICE_WATCH_H
#define CLKV_DEVICE_WATCH_H

#include <clkv/device.h>

/* The first failure among some commands; code 0: none is known. */
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

/* To be called before a command is enqueued, by one thread at a time: clkv_watch_add then has room. NO_MEMORY. */
clkv_status clkv_watch_make_room(clkv_watch *watch);
/* Takes over the event of a new command. `set` (NULL: none) is told if it fails. */
void clkv_watch_add(clkv_watch *watch, cl_event event, const char *call, const char *what, clkv_failure *set);

/* Looks at all commands. The first failure since the last call; code 0: none. */
clkv_failure clkv_watch_take_failure(clkv_watch *watch);
/* Looks at all commands. The first failure of a set. */
clkv_failure clkv_watch_look(clkv_watch *watch, const clkv_failure *set);
/* The set ends: its commands count for it no longer, and no failure is known of it. */
void clkv_watch_end_set(clkv_watch *watch, clkv_failure *set);

/* Makes a failure the calling thread's last error: DEVICE, with the command's code. */
clkv_status clkv_failure_tell(const clkv_failure *failure);

#endif
