/* clkv/cache.h: the paged KV cache of one model on one device: a block manager and its slabs.
 *
 *   clkv_cache ── manager    pool, prefix index, sequences           (host; manager.h)
 *              ├─ slabs      cl_mem, [layer][block][kv_head]{K,V}    (device)
 *              ├─ rows       block tables of all sequences           (device, only changes are sent)
 *              └─ ring       staging buffers for batch uploads
 *
 * One step: reserve a batch, clkv_cache_upload, then per layer clkv_append and clkv_attention, then
 * commit. Operations enqueue on the device's queue and never block, not even to compile: kernels are compiled when
 * the cache is made, or by clkv_cache_warm_up. Wait lists and events are OpenCL's.
 * Commands of one cache take effect in the order in which they are called.
 *
 * A call that the driver refuses has changed nothing on the host and may be repeated. Where a comment here or in
 * append.h, attention.h, copy.h and gather.h says DEVICE, the function returns DEVICE, DEVICE_MEMORY,
 * DEVICE_LOST or NO_MEMORY, by the driver's code. So it does (DEVICE) when an event of its wait list has failed already.
 *
 * A command that was enqueued may still fail when it runs, because of the device or because an event of its wait list
 * has failed. Its event then has a negative status, and what it should have written is undefined. On an in-order queue
 * the driver runs the commands behind it all the same, so that outputs are wrong though their own events are complete.
 * Three things tell of a failure: the events; clkv_cache_check; and clkv_batch_commit of a cache whose `commit` is
 * CLKV_COMMIT_STRICT. Some later calls notice it as well and return DEVICE, once; they may be repeated. Then roll the
 * batch back, reserve it and upload it again. What is committed cannot be rolled back: its blocks may hold anything.
 * The cache's later commands never use what a failed one has left for block ids: they do not run, or fail.
 *
 * An operation that enqueues several commands returns the event of the last one. Each of them runs only if the one
 * before it has succeeded, so that this event tells of a failure of any; but its profiling times are those of the last
 * command alone. Uploads and attention give the event of the first one too (`first_event`).
 *
 * DEVICE_LOST: the driver takes no more commands for the device. Destroy its caches (which works as always) and close
 * it. Caches on other devices, and new ones, are not affected. The log gets one line.
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

/* What clkv_batch_commit wants to know of a batch that was uploaded. */
typedef enum clkv_commit {
    CLKV_COMMIT_DEFAULT = 0,  /* CLKV_COMMIT_TRUSTING */
    CLKV_COMMIT_TRUSTING = 1, /* nothing */
    CLKV_COMMIT_STRICT = 2,   /* every layer has been appended since the last upload, else STATE; and no command of the
                                 batch is known to have failed, else DEVICE. The batch then stays reserved. It does not
                                 wait: a command that fails after the commit is told by clkv_cache_check only */
} clkv_commit;

/* When the kernels are compiled, which takes seconds where the program cache has none. Operations never compile. */
typedef enum clkv_compile {
    CLKV_COMPILE_DEFAULT = 0, /* by clkv_cache_create: all operations, for tensors in CLKV_F32 */
    CLKV_COMPILE_LATER = 1,   /* by clkv_cache_warm_up */
} clkv_compile;

/* How many kernels of those that are missing have been compiled: at the beginning with done = 0, and whenever there are
 * more, on the thread that called. It may not call clkv on this cache. */
typedef void (*clkv_progress_fn)(void *user, uint32_t done, uint32_t total);

typedef struct clkv_cache_params {
    size_t size;
    /* the model; no defaults but where said */
    uint32_t layers;
    uint32_t heads;            /* query heads: a multiple of kv_heads */
    uint32_t kv_heads;
    uint32_t head_dim;         /* of Q and K: 8 … 256 in steps of 8 */
    uint32_t head_dim_v;       /* of V and O: likewise; default head_dim */
    clkv_type k_type, v_type;  /* how K and V are kept: each CLKV_F16 (default) or CLKV_F32, in any mix */
    /* the pool: blocks, or else memory_bytes, or else half of what the device can give */
    uint32_t blocks;
    uint64_t memory_bytes;     /* of slabs on the device, rounded down to whole blocks */
    uint64_t max_slab_bytes;   /* default and upper limit: the device's allocation limit */
    /* the host half; as in clkv_manager_params, defaults included */
    uint32_t block_size, max_sequences;
    uint32_t max_context;      /* tokens; default 131072; at most what the pool holds, whatever is asked for */
    uint32_t watermark, hash_bits;
    uint64_t hash_seed, shuffle_seed;
    int event_content;
    clkv_prefix_use prefix;
    int clear_freed;           /* 1: a block that was freed or evicted is zeroed on the device before it holds
                                  anything else: by the first upload after it was freed, whoever's, in front of
                                  that upload's other commands; at the latest by clkv_cache_clear_freed or
                                  clkv_cache_destroy. Cached blocks are not freed: they keep what they hold
                                  until they are evicted or clkv_manager_reset. Costs a write of every block
                                  once more per life: see docs/security.md. Default 0 */
    uint64_t (*clock_ms)(void *user);
    clkv_cache_event_fn on_event;
    void *user;
    clkv_commit commit;        /* what clkv_batch_commit asks before; default CLKV_COMMIT_TRUSTING */
    uint32_t max_batch_tokens; /* tokens in one batch; default 8192: sizes the split-KV workspace's growth */
    uint32_t window;           /* the model's sliding window in tokens; default 0 = none. There are no kernels for
                                  one yet: another value is UNSUPPORTED */
    clkv_compile compile;
    clkv_progress_fn on_progress; /* of compiling in clkv_cache_create, with `user`; NULL = nobody asks */
} clkv_cache_params;

/* The bytes that one block takes on the device, all layers; 0 for params that are wrong. */
CLKV_API uint64_t clkv_cache_block_bytes(const clkv_cache_params *params);

/* Says whether a cache of these params can be served on the device, without making it: OK or UNSUPPORTED
 * or INVALID or DEVICE_MEMORY, with the reason in clkv_last_error(). */
CLKV_API clkv_status clkv_cache_supported(const clkv_device *device, const clkv_cache_params *params);

/* Allocates slabs, rows and staging, and compiles kernels unless params.compile says later; blocking, perhaps for
 * seconds. The device must outlive the cache.
 * INVALID, UNSUPPORTED, NO_MEMORY, DEVICE_MEMORY: the slabs do not fit. BUILD, DEVICE. */
CLKV_API clkv_status clkv_cache_create(clkv_cache **out, clkv_device *device, const clkv_cache_params *params);

/* What kernels are for. */
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
    uint32_t inputs, outputs;     /* types of the tensors that are read and written, a CLKV_TYPE_BIT each; 0 = CLKV_F32.
                                     Attention is compiled for each of inputs with each of outputs */
    clkv_progress_fn on_progress; /* NULL = nobody asks */
    void *user;
} clkv_warm_up_params;

/* Compiles the kernels of these operations that are not there yet; params may be NULL. Blocking: when it returns OK,
 * machine code is complete, and is in the program cache on disk. Several kernels are compiled at a time, on threads of
 * the library's own that end before this returns (CLKV_COMPILE_THREADS in docs/devices.md). The cache is not locked
 * meanwhile: other threads may use it, or call this too. An operation whose kernel is not compiled returns STATE.
 * On failure nothing has changed, but programs that were compiled need not be compiled again.
 * INVALID: unknown bits. UNSUPPORTED: a kernel needs more local memory than the device has. BUILD, DEVICE,
 * NO_MEMORY. */
CLKV_API clkv_status clkv_cache_warm_up(clkv_cache *cache, const clkv_warm_up_params *params);

/* Waits for the cache's own commands, then frees what it has on the device. It cannot fail: where the driver does
 * not let it wait, what commands under way still use is freed when they are through. Sequences and batches of its
 * manager that are left keep their host half (lengths, tables, commit, destroy); the caller destroys them, before
 * or after. on_event and clock_ms are not called any more. With clear_freed
 * every block that was ever used is zeroed before its memory goes back to the driver (logged where that fails). */
CLKV_API void clkv_cache_destroy(clkv_cache **cache);

CLKV_API clkv_manager *clkv_cache_manager(clkv_cache *cache);
CLKV_API clkv_device *clkv_cache_device(clkv_cache *cache);

/* Which positions a query sees. */
typedef enum clkv_visibility {
    CLKV_SEE_DEFAULT = 0, /* CLKV_SEE_CAUSAL */
    CLKV_SEE_CAUSAL = 1,  /* those before its own, and its own */
    CLKV_SEE_ALL = 2,     /* its sequence's whole context, new tokens included */
} clkv_visibility;

/* Whether an upload brings the positions of the batch's tokens to the device. */
typedef enum clkv_positions {
    CLKV_POSITIONS_NONE = 0, /* default */
    CLKV_POSITIONS_SEND = 1, /* 4 bytes a token more; see clkv_cache_get_positions */
} clkv_positions;

typedef struct clkv_upload_params {
    size_t size;
    clkv_visibility visibility;
    uint32_t split_tokens; /* 0: split-KV as fills the device best. N (rounded up to whole blocks): parts
                              of exactly N tokens, and a sequence's result has the same bits whatever
                              else is in the batch */
    uint32_t parts;        /* 0: automatic; N: about N parts for each sequence, for tests and tuning */
    clkv_positions positions;
    cl_event *first_event; /* not NULL: gets the event of the first command, the write; the caller's to release */
} clkv_upload_params;

/* Plans a reserved batch and enqueues everything its pass needs on the device in one packed non-blocking
 * write: changes of block tables, context lengths, slots, work items; then copy-on-write, if any. What
 * is sent does not grow with context length. params may be NULL. A batch may be uploaded again (with
 * other params) until it is committed or rolled back.
 * STATE: not reserved, or kernels are not compiled (clkv_cache_warm_up). INVALID: a batch of another manager, an unknown visibility or positions. NO_MEMORY, DEVICE. */
CLKV_API clkv_status clkv_cache_upload(clkv_cache *cache, clkv_batch *batch, const clkv_upload_params *params,
                                       cl_uint n_wait, const cl_event *wait, cl_event *event);

/* Where the positions of an uploaded batch's tokens are on the device, for the caller's own kernels (RoPE, say): int32,
 * one for each token in the order of the batch, from `offset` bytes on. The buffer is the cache's: it must only be read,
 * and only by commands enqueued before the batch is uploaded again, committed, rolled back or destroyed. On an in-order
 * queue nothing else is needed. On an out-of-order queue such a command waits for the upload's event, and an append or
 * attention of the batch waits for the command, so that the next upload cannot overtake it.
 * STATE: the batch is not uploaded, or without CLKV_POSITIONS_SEND. INVALID. */
CLKV_API clkv_status clkv_cache_get_positions(clkv_cache *cache, const clkv_batch *batch, cl_mem *mem, size_t *offset);

/* What the last upload planned; for tools and tests. */
typedef struct clkv_plan_info {
    size_t size;
    uint32_t items;        /* work items of attention, each for every KV head */
    uint32_t split_entries;/* sequences whose context is split */
    uint32_t parts;        /* parts over all split queries */
    uint32_t chunk;        /* tokens in a part */
    uint64_t uploaded_bytes;
} clkv_plan_info;

/* INVALID. STATE: the batch is not uploaded. */
CLKV_API clkv_status clkv_cache_get_plan_info(clkv_cache *cache, const clkv_batch *batch, clkv_plan_info *info);

/* Asks, without waiting, whether commands that the cache has enqueued have failed so far. DEVICE: one has. The text
 * names the first of those that were not told yet, driver_code is its event's status; all that are known by now count as
 * told. For callers who take no events: call it once a step, say, or when the step's output has been read. INVALID. */
CLKV_API clkv_status clkv_cache_check(clkv_cache *cache);

/* Fills every slab with one byte, enqueued: 0xff makes every element NaN (for tests), 0 clears. Any
 * content is lost while sequences and index still believe in it. DEVICE. */
CLKV_API clkv_status clkv_cache_fill(clkv_cache *cache, uint8_t byte);

/* Enqueues now what the next upload would: zeros into all blocks that have been freed so far. When the event
 * completes (and not before), nothing of what they held is on the device. For a server that has nothing else
 * to submit, or must be able to say that a tenant's data is gone: end its sequences, clkv_manager_reset or
 * eviction for what is cached, then this. STATE: the cache was made without clear_freed, or the kernel is not compiled
 * (clkv_cache_warm_up). NO_MEMORY, DEVICE: the blocks are still to be cleared. */
CLKV_API clkv_status clkv_cache_clear_freed(clkv_cache *cache, cl_uint n_wait, const cl_event *wait,
                                            cl_event *event);

/* clkv_manager_get_stats with the device's figures. */
CLKV_API clkv_status clkv_cache_get_stats(clkv_cache *cache, clkv_stats *out);

#ifdef __cplusplus
}
#endif
#endif
