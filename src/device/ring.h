/* ring.h: staging buffers for batch uploads. A slot has a host buffer, a device buffer of the same size, and the event
 * of the last write from one to the other.
 *
 *   acquire ─▶ fill slot->host ─▶ submit ─▶ kernels read slot->mem ─▶ release
 *
 * A slot is reused when it is released and its write is complete. When there is no such slot, the ring grows instead of
 * waiting. Not thread-safe: the cache locks. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_DEVICE_RING_H
#define CLKV_DEVICE_RING_H

#include "device/stream.h"

typedef struct clkv_ring_slot {
    void *host;
    cl_mem mem;
    size_t capacity; /* bytes of both */
    cl_event written; /* of the last submit, or NULL */
    int arrived;      /* `written` is known to be complete */
    int held;
} clkv_ring_slot;

typedef struct clkv_ring {
    clkv_stream *stream;
    clkv_ring_slot **slots; /* a slot's address is stable */
    size_t n, capacity;
} clkv_ring;

void clkv_ring_init(clkv_ring *ring, clkv_stream *stream);
/* Waits for running writes, then frees the ring. */
void clkv_ring_destroy(clkv_ring *ring);
/* A free slot with room for `bytes` (at least 4 KiB; capacities double). NO_MEMORY, DEVICE_MEMORY, DEVICE. */
clkv_status clkv_ring_acquire(clkv_ring *ring, size_t bytes, clkv_ring_slot **out);
/* Enqueues one non-blocking write of the first `bytes`. event may be NULL. After a failure the slot is still held;
 * the write may have been enqueued, which the slot records. */
clkv_status clkv_ring_submit(clkv_ring *ring, clkv_ring_slot *slot, size_t bytes, cl_uint n_wait,
                             const cl_event *wait, cl_event *event);
/* For a command that reads the slot: sets *after to the event that must succeed before the command, or NULL. DEVICE:
 * the write has failed, and the content of the slot on the device is undefined. */
clkv_status clkv_ring_ready(clkv_ring_slot *slot, cl_event *after);
/* Whether the last write is known to be complete. */
int clkv_ring_arrived(clkv_ring_slot *slot);
/* Whether the last write is known to have failed on the device. */
int clkv_ring_failed(const clkv_ring_slot *slot);
/* Releases a slot; NULL is allowed. Commands already enqueued may still read the slot: later commands of the stream
 * run after them. */
void clkv_ring_release(clkv_ring *ring, clkv_ring_slot *slot);
/* The bytes of cl_mem of all slots. */
size_t clkv_ring_bytes(const clkv_ring *ring);

#endif
