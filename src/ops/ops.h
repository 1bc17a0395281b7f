/* ops.h: what every operation needs of a cache, and what an upload has left on the device for a batch.
 *
 *   clkv_ops ── stream     the cache's commands, in order
 *            ├─ slabs      the blocks
 *            ├─ rows       block tables  [max_sequences][row_stride]
 *            ├─ workspace  unmerged parts of split contexts, grown on demand
 *            └─ kernels    one for each spec; made by clkv_cache_warm_up, never by an operation
 *
 *   clkv_packed ─ where in the packed upload the lists of one batch are, and how long they are
 *
 * Not thread-safe: the cache locks. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_OPS_OPS_H
#define CLKV_OPS_OPS_H

#include "kv/layout.h"
#include "plan/plan.h"
#include "device/ring.h"
#include "device/slab.h"
#include "device/stream.h"
#include "ops/spec.h"
#include "program/program.h"

#include <clkv/tensor.h>

typedef struct clkv_shape {
    uint32_t layers, heads, kv_heads, head_dim, head_dim_v, block_size;
    clkv_type k_type, v_type;
} clkv_shape;

typedef struct clkv_ops {
    clkv_device *device;
    clkv_stream stream;
    clkv_slabs slabs;
    clkv_shape shape;
    clkv_tuning tuning;
    uint32_t tile_tokens;   /* queries per tile */
    uint32_t compute_units; /* of the device */
    cl_mem rows;
    uint32_t row_stride;   /* blocks per row */
    size_t rows_bytes;
    cl_mem part_o, part_sums;
    uint32_t parts_capacity;
    clkv_programs *programs; /* the device's */
    clkv_kernels kernels;
} clkv_ops;

typedef struct clkv_packed {
    clkv_ring_slot *slot;
    clkv_plan plan;
    uint32_t n_tokens, n_copies, n_clears, n_changes;
    int has_positions;     /* of the tokens: int32, at the beginning */
    uint32_t items_at, merges_at, copies_at, clears_at, changes_at, slots_at; /* uints into the slot */
    size_t bytes;          /* of the packed upload */
} clkv_packed;

/* Releases everything but what the caller made (stream, slabs). Takes half-built ones. */
void clkv_ops_free(clkv_ops *ops);

/* Room for the unmerged parts of a batch. Commands under way keep the old memory alive. DEVICE_MEMORY. */
clkv_status clkv_ops_reserve_parts(clkv_ops *ops, uint32_t parts);

/* Bytes of cl_mem beside the slabs and the ring. */
uint64_t clkv_ops_bytes(const clkv_ops *ops);

/* Wait lists and events of one operation, as the caller gave them. Of several commands each runs only if the one before
 * has succeeded. */
typedef struct clkv_events {
    cl_uint n_wait;
    const cl_event *wait;
    cl_event *event; /* gets that of the last command; or NULL */
    cl_event *first; /* gets that of the first command; or NULL. Only uploads and attention look at it */
    cl_event after;  /* of our own, or NULL: the command must not run unless this one has succeeded */
} clkv_events;

/* The operations. Arguments are checked by the caller (a tensor whose mem is NULL is not wanted); every one enqueues and returns. None runs on the device
 * unless what it reads of a slot has arrived there: garbage would be taken for block ids. */
clkv_status clkv_ops_append(clkv_ops *ops, const clkv_packed *packed, uint32_t layer, const clkv_tensor *k,
                            const clkv_tensor *v, const clkv_events *events);
clkv_status clkv_ops_attention(clkv_ops *ops, const clkv_packed *packed, uint32_t layer, float scale,
                               const clkv_tensor *q, const clkv_tensor *o, const clkv_tensor *lse,
                               const clkv_events *events);
/* Zeros into the blocks of the list of uint at `at` in the slot. */
clkv_status clkv_ops_clear(clkv_ops *ops, clkv_ring_slot *slot, uint32_t at, uint32_t n, const clkv_events *events);
/* The list of uint2 {from, to} at `at` in the slot. */
clkv_status clkv_ops_copy(clkv_ops *ops, clkv_ring_slot *slot, uint32_t at, uint32_t n, const clkv_events *events);
clkv_status clkv_ops_gather(clkv_ops *ops, uint32_t row, uint32_t layer, uint32_t first, uint32_t n,
                            const clkv_tensor *k, const clkv_tensor *v, const clkv_events *events);
/* Applies the list of changes to the block tables. */
clkv_status clkv_ops_rows(clkv_ops *ops, clkv_ring_slot *slot, uint32_t at, uint32_t n, const clkv_events *events);

#endif
