/* stream.h: the commands of one cache, in order on whatever queue the caller gave.
 *
 * An in-order queue orders by itself. On an out-of-order queue every command also waits for the last one
 * of the same stream; if that one has failed on the device, so does the next call (DEVICE), which says so, and
 * the stream begins anew: a driver may never run what waits for a failed command.
 *
 * An event of the caller's wait list that has failed already makes the call fail (DEVICE). pocl 3.1 would neither run
 * nor fail the command. It also aborts when a command fails whose event nobody holds while others wait for it; the watch
 * holds them all. And it aborts now and then when, of two events that a command waits for, one fails while the other
 * completes: nothing here can prevent that. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_DEVICE_STREAM_H
#define CLKV_DEVICE_STREAM_H

#include "device/event.h"
#include "device/watch.h"

typedef struct clkv_stream {
    clkv_device *device;
    cl_command_queue queue;
    int out_of_order;
    cl_event last; /* out-of-order only; owned */
    cl_event also; /* in-order only, borrowed: the next command must not run unless this one has succeeded */
    clkv_watch *watch;  /* borrowed: gets every command; or NULL */
    clkv_failure *set;  /* borrowed: the commands from now on belong to it; or NULL */
} clkv_stream;

void clkv_stream_init(clkv_stream *stream, clkv_device *device);

/* One kernel over n_groups · group work-items in one dimension. n_groups = 0: no launch; a marker if an
 * event is asked for. `what` names it in errors. event may be NULL. */
clkv_status clkv_stream_launch(clkv_stream *stream, const char *what, cl_kernel kernel, size_t n_groups,
                               size_t group, cl_uint n_wait, const cl_event *wait, cl_event *event);

/* Non-blocking write of [0, bytes) of a buffer; src must live until *done completes. done is required,
 * the caller releases it. */
clkv_status clkv_stream_write(clkv_stream *stream, cl_mem dst, const void *src, size_t bytes, cl_uint n_wait,
                              const cl_event *wait, cl_event *done);

clkv_status clkv_stream_fill(clkv_stream *stream, cl_mem dst, uint8_t byte, size_t bytes);

/* The next launch runs only if `event` (NULL: nothing) succeeds. An in-order queue runs a command also when an
 * earlier one has failed; on an out-of-order one the stream sees to it. The event must live until then. */
void clkv_stream_only_after(clkv_stream *stream, cl_event event);

/* Waits for the stream's last command and forgets it. For teardown only. */
void clkv_stream_finish(clkv_stream *stream);

#endif
