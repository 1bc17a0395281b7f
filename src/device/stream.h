/* stream.h: the commands of one cache, in order on whatever queue the caller gave.
 *
 * An in-order queue orders by itself. On an out-of-order queue every command also waits for the last one
 * of the same stream. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_DEVICE_STREAM_H
#define CLKV_DEVICE_STREAM_H

#include <clkv/device.h>

typedef struct clkv_stream {
    clkv_device *device;
    cl_command_queue queue;
    int out_of_order;
    cl_event last; /* out-of-order only; owned */
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

/* Waits for the stream's last command and forgets it. For teardown only. */
void clkv_stream_finish(clkv_stream *stream);

#endif
