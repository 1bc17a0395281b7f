/* state.h: the internals of a clkv_cache.
 *
 *   Lock order: cache, then manager. A batch that ends (commit, rollback, clear, destroy) only marks its upload as
 *   over; the next upload releases its staging buffer. So no code locks the cache while it holds the manager's lock.
 *
 * Invariants: every upload is on the cache's list. An upload that is not over holds its ring slot and belongs to
 * exactly one batch. The first `synced` entries of a sequence's block table are on the device, or in a command that runs before
 * any command that reads them. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CACHE_STATE_H
#define CLKV_CACHE_STATE_H

#include "core/growth.h"
#include "ops/ops.h"
#include "os/thread.h"

#include <clkv/cache.h>

#include <stdatomic.h>

typedef struct clkv_upload {
    clkv_packed packed;
    struct clkv_cache *cache;
    struct clkv_upload *next;
    atomic_int over;        /* its batch has ended: the upload can be reused */
    clkv_failure failure;   /* of the commands of its batch; a set of the cache's watch */
    uint8_t *appended;      /* a bit for each layer; only with a strict commit, else NULL */
    uint32_t n_appended;    /* layers */
} clkv_upload;

struct clkv_cache {
    clkv_mutex lock;
    int has_lock;
    clkv_device *device;
    clkv_manager *manager;
    clkv_cache_params params; /* resolved: zeros do not stand for defaults */
    clkv_ops ops;
    clkv_ring ring;
    clkv_watch *watch;        /* watches all commands of the stream */
    clkv_upload *live;
    clkv_block_copy *moves;   /* of the last clkv_cache_shrink */
    size_t moves_capacity;
    uint32_t n_moves;
    uint64_t uploaded_bytes, uploads, blocks_cleared;
    int lost;                 /* the device is lost, and this was logged */
};

/* Copies the params, fills in every default, and checks everything that needs no allocation. INVALID, UNSUPPORTED,
 * DEVICE_MEMORY. */
clkv_status clkv_cache_resolve(const clkv_device *device, const clkv_cache_params *params,
                               clkv_cache_params *out);

/* The params of the cache's block manager; `params` are resolved. */
clkv_manager_params clkv_cache_manager_params(const clkv_cache_params *params);

/* New commands belong to the batch of this upload until clkv_cache_done. Call it with the cache locked. */
void clkv_cache_begin(clkv_cache *cache, clkv_upload *upload);

/* Every operation returns through this with the cache locked. Logs once that the device is lost. */
clkv_status clkv_cache_done(clkv_cache *cache, clkv_status st);

/* Does the work of clkv_cache_warm_up after its checks. */
clkv_status clkv_cache_compile(clkv_cache *cache, const clkv_warm_up_params *params);

/* Gets the upload of a batch of this cache. STATE: not uploaded. INVALID: a batch of another cache. */
clkv_status clkv_cache_upload_of(clkv_cache *cache, const clkv_batch *batch, clkv_upload **out);

/* Create and free the record of an upload. NULL: no memory. */
clkv_upload *clkv_cache_new_upload(clkv_cache *cache);
void clkv_cache_free_upload(clkv_upload *upload);

/* Resets the record of an upload for reuse: no command has failed, and no layer has been appended. */
void clkv_cache_reset_upload(clkv_upload *upload);

/* Notes that a layer of the batch was appended, for a strict commit. */
void clkv_cache_note_append(clkv_upload *upload, uint32_t layer);

/* clkv_batch_commit calls this for a strict cache, with the manager locked. STATE: layers are missing. DEVICE,
 * FORKED. */
clkv_status clkv_cache_may_commit(void *upload);

/* How the block manager gets and returns the memory of slabs. */
clkv_growth_hooks clkv_cache_growth_hooks(clkv_cache *cache);

/* Closes the empty slabs beyond params.spare_slabs. Cache and manager are locked. */
void clkv_cache_give_back(clkv_cache *cache);

/* Enqueues zeros into every uncleared block, and removes the blocks from the list. After a failure the blocks stay on
 * the list. Cache and manager are locked, or no other thread uses them. */
clkv_status clkv_cache_clear(clkv_cache *cache, const clkv_events *events);

/* The same for every block that was ever used, at the end of a cache. A failure is logged. */
void clkv_cache_clear_all(clkv_cache *cache);

/* Sends the entries of a sequence's block table that the device does not have, and sets *row to the row of the
 * sequence. *after, which the caller releases, is the event that must succeed before the row is read, or NULL. The
 * cache is locked. INVALID: a sequence of another manager. */
clkv_status clkv_cache_sync_row(clkv_cache *cache, const clkv_sequence *sequence, uint32_t *row, cl_event *after);

#endif
