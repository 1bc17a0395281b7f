/* stream.c: ordered commands on the caller's queue. SPDX-License-Identifier: Apache-2.0 */
#include "device/stream.h"

#include "core/error.h"
#include "core/memory.h"
#include "device/device.h"
#include "device/event.h"
#include "device/process.h"

#include <string.h>

/* The events that a command waits for: the caller's, and one of ours. On an out-of-order queue ours is the event of
 * the stream's last command. */
typedef struct waits {
    const cl_event *events;
    cl_uint n;
    cl_event own[16]; /* room for most lists */
    cl_event *heap;
} waits;

/* Sets *out to the event of ours that the next command waits for, or to NULL if its command is over. If that command
 * has failed, returns an error: a command that waits for it would fail too, or (pocl 3.1) never run and never end. */
static clkv_status earlier(clkv_stream *stream, cl_event also, cl_event *out)
{
    *out = stream->out_of_order ? stream->last : also;
    const cl_int status = *out ? clkv_event_status(*out) : CL_COMPLETE;
    if (status > CL_COMPLETE) return CLKV_OK;
    *out = NULL;
    clkv_event_release(&stream->last);
    if (status == CL_COMPLETE) return CLKV_OK;
    /* It may have failed because of the caller's wait list, while commands before it are still running. */
    if (stream->out_of_order && clEnqueueMarkerWithWaitList(stream->queue, 0, NULL, &stream->last) != CL_SUCCESS)
        stream->last = NULL;
    return CLKV_FAIL_DRIVER(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, "clGetEventInfo",
                            "an earlier command of the cache failed on the device with %d", (int)status);
}

void clkv_stream_only_after(clkv_stream *stream, cl_event event)
{
    stream->also = stream->out_of_order ? NULL : event;
}

/* Checks the caller's events: not every driver checks their contexts, and none checks whether they have failed. */
static clkv_status check_callers(const clkv_stream *stream, cl_uint n_wait, const cl_event *wait)
{
    if (n_wait && !wait) return CLKV_FAIL(CLKV_ERROR_INVALID, "wait is NULL and n_wait %u", (unsigned)n_wait);
    for (cl_uint i = 0; i < n_wait; i++) {
        cl_context context = NULL;
        const cl_int err = clGetEventInfo(wait[i], CL_EVENT_CONTEXT, sizeof context, &context, NULL);
        if (err != CL_SUCCESS)
            return CLKV_FAIL_DRIVER(err, "clGetEventInfo", "event %u of the wait list", (unsigned)i);
        if (context != stream->device->context)
            return CLKV_FAIL(CLKV_ERROR_INVALID, "event %u of the wait list is of another context", (unsigned)i);
        const cl_int status = clkv_event_status(wait[i]);
        if (status < CL_COMPLETE)
            return CLKV_FAIL_DRIVER(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, "clGetEventInfo",
                                    "event %u of the wait list has failed with %d", (unsigned)i, (int)status);
    }
    return CLKV_OK;
}

/* Builds the wait list, and makes room in the watch for the command that follows. */
static clkv_status waits_make(waits *w, clkv_stream *stream, cl_event also, cl_uint n_wait, const cl_event *wait)
{
    cl_event extra = NULL;
    clkv_status st = check_callers(stream, n_wait, wait);
    if (!st) st = earlier(stream, also, &extra);
    if (!st && stream->watch) st = clkv_watch_make_room(stream->watch);
    if (st) return st;
    w->heap = NULL;
    w->events = n_wait ? wait : NULL;
    w->n = n_wait;
    if (!extra) return CLKV_OK;

    cl_event *list = w->own;
    w->n = n_wait + 1;
    if (w->n > sizeof w->own / sizeof *w->own) {
        list = w->heap = clkv_alloc(w->n * sizeof *list);
        if (!list) return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "wait list of %u events", (unsigned)w->n);
    }
    if (n_wait) memcpy(list, wait, n_wait * sizeof *list);
    list[n_wait] = extra;
    w->events = list;
    return CLKV_OK;
}

static void waits_free(waits *w)
{
    clkv_free(w->heap, w->n * sizeof *w->heap);
}

/* The place for the command's event, if the caller, the stream or the watch needs it; else NULL. */
static cl_event *wanted(const clkv_stream *stream, cl_event *ours, const cl_event *callers)
{
    return stream->out_of_order || stream->watch || callers ? ours : NULL;
}

/* A second reference to the event of an enqueued command, when no failure can be reported any more. If the event
 * cannot be retained, it is the event of a marker. NULL if that fails too; then the command has been waited for. */
static cl_event another(const clkv_stream *stream, cl_event event)
{
    if (clRetainEvent(event) == CL_SUCCESS) return event;
    cl_event marker = NULL;
    if (clEnqueueMarkerWithWaitList(stream->queue, 1, &event, &marker) == CL_SUCCESS) return marker;
    clWaitForEvents(1, &event);
    return NULL;
}

/* Takes over the reference to `ours`, if there is one: remembers the event, and gives the caller a reference of its
 * own. `call` is the function that enqueued the command, `what` the command's name. */
static void advance(clkv_stream *stream, cl_event ours, const char *call, const char *what, cl_event *callers)
{
    if (!ours) return;
    if (callers) *callers = ours;
    if (stream->out_of_order) {
        if (stream->last) clReleaseEvent(stream->last);
        stream->last = callers ? another(stream, ours) : ours;
    }
    if (!stream->watch) return;
    cl_event seen = callers || stream->out_of_order ? another(stream, ours) : ours;
    if (seen) clkv_watch_add(stream->watch, seen, call, what, stream->set);
}

void clkv_stream_init(clkv_stream *stream, clkv_device *device)
{
    *stream = (clkv_stream){
        .device = device,
        .queue = device->queue,
        .out_of_order = device->facts.info.out_of_order,
    };
}

clkv_status clkv_stream_launch(clkv_stream *stream, const char *what, cl_kernel kernel, size_t n_groups,
                               size_t group, cl_uint n_wait, const cl_event *wait, cl_event *event)
{
    cl_event also = stream->also; /* for this launch, whether it succeeds or not */
    stream->also = NULL;
    if (n_groups == 0 && !event) return CLKV_OK;
    if (n_groups && group > SIZE_MAX / n_groups)
        return CLKV_FAIL(CLKV_ERROR_UNSUPPORTED, "%s: %zu groups of %zu work-items", what, n_groups, group);
    waits w;
    clkv_status st = waits_make(&w, stream, also, n_wait, wait);
    if (st) return st;
    cl_event ours = NULL;
    const size_t global = n_groups * group;
    const char *call = n_groups ? "clEnqueueNDRangeKernel" : "clEnqueueMarkerWithWaitList";
    cl_int err;
    if (n_groups == 0) {
        err = clEnqueueMarkerWithWaitList(stream->queue, w.n, w.events, &ours);
        if (err != CL_SUCCESS) st = CLKV_FAIL_DRIVER(err, call, "%s", what);
    } else {
        err = clEnqueueNDRangeKernel(stream->queue, kernel, 1, NULL, &global, &group, w.n, w.events,
                                     wanted(stream, &ours, event));
        if (err != CL_SUCCESS)
            st = CLKV_FAIL_DRIVER(err, call, "%s: %zu groups of %zu", what, n_groups, group);
    }
    waits_free(&w);
    if (!st) advance(stream, ours, call, what, event);
    return st;
}

clkv_status clkv_stream_write(clkv_stream *stream, cl_mem dst, const void *src, size_t bytes, cl_uint n_wait,
                              const cl_event *wait, cl_event *done)
{
    waits w;
    clkv_status st = waits_make(&w, stream, NULL, n_wait, wait);
    if (st) return st;
    cl_event ours = NULL;
    cl_int err = clEnqueueWriteBuffer(stream->queue, dst, CL_FALSE, 0, bytes, src, w.n, w.events, &ours);
    if (err != CL_SUCCESS) st = CLKV_FAIL_DRIVER(err, "clEnqueueWriteBuffer", "%zu bytes", bytes);
    waits_free(&w);
    if (!st) advance(stream, ours, "clEnqueueWriteBuffer", "an upload", done);
    return st;
}

clkv_status clkv_stream_fill(clkv_stream *stream, cl_mem dst, uint8_t byte, size_t bytes)
{
    /* Wide patterns fill faster; the pattern has to divide the size. */
    uint8_t pattern[16];
    memset(pattern, byte, sizeof pattern);
    const size_t width = bytes % sizeof pattern ? 1 : sizeof pattern;
    waits w;
    clkv_status st = waits_make(&w, stream, NULL, 0, NULL);
    if (st) return st;
    cl_event ours = NULL;
    cl_int err = clEnqueueFillBuffer(stream->queue, dst, pattern, width, 0, bytes, w.n, w.events,
                                     wanted(stream, &ours, NULL));
    if (err != CL_SUCCESS) st = CLKV_FAIL_DRIVER(err, "clEnqueueFillBuffer", "%zu bytes", bytes);
    waits_free(&w);
    if (!st) advance(stream, ours, "clEnqueueFillBuffer", "a fill", NULL);
    return st;
}

void clkv_stream_finish(clkv_stream *stream)
{
    if (!stream->queue) return;
    if (clkv_process_forked()) {
        stream->last = NULL;
    } else if (stream->last) {
        clWaitForEvents(1, &stream->last);
        clkv_event_release(&stream->last);
    } else if (!stream->out_of_order) {
        clFinish(stream->queue);
    }
}
