/* ring.c: staging buffers for batch uploads. SPDX-License-Identifier: Apache-2.0 */
#include "device/ring.h"

#include "core/error.h"
#include "core/memory.h"
#include "device/buffer.h"
#include "device/process.h"

#include <string.h>

static const size_t least_bytes = 4096;

void clkv_ring_init(clkv_ring *ring, clkv_stream *stream)
{
    *ring = (clkv_ring){ .stream = stream };
}

/* Empties a slot. The driver keeps the memory object as long as enqueued commands use it. */
static void slot_clear(clkv_ring_slot *slot)
{
    clkv_event_release(&slot->written);
    clkv_buffer_release(&slot->mem);
    clkv_free(slot->host, slot->capacity);
    *slot = (clkv_ring_slot){ 0 };
}

/* Whether the driver no longer reads slot->host. A write that failed does not read it either. */
static int write_is_over(const clkv_ring_slot *slot)
{
    return !slot->written || clkv_event_status(slot->written) <= CL_COMPLETE;
}

void clkv_ring_destroy(clkv_ring *ring)
{
    for (size_t i = 0; i < ring->n; i++) {
        /* When waiting for the queue has failed, the driver may still read the slot. */
        if (!clkv_process_forked() && !write_is_over(ring->slots[i])) clWaitForEvents(1, &ring->slots[i]->written);
        slot_clear(ring->slots[i]);
        clkv_free(ring->slots[i], sizeof *ring->slots[i]);
    }
    clkv_free(ring->slots, ring->capacity * sizeof *ring->slots);
    *ring = (clkv_ring){ 0 };
}

/* Makes room for `bytes` in a free slot; the slot is unchanged after a failure. */
static clkv_status slot_make_room(clkv_ring_slot *slot, clkv_stream *stream, size_t bytes)
{
    size_t capacity = least_bytes;
    while (capacity < bytes) {
        if (capacity > SIZE_MAX / 2) return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "staging buffer of %zu bytes", bytes);
        capacity *= 2;
    }
    clkv_ring_slot bigger = { .capacity = capacity, .host = clkv_alloc(capacity) };
    if (!bigger.host) return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "staging buffer of %zu bytes", capacity);
    clkv_status st = clkv_buffer_create(&bigger.mem, stream->device, capacity, "staging buffer");
    if (st) {
        slot_clear(&bigger);
        return st;
    }
    slot_clear(slot);
    *slot = bigger;
    return CLKV_OK;
}

static clkv_status add_slot(clkv_ring *ring, size_t bytes, clkv_ring_slot **out)
{
    void *p = ring->slots;
    if (clkv_grow(&p, &ring->capacity, ring->n + 1, sizeof *ring->slots))
        return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "%zu staging slots", ring->n + 1);
    ring->slots = p;
    clkv_ring_slot *slot = clkv_alloc(sizeof *slot);
    if (!slot) return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "staging slot");
    clkv_status st = slot_make_room(slot, ring->stream, bytes);
    if (st) {
        clkv_free(slot, sizeof *slot);
        return st;
    }
    ring->slots[ring->n++] = slot;
    *out = slot;
    return CLKV_OK;
}

clkv_status clkv_ring_acquire(clkv_ring *ring, size_t bytes, clkv_ring_slot **out)
{
    /* Take the largest free slot: it fits, or is the cheapest to grow. */
    clkv_ring_slot *best = NULL;
    for (size_t i = 0; i < ring->n; i++) {
        clkv_ring_slot *slot = ring->slots[i];
        if (slot->held || (best && best->capacity >= slot->capacity) || !write_is_over(slot)) continue;
        best = slot;
    }
    clkv_status st = CLKV_OK;
    if (!best) st = add_slot(ring, bytes, &best);
    else if (best->capacity < bytes) st = slot_make_room(best, ring->stream, bytes);
    if (st) return st;
    clkv_event_release(&best->written);
    best->arrived = 0;
    best->held = 1;
    *out = best;
    return CLKV_OK;
}

clkv_status clkv_ring_submit(clkv_ring *ring, clkv_ring_slot *slot, size_t bytes, cl_uint n_wait,
                             const cl_event *wait, cl_event *event)
{
    if (bytes == 0 || bytes > slot->capacity)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "%zu bytes in a slot of %zu", bytes, slot->capacity);
    cl_event written = NULL;
    clkv_status st = clkv_stream_write(ring->stream, slot->mem, slot->host, bytes, n_wait, wait, &written);
    if (st) return st;
    /* Some drivers start no command before a flush: without it the slot would never become free. */
    clFlush(ring->stream->queue);
    clkv_event_release(&slot->written);
    slot->written = written;
    slot->arrived = 0;
    if (event) {
        const cl_int err = clRetainEvent(written);
        if (err != CL_SUCCESS) return CLKV_FAIL_DRIVER(err, "clRetainEvent", "event of an upload");
        *event = written;
    }
    return CLKV_OK;
}

clkv_status clkv_ring_ready(clkv_ring_slot *slot, cl_event *after)
{
    const cl_int status = slot->arrived || !slot->written ? CL_COMPLETE : clkv_event_status(slot->written);
    *after = status > CL_COMPLETE ? slot->written : NULL;
    slot->arrived = status == CL_COMPLETE;
    if (status >= CL_COMPLETE) return CLKV_OK;
    return CLKV_FAIL_DRIVER(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, "clEnqueueWriteBuffer",
                            "the upload failed on the device with %d: upload the batch again", (int)status);
}

int clkv_ring_arrived(clkv_ring_slot *slot)
{
    if (!slot->arrived && slot->written) slot->arrived = clkv_event_status(slot->written) == CL_COMPLETE;
    return slot->arrived;
}

int clkv_ring_failed(const clkv_ring_slot *slot)
{
    return !slot->arrived && slot->written && clkv_event_status(slot->written) < CL_COMPLETE;
}

void clkv_ring_release(clkv_ring *ring, clkv_ring_slot *slot)
{
    (void)ring;
    if (slot) slot->held = 0;
}

size_t clkv_ring_bytes(const clkv_ring *ring)
{
    size_t bytes = 0;
    for (size_t i = 0; i < ring->n; i++) bytes += ring->slots[i]->capacity;
    return bytes;
}
