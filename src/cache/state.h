/* state.h: the inside of a clkv_cache.
 *
 *   lock order: cache, then manager. A batch that ends (commit, rollback, clear, destroy) only marks its
 *   upload as over; the next one takes its staging buffer back. So nothing ever locks upwards.
 *
 * Invariants: every upload is on the cache's list; one that is not over holds its ring slot and belongs
 * to exactly one batch; a sequence's `synced` leading table entries are on the device (or on their way
 * there, in stream order). SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CACHE_STATE_H
#define CLKV_CACHE_STATE_H

#include "ops/ops.h"

#include <clkv/cache.h>

#include <pthread.h>
#include <stdatomic.h>

typedef struct clkv_upload {
    clkv_packed packed;
    struct clkv_cache *cache;
    struct clkv_upload *next;
    atomic_int over;        /* its batch has ended: free to reuse */
    clkv_failure failure;   /* of the commands of its batch: known to the cache's watch */
    uint8_t *appended;      /* a bit for each layer; only with a strict commit, else NULL */
    uint32_t n_appended;    /* layers */
} clkv_upload;

struct clkv_cache {
    pthread_mutex_t lock;
    int has_lock;
    clkv_device *device;
    clkv_manager *manager;
    clkv_cache_params params; /* resolved: no zero stands for a default any more */
    clkv_ops ops;
    clkv_ring ring;
    clkv_watch *watch;        /* over all commands of the stream */
    clkv_upload *live;
    uint64_t uploaded_bytes, uploads, blocks_cleared;
    int lost;                 /* the log knows that the device is */
};

/* The params with every default filled in; checks all that needs no allocation. INVALID, UNSUPPORTED,
 * DEVICE_MEMORY. */
clkv_status clkv_cache_resolve(const clkv_device *device, const clkv_cache_params *params,
                               clkv_cache_params *out);

/* Those of the cache's block manager; `params` are resolved. */
clkv_manager_params clkv_cache_manager_params(const clkv_cache_params *params);

/* With the cache locked: the commands from now on are of this upload's batch, until clkv_cache_done. */
void clkv_cache_begin(clkv_cache *cache, clkv_upload *upload);

/* What an operation returns, with the cache locked: says in the log that the device is lost, once. */
clkv_status clkv_cache_done(clkv_cache *cache, clkv_status st);

/* clkv_cache_warm_up behind its checks. */
clkv_status clkv_cache_compile(clkv_cache *cache, const clkv_warm_up_params *params);

/* The upload of an uploaded batch of this cache. STATE: not uploaded. INVALID: another cache's. */
clkv_status clkv_cache_upload_of(clkv_cache *cache, const clkv_batch *batch, clkv_upload **out);

/* A new record of an upload, and the end of one. NULL: no memory. */
clkv_upload *clkv_cache_new_upload(clkv_cache *cache);
void clkv_cache_free_upload(clkv_upload *upload);

/* An upload's record is used anew: nothing of it has failed or been appended. */
void clkv_cache_reset_upload(clkv_upload *upload);

/* A layer of the batch has been appended: for a strict commit. */
void clkv_cache_note_append(clkv_upload *upload, uint32_t layer);

/* What clkv_batch_commit asks a strict cache, with the manager locked. STATE: layers are missing. DEVICE,
 * FORKED. */
clkv_status clkv_cache_may_commit(void *upload);

/* Enqueues zeros into every uncleared block and forgets them. Cache and manager are locked, or nobody else's.
 * On failure they are remembered. */
clkv_status clkv_cache_clear(clkv_cache *cache, const clkv_events *events);

/* The same for every block that holds anything, whoever has it: the end of a cache. A failure is logged. */
void clkv_cache_clear_all(clkv_cache *cache);

/* Sends what the device does not know yet of one sequence's block table, and says which row it is; *after (to be
 * released) is what must have succeeded before the row is read, or NULL. The cache is locked. INVALID: another
 * manager's. */
clkv_status clkv_cache_sync_row(clkv_cache *cache, const clkv_sequence *sequence, uint32_t *row, cl_event *after);

#endif
