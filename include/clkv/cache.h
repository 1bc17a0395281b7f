/* clkv/cache.h: the paged KV cache of one model on one device: a block manager and its slabs.
 *
 *   clkv_cache ── manager    pool, prefix index, sequences           (host; manager.h)
 *              ├─ slabs      cl_mem, [block][layer][kv_head]{K,V}    (device)
 *              ├─ rows       block tables of all sequences           (device, only changes are sent)
 *              └─ ring       staging buffers for batch uploads
 *
 * One step: reserve a batch, call clkv_cache_upload, then clkv_append and clkv_attention for each layer, then
 * commit. Operations enqueue on the device's queue and never block, not even to compile: kernels are compiled when
 * the cache is created, or by clkv_cache_warm_up. Wait lists and events are those of OpenCL. The commands of one
 * cache take effect in the order of the calls.
 *
 * A call that the driver refuses has changed nothing on the host and may be repeated. Where a comment here or in
 * append.h, attention.h, copy.h and gather.h says DEVICE, the function returns DEVICE, DEVICE_MEMORY, DEVICE_LOST
 * or NO_MEMORY, depending on the code of the driver. It also returns DEVICE when an event of its wait list has
 * failed already.
 *
 * A command that was enqueued may still fail when it runs, because of the device or because an event of its wait
 * list has failed. Then its event has a negative status, and its output is undefined. On an in-order queue the
 * driver still runs the commands behind it, so their outputs may be wrong although their own events are complete.
 * These report a failure: the events; clkv_cache_check; and clkv_batch_commit of a cache whose `commit` is
 * CLKV_COMMIT_STRICT. Some later calls notice the failure too and return DEVICE once; they may be repeated. After a
 * failure roll the batch back, reserve it and upload it again. A committed batch cannot be rolled back: its blocks
 * may hold anything. If a command fails, the cache's later commands that would read its output as block ids do not
 * run, or fail.
 *
 * An operation that enqueues several commands returns the event of the last one. Each command runs only if the
 * command before it has succeeded, so this event reports a failure of any of them. Its profiling times are those of
 * the last command alone. Uploads and attention can also return the event of the first command (`first_event`).
 *
 * DEVICE_LOST: the driver accepts no more commands for the device. Destroy its caches, which works as always, and
 * close it. Other devices with their caches, and devices opened later, are not affected. The log gets one line.
 *
 * In a child of fork() every function on a cache returns FORKED; destroying it frees the child's memory (device.h).
 *
 * Thread-safe: functions on one cache lock it; a batch belongs to one thread at a time.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CACHE_H
#define CLKV_CACHE_H

#include <clkv/batch.h>
#include <clkv/device.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct clkv_cache clkv_cache;

/* What clkv_batch_commit checks of a batch that was uploaded. */
typedef enum clkv_commit {
    CLKV_COMMIT_DEFAULT = 0,  /* CLKV_COMMIT_TRUSTING */
    CLKV_COMMIT_TRUSTING = 1, /* nothing */
    CLKV_COMMIT_STRICT = 2,   /* STATE unless every layer was appended since the last upload; DEVICE if a command of
                                 the batch is known to have failed. The batch then stays reserved. The check does not
                                 wait: only clkv_cache_check reports a command that fails after the commit */
} clkv_commit;

/* When the kernels are compiled. Compiling takes seconds when the program cache has no binaries. Operations never
 * compile. */
typedef enum clkv_compile {
    CLKV_COMPILE_DEFAULT = 0, /* by clkv_cache_create: all operations, for tensors in CLKV_F32 */
    CLKV_COMPILE_LATER = 1,   /* by clkv_cache_warm_up */
} clkv_compile;

/* Gets the progress of compiling: `done` of the `total` kernels that were missing are compiled. It is called at the
 * beginning with done = 0, and then whenever `done` has grown, on the thread that creates or warms up the cache. It
 * must not call clkv on this cache. */
typedef void (*clkv_progress_fn)(void *user, uint32_t done, uint32_t total);

/* When the memory of the slabs is allocated. Either way the cache never takes more than memory_bytes for its blocks, and
 * no kernel is compiled again when a slab comes or goes. */
typedef enum clkv_growth {
    CLKV_GROWTH_DEFAULT = 0,   /* CLKV_GROWTH_ON_DEMAND */
    CLKV_GROWTH_ON_DEMAND = 1, /* the first slab by clkv_cache_create, each other one by the reservation that needs it.
                                  While the device refuses memory, the pool works with the slabs that it has:
                                  reservations evict cached blocks, or return NO_BLOCKS. clkv_cache_shrink and
                                  spare_slabs give slabs back. Without max_slab_bytes a slab is a sixteenth of the
                                  pool, or 32 MiB if that is more */
    CLKV_GROWTH_AT_ONCE = 2,   /* all by clkv_cache_create, until the cache is destroyed */
} clkv_growth;

typedef struct clkv_cache_params {
    size_t size;
    /* the model; no defaults unless one is named */
    uint32_t layers;
    uint32_t heads;            /* query heads: a multiple of kv_heads */
    uint32_t kv_heads;
    uint32_t head_dim;         /* of Q and K: 8 … 256 in steps of 8 */
    uint32_t head_dim_v;       /* of V and O: likewise; default head_dim */
    clkv_type k_type, v_type;  /* the types in which K and V are kept: each CLKV_F16 (default) or CLKV_F32 */
    /* the size of the pool: blocks, or else memory_bytes, or else half of the memory that the device can give */
    uint32_t blocks;
    uint64_t memory_bytes;     /* of all slabs on the device, rounded down to whole blocks */
    uint64_t max_slab_bytes;   /* upper limit: the device's limit for one allocation; default: that limit, or less
                                  (see clkv_growth). The slabs are as equal as possible, and at most 32: else
                                  UNSUPPORTED */
    /* the host half: the same as in clkv_manager_params, defaults included, except where a comment differs */
    uint32_t block_size, max_sequences;
    uint32_t max_context;      /* tokens; default 131072; a larger value than the pool can hold is reduced to that */
    uint32_t watermark, hash_bits;
    uint64_t hash_seed, shuffle_seed;
    int event_content;
    clkv_prefix_use prefix;
    int clear_freed;           /* 1: a block that was freed or evicted is zeroed on the device before it is used
                                  again. The next upload of any batch does this before its other commands;
                                  clkv_cache_clear_freed and clkv_cache_destroy do it too. Cached blocks are not
                                  freed: they keep their content until they are evicted or forgotten. Costs one
                                  more write of every block per life: see docs/security.md. Default 0 */
    uint64_t (*clock_ms)(void *user);
    clkv_cache_event_fn on_event;
    void *user;                /* for clock_ms, on_event and on_progress */
    clkv_commit commit;        /* what clkv_batch_commit checks; default CLKV_COMMIT_TRUSTING */
    uint32_t max_batch_tokens; /* tokens in one batch; default 8192; clkv_batch_add returns LIMIT beyond it */
    uint32_t window;           /* the model's sliding window in tokens; default 0 = none. Other values are
                                  UNSUPPORTED, since there are no kernels for windows yet */
    clkv_compile compile;
    clkv_progress_fn on_progress; /* gets the progress of compiling in clkv_cache_create; default none */
    clkv_growth growth;        /* when the memory of the slabs is allocated; default CLKV_GROWTH_ON_DEMAND */
    uint32_t spare_slabs;      /* a pool that grows: slabs that it keeps though they are empty. An upload gives further
                                  empty slabs back to the device. Default 1; CLKV_SPARE_NONE = none */
} clkv_cache_params;

#define CLKV_SPARE_NONE UINT32_MAX

/* The bytes that one block takes on the device, all layers; 0 for params that are wrong. */
CLKV_API uint64_t clkv_cache_block_bytes(const clkv_cache_params *params);

/* Says whether clkv_cache_create could create a cache with these params on the device; creates nothing. OK, or
 * UNSUPPORTED, INVALID or DEVICE_MEMORY with the reason in clkv_last_error(). */
CLKV_API clkv_status clkv_cache_supported(const clkv_device *device, const clkv_cache_params *params);

/* Creates a cache: allocates slabs, rows and staging buffers, and compiles the kernels unless params.compile is
 * CLKV_COMPILE_LATER. Blocking, perhaps for seconds. The cache holds a reference on the device.
 * INVALID, UNSUPPORTED, NO_MEMORY. DEVICE_MEMORY: the slabs do not fit. BUILD, DEVICE. */
CLKV_API clkv_status clkv_cache_create(clkv_cache **out, clkv_device *device, const clkv_cache_params *params);

/* The operations for which kernels are compiled. */
typedef enum clkv_operation {
    CLKV_OP_UPLOAD = 1,    /* clkv_cache_upload, clkv_cache_clear_freed */
    CLKV_OP_APPEND = 2,    /* clkv_append */
    CLKV_OP_ATTENTION = 4, /* clkv_attention */
    CLKV_OP_GATHER = 8,    /* clkv_gather */
    CLKV_OP_COPY = 16,     /* clkv_copy_blocks */
} clkv_operation;

#define CLKV_TYPE_BIT(type) (1u << (type))

typedef struct clkv_warm_up_params {
    size_t size;
    uint32_t operations;          /* bits of clkv_operation; 0 = all */
    uint32_t inputs, outputs;     /* types of the tensors that clkv reads and writes, a CLKV_TYPE_BIT each; 0 =
                                     CLKV_F32. Attention is compiled for each input type with each output type */
    clkv_progress_fn on_progress; /* default none */
    void *user;                   /* for on_progress */
} clkv_warm_up_params;

/* Compiles the kernels of these operations that are not compiled yet; params may be NULL. Blocking: when it returns
 * OK, the machine code is complete and is in the program cache on disk. Several kernels are compiled at a time, on
 * threads of the library that end before this function returns (CLKV_COMPILE_THREADS in docs/devices.md). The cache
 * is not locked meanwhile: other threads may use it, and may call this function too. An operation whose kernel is not
 * compiled returns STATE. After a failure nothing has changed, but programs that were compiled need not be compiled
 * again. INVALID: unknown bits. UNSUPPORTED: a kernel needs more local memory than the device has. BUILD, DEVICE,
 * NO_MEMORY. */
CLKV_API clkv_status clkv_cache_warm_up(clkv_cache *cache, const clkv_warm_up_params *params);

/* Waits for the commands of the cache, then frees its device memory. It cannot fail: if the driver refuses to wait,
 * memory that running commands still use is freed when they have finished. Sequences and batches of the cache's
 * manager may be left; their functions that need no device (lengths, tables, commit, destroy) still work. The caller
 * destroys them, before the cache or after. on_event and clock_ms are not called any more. With clear_freed every
 * block that was ever used is zeroed before its memory goes back to the driver; a failure of that is logged. */
CLKV_API void clkv_cache_destroy(clkv_cache **cache);

/* The block manager and the device of the cache. They belong to the cache: do not destroy or close them. */
CLKV_API clkv_manager *clkv_cache_manager(clkv_cache *cache);
CLKV_API clkv_device *clkv_cache_device(clkv_cache *cache);

/* Which positions a query sees. */
typedef enum clkv_visibility {
    CLKV_SEE_DEFAULT = 0, /* CLKV_SEE_CAUSAL */
    CLKV_SEE_CAUSAL = 1,  /* its own position and the positions before */
    CLKV_SEE_ALL = 2,     /* the whole context of its sequence, new tokens included */
} clkv_visibility;

/* Whether an upload sends the positions of the batch's tokens to the device. */
typedef enum clkv_positions {
    CLKV_POSITIONS_NONE = 0, /* default */
    CLKV_POSITIONS_SEND = 1, /* adds 4 bytes for each token; see clkv_cache_get_positions */
} clkv_positions;

typedef struct clkv_upload_params {
    size_t size;
    clkv_visibility visibility;
    uint32_t split_tokens; /* 0: contexts are split so that the work fills the device. N (rounded up to whole
                              blocks): a part has exactly N tokens, and the bits of a sequence's result do not
                              depend on the other entries of the batch */
    uint32_t parts;        /* 0: automatic; N: about N parts for each sequence, for tests and tuning */
    clkv_positions positions;
    cl_event *first_event; /* not NULL: gets the event of the first command, the write; the caller releases it */
} clkv_upload_params;

/* Plans a reserved batch and sends everything that its pass needs to the device in one packed non-blocking write:
 * changes of block tables, context lengths, slots, work items. Then it enqueues the copies of copy-on-write, if any.
 * The size of the write does not grow with the context length. params may be NULL. A batch may be uploaded again,
 * with other params, until it is committed or rolled back. STATE: not reserved, or kernels are not compiled
 * (clkv_cache_warm_up). INVALID: a batch of another manager, an unknown visibility or positions. NO_MEMORY,
 * DEVICE. */
CLKV_API clkv_status clkv_cache_upload(clkv_cache *cache, clkv_batch *batch, const clkv_upload_params *params,
                                       cl_uint n_wait, const cl_event *wait, cl_event *event);

/* Says where the positions of an uploaded batch's tokens are on the device, for kernels of the caller (such as RoPE):
 * an int32 for each token in the order of the batch, from byte `offset` of *mem on. The buffer belongs to the cache.
 * Only read it, and only by commands that are enqueued before the batch is uploaded again, committed, rolled back or
 * destroyed. On an in-order queue nothing else is needed. On an out-of-order queue such a command must wait for the
 * event of the upload, and an append or attention of the batch must wait for the command, so that the next upload
 * cannot overtake the command. STATE: the batch is not uploaded, or was uploaded without CLKV_POSITIONS_SEND.
 * INVALID. */
CLKV_API clkv_status clkv_cache_get_positions(clkv_cache *cache, const clkv_batch *batch, cl_mem *mem, size_t *offset);

/* The plan of the last upload; for tools and tests. */
typedef struct clkv_plan_info {
    size_t size;
    uint32_t items;        /* work items of attention; each runs once per KV head */
    uint32_t split_entries;/* sequences whose context is split */
    uint32_t parts;        /* parts of all split queries */
    uint32_t chunk;        /* tokens in a part */
    uint64_t uploaded_bytes;
} clkv_plan_info;

/* INVALID. STATE: the batch is not uploaded. */
CLKV_API clkv_status clkv_cache_get_plan_info(clkv_cache *cache, const clkv_batch *batch, clkv_plan_info *info);

/* Says, without waiting, whether commands of the cache have failed. DEVICE: a command has failed that no earlier call
 * has reported. The text names the first such command, and driver_code is the status of its event; the other failures
 * that are known by now count as reported too. For callers who take no events: call it for example once a step, or
 * after reading the output of a step. INVALID. */
CLKV_API clkv_status clkv_cache_check(clkv_cache *cache);

/* Enqueues a fill of every slab with one byte: 0xff makes every element NaN (for tests), 0 clears. All content is
 * lost, but sequences and prefix index do not change. DEVICE. */
CLKV_API clkv_status clkv_cache_fill(clkv_cache *cache, uint8_t byte);

/* Enqueues zeros into all blocks that have been freed so far, which the next upload would do otherwise. When the
 * event completes, and not before, the data of these blocks are gone from the device. Use it when there is no other
 * work to submit, or to be sure that a tenant's data are gone: destroy its sequences, forget its prefixes
 * (clkv_manager_forget), then call this function. STATE: the cache was created without clear_freed, or the kernel is
 * not compiled (clkv_cache_warm_up). NO_MEMORY, DEVICE: the blocks are still to be cleared. */
CLKV_API clkv_status clkv_cache_clear_freed(clkv_cache *cache, cl_uint n_wait, const cl_event *wait,
                                            cl_event *event);

/* What clkv_cache_shrink does with cached blocks. */
typedef enum clkv_cached {
    CLKV_CACHED_KEEP = 0,  /* default: they stay, and are moved */
    CLKV_CACHED_EVICT = 1, /* those are evicted that leave no room for others in the slabs that may stay, in the usual
                              order. This is done before blocks are moved, and stays done when moves are limited */
} clkv_cached;

typedef struct clkv_shrink_params {
    size_t size;
    uint64_t keep_bytes; /* the most bytes of slabs that shall stay, rounded down to whole slabs; more stay when their
                            blocks find no room in others. Default 0: one slab, or as few as possible */
    clkv_cached cached;
    uint32_t max_moves;  /* the most blocks to move; a slab's blocks are moved all or not at all. Default 0 = no limit */
} clkv_shrink_params;

/* Gives slabs back to the device: first those that are empty, then those that compaction empties. Compaction enqueues
 * copies of the blocks of the emptiest slabs into free blocks of others. Block tables, prefix index and pins then name
 * the new blocks, and sequences compute the same bits as before. Blocks of a reserved batch, and of the sequences in
 * it, are not moved, so call this between steps. While it runs, no other thread may read a table of
 * clkv_sequence_get_table. params may be NULL.
 *
 * *moves and *n_moves (each may be NULL) get the moves that were made, {old block, new block}, for callers who hold block
 * ids: the list belongs to the cache until the next call or clkv_cache_destroy. It is right also when the function returns
 * an error. The event is that of the last command. If a copy fails on the device (clkv_cache_check), the new blocks may
 * hold anything: then the sequences that have them must be computed anew, and clkv_sequence_forget or
 * clkv_manager_reset takes their prefixes out of the index.
 *
 * STATE: the cache was created with CLKV_GROWTH_AT_ONCE, or a kernel is not compiled (clkv_cache_warm_up). INVALID: an
 * unknown `cached`. NO_MEMORY, DEVICE. */
CLKV_API clkv_status clkv_cache_shrink(clkv_cache *cache, const clkv_shrink_params *params,
                                       const clkv_block_copy **moves, uint32_t *n_moves, cl_uint n_wait,
                                       const cl_event *wait, cl_event *event);

/* The statistics of clkv_manager_get_stats, and the figures of the device. */
CLKV_API clkv_status clkv_cache_get_stats(clkv_cache *cache, clkv_stats *out);

#ifdef __cplusplus
}
#endif
#endif
