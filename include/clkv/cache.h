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
 * When the driver fails a call, the function that made it has changed nothing on the host and may be called
 * again. DEVICE, DEVICE_MEMORY, DEVICE_LOST or NO_MEMORY, by the driver's code, is then what any
 * function here and in append.h, attention.h, copy.h and gather.h returns where its comment says DEVICE.
 * A command that is enqueued may still fail on the device, when it runs: its event then has a negative status,
 * and what it was to write is undefined. An operation of several commands has one event, and it is the last
 * one's; none of the cache's commands runs that would take what a failed one has left for block ids. Where a
 * later call finds out, it returns DEVICE and says so, once; it may be called again. Roll the batch back,
 * reserve and upload it again; what is committed already cannot be rolled back: its blocks may hold anything.
 * DEVICE_LOST: the driver takes no more commands for the device; destroy its caches (which works as ever) and
 * close it. Caches on other devices, and new ones, are not touched by that. The log is told once.
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
    clkv_type kv_type;         /* how K and V are kept: CLKV_F16 (default) or CLKV_F32 */
    /* the pool: blocks, or else memory_bytes, or else half of what the device can give */
    uint32_t blocks;
    uint64_t memory_bytes;     /* of slabs on the device, rounded down to whole blocks */
    uint64_t max_slab_bytes;   /* default and upper limit: the device's allocation limit */
    /* the host half; as in clkv_manager_params, defaults included */
    uint32_t block_size, max_sequences, max_context, watermark, hash_bits;
    uint64_t hash_seed, shuffle_seed;
    int event_content, no_prefix;
    int clear_freed;           /* 1: a block that was freed or evicted is zeroed on the device before it holds
                                  anything else: by the first upload after it was freed, whoever's, in front of
                                  that upload's other commands; at the latest by clkv_cache_clear_freed or
                                  clkv_cache_destroy. Cached blocks are not freed: they keep what they hold
                                  until they are evicted or clkv_manager_reset. Costs a write of every block
                                  once more per life: see docs/security.md. Default 0 */
    uint64_t (*clock_ms)(void *user);
    clkv_cache_event_fn on_event;
    void *user;
    uint32_t max_batch_tokens; /* tokens in one batch; default 8192: sizes the split-KV workspace's growth */
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

/* Waits for the cache's own commands, then frees everything, its sequences and batches too. It cannot fail: where the
 * driver does not let it wait, what commands under way still use is freed when they are through. With clear_freed
 * every block that was ever used is zeroed before its memory goes back to the driver (logged where that fails). */
CLKV_API void clkv_cache_destroy(clkv_cache **cache);

CLKV_API clkv_manager *clkv_cache_manager(clkv_cache *cache);
CLKV_API clkv_device *clkv_cache_device(clkv_cache *cache);

typedef struct clkv_upload_params {
    size_t size;
    int non_causal;        /* 1: every query of the pass sees the sequence's whole context */
    uint32_t split_tokens; /* 0: split-KV as fills the device best. N (rounded up to whole blocks): parts
                              of exactly N tokens, and a sequence's result has the same bits whatever
                              else is in the batch */
    uint32_t parts;        /* 0: automatic; N: about N parts for each sequence, for tests and tuning */
} clkv_upload_params;

/* Plans a reserved batch and enqueues everything its pass needs on the device in one packed non-blocking
 * write: changes of block tables, context lengths, slots, work items; then copy-on-write, if any. What
 * is sent does not grow with context length. params may be NULL. A batch may be uploaded again (with
 * other params) until it is committed or rolled back.
 * STATE: not reserved, or kernels are not compiled (clkv_cache_warm_up). LIMIT: max_batch_tokens. INVALID: a batch of
 * another manager. UNSUPPORTED: a sequence whose window has released blocks. NO_MEMORY, DEVICE. */
CLKV_API clkv_status clkv_cache_upload(clkv_cache *cache, clkv_batch *batch, const clkv_upload_params *params,
                                       cl_uint n_wait, const cl_event *wait, cl_event *event);

/* What the last upload planned; for tools and tests. */
typedef struct clkv_plan_info {
    size_t size;
    uint32_t items;        /* work items of attention, each for every KV head */
    uint32_t split_entries;/* sequences whose context is split */
    uint32_t parts;        /* parts over all split queries */
    uint32_t chunk;        /* tokens in a part */
    uint64_t uploaded_bytes;
} clkv_plan_info;
CLKV_API clkv_status clkv_cache_plan_info(clkv_cache *cache, const clkv_batch *batch, clkv_plan_info *info);

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

/* clkv_manager_stats with the device's figures. */
CLKV_API clkv_status clkv_cache_stats(clkv_cache *cache, clkv_stats *out);

#ifdef __cplusplus
}
#endif
#endif
