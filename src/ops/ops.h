/* ops.h: the parts of a cache that operations need, and the data of a batch that an upload has sent to the device.
 *
 *   clkv_ops ── stream     the cache's commands, in order
 *            ├─ slabs      the blocks
 *            ├─ rows       block tables  [max_sequences][row_stride]
 *            ├─ workspace  unmerged parts of split contexts, grown on demand
 *            └─ kernels    one for each spec; compiled by clkv_cache_warm_up, never by an operation
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
    int has_positions;     /* the upload begins with the tokens' positions, int32 */
    uint32_t items_at, merges_at, copies_at, clears_at, changes_at, slots_at; /* uints into the slot */
    size_t bytes;          /* of the packed upload */
} clkv_packed;

/* Releases everything except stream and slabs, which the caller made. Accepts a half-built struct. */
void clkv_ops_free(clkv_ops *ops);

/* Makes room for the unmerged parts of a batch. OpenCL keeps the old buffers for commands that use them.
 * DEVICE_MEMORY. */
clkv_status clkv_ops_reserve_parts(clkv_ops *ops, uint32_t parts);

/* The bytes of all cl_mem except slabs and ring. */
uint64_t clkv_ops_bytes(const clkv_ops *ops);

/* The wait list and the events of one operation, as the caller gave them. When an operation has several commands,
 * each runs only if the one before has succeeded. */
typedef struct clkv_events {
    cl_uint n_wait;
    const cl_event *wait;
    cl_event *event; /* gets the event of the last command; or NULL */
    cl_event *first; /* gets the event of the first command; or NULL. Only uploads and attention use it */
    cl_event after;  /* an event of ours, or NULL: the command must not run unless this event succeeds */
} clkv_events;

/* The operations. The caller checks the arguments; a tensor whose mem is NULL is not wanted. Each operation enqueues
 * and returns. An operation does not run on the device unless the slot that it reads has arrived there, since
 * undefined data would be used as block ids. */
clkv_status clkv_ops_append(clkv_ops *ops, const clkv_packed *packed, uint32_t layer, const clkv_tensor *k,
                            const clkv_tensor *v, const clkv_events *events);
clkv_status clkv_ops_attention(clkv_ops *ops, const clkv_packed *packed, uint32_t layer, float scale,
                               const clkv_tensor *q, const clkv_tensor *o, const clkv_tensor *lse,
                               const clkv_events *events);
/* Clears the blocks of the list of uint at `at` in the slot. */
clkv_status clkv_ops_clear(clkv_ops *ops, clkv_ring_slot *slot, uint32_t at, uint32_t n, const clkv_events *events);
/* Makes the copies of the list of uint2 {from, to} at `at` in the slot. */
clkv_status clkv_ops_copy(clkv_ops *ops, clkv_ring_slot *slot, uint32_t at, uint32_t n, const clkv_events *events);
clkv_status clkv_ops_gather(clkv_ops *ops, uint32_t row, uint32_t layer, uint32_t first, uint32_t n,
                            const clkv_tensor *k, const clkv_tensor *v, const clkv_events *events);
/* Applies the list of changes to the block tables. */
clkv_status clkv_ops_rows(clkv_ops *ops, clkv_ring_slot *slot, uint32_t at, uint32_t n, const clkv_events *events);

#endif
