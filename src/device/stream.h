/* stream.h: the commands of one cache, in order on the queue of the caller.
 *
 * An in-order queue orders commands itself. On an out-of-order queue every command also waits for the last command of
 * the same stream. If that command has failed on the device, the next call reports it (DEVICE), and the stream begins
 * anew, because a driver may never run a command that waits for a failed one.
 *
 * When an event of the caller's wait list has failed already, the call fails (DEVICE), because pocl 3.1 would neither
 * run nor fail the command. pocl 3.1 also aborts when a command fails whose event nobody holds while other commands
 * wait for it; the watch holds all events. It also aborts now and then when a command waits for two events, and one of
 * them fails while the other completes; clkv cannot prevent that. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_DEVICE_STREAM_H
#define CLKV_DEVICE_STREAM_H

#include "device/event.h"
#include "device/watch.h"

typedef struct clkv_stream {
    clkv_device *device;
    cl_command_queue queue;
    int out_of_order;
    cl_event last; /* out-of-order only; owned */
    cl_event also; /* in-order only, borrowed: the next command must not run unless this event succeeds */
    clkv_watch *watch;  /* borrowed: gets every command; or NULL */
    clkv_failure *set;  /* borrowed: the set to which new commands belong; or NULL */
} clkv_stream;

void clkv_stream_init(clkv_stream *stream, clkv_device *device);

/* Launches a kernel over n_groups · group work-items in one dimension. With n_groups = 0 there is no launch, but a
 * marker if an event is wanted. `what` names the kernel in errors. event may be NULL. */
clkv_status clkv_stream_launch(clkv_stream *stream, const char *what, cl_kernel kernel, size_t n_groups,
                               size_t group, cl_uint n_wait, const cl_event *wait, cl_event *event);

/* Enqueues a non-blocking write of [0, bytes) of a buffer; src must stay valid until *done completes. `done` is
 * required; the caller releases the event. */
clkv_status clkv_stream_write(clkv_stream *stream, cl_mem dst, const void *src, size_t bytes, cl_uint n_wait,
                              const cl_event *wait, cl_event *done);

clkv_status clkv_stream_fill(clkv_stream *stream, cl_mem dst, uint8_t byte, size_t bytes);

/* Makes the next launch run only if `event` (NULL: no condition) succeeds. This is for in-order queues, which run a
 * command even if an earlier one has failed; on an out-of-order queue the stream itself ensures it. The event must
 * stay valid until that launch. */
void clkv_stream_only_after(clkv_stream *stream, cl_event event);

/* Waits for the last command of the stream and releases its event. For teardown only. */
void clkv_stream_finish(clkv_stream *stream);

#endif
