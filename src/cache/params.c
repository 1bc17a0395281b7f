/* params.c: fills in and checks the params of a cache before it is created.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cache/state.h"

#include "core/error.h"
#include "core/manager.h"
#include "core/params.h"

#define DEFAULT_BLOCK_SIZE 16u
#define DEFAULT_CONTEXT 131072u
#define DEFAULT_BATCH_TOKENS 8192u
#define DEFAULT_SEQUENCES 256u
/* A pool that grows has at most GROWTH_SLABS slabs, and none of less than GROWTH_BYTES. */
#define GROWTH_SLABS 16u
#define GROWTH_BYTES (UINT64_C(32) << 20)
#define SPARE_SLABS 1u

static clkv_status check_head_dim(const char *name, uint32_t dim)
{
    if (dim == 0) return CLKV_FAIL(CLKV_ERROR_INVALID, "%s is 0", name);
    if (dim % 8 != 0 || dim > 256)
        return CLKV_FAIL(CLKV_ERROR_UNSUPPORTED, "%s %u: 8 to 256 in steps of 8 are supported", name, (unsigned)dim);
    return CLKV_OK;
}

static clkv_status check_type(const char *name, clkv_type type)
{
    if (!clkv_format_of(type))
        return CLKV_FAIL(CLKV_ERROR_INVALID, "%s is %d: CLKV_F16 or CLKV_F32", name, (int)type);
    return CLKV_OK;
}

static clkv_status check_model(const clkv_cache_params *p)
{
    if (p->layers == 0 || p->layers > 65536)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "layers is %u: 1 to 65536", (unsigned)p->layers);
    if (p->kv_heads == 0 || p->heads == 0 || p->heads % p->kv_heads != 0)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "%u query heads over %u KV heads: a multiple, at least 1, is needed",
                         (unsigned)p->heads, (unsigned)p->kv_heads);
    if (p->heads > 4096)
        return CLKV_FAIL(CLKV_ERROR_UNSUPPORTED, "%u query heads: at most 4096", (unsigned)p->heads);
    clkv_status st = check_head_dim("head_dim", p->head_dim);
    if (st == CLKV_OK) st = check_head_dim("head_dim_v", p->head_dim_v);
    if (st != CLKV_OK) return st;
    st = check_type("k_type", p->k_type);
    if (st == CLKV_OK) st = check_type("v_type", p->v_type);
    if (st != CLKV_OK) return st;
    if (p->commit != CLKV_COMMIT_DEFAULT && p->commit != CLKV_COMMIT_TRUSTING && p->commit != CLKV_COMMIT_STRICT)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "commit is %d: none of clkv_commit", (int)p->commit);
    if (p->window != 0)
        return CLKV_FAIL(CLKV_ERROR_UNSUPPORTED, "attention over a sliding window is not there yet");
    if (p->block_size > 256 || (p->block_size & (p->block_size - 1)) != 0)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "block_size is %u: a power of two from 1 to 256",
                         (unsigned)p->block_size);
    return CLKV_OK;
}

static uint64_t block_bytes(const clkv_cache_params *p)
{
    const clkv_layout layout = { clkv_format_of(p->k_type), clkv_format_of(p->v_type), p->layers, p->kv_heads,
                                 p->head_dim, p->head_dim_v, p->block_size };
    return clkv_layout_block_bytes(&layout);
}

static void fill_model_defaults(clkv_cache_params *p)
{
    if (p->head_dim_v == 0) p->head_dim_v = p->head_dim;
    if (p->k_type == CLKV_TYPE_DEFAULT) p->k_type = CLKV_F16;
    if (p->v_type == CLKV_TYPE_DEFAULT) p->v_type = CLKV_F16;
    if (p->block_size == 0) p->block_size = DEFAULT_BLOCK_SIZE;
}

uint64_t clkv_cache_block_bytes(const clkv_cache_params *params)
{
    clkv_cache_params p;
    if (CLKV_PUBLIC(CLKV_PARAMS_READ(p, params)) != CLKV_OK) return 0;
    fill_model_defaults(&p);
    return CLKV_PUBLIC(check_model(&p)) == CLKV_OK ? block_bytes(&p) : 0;
}

/* Sets the number of blocks: p->blocks, or what fits into memory_bytes, or into half of the device's memory. */
static clkv_status resolve_blocks(const clkv_device *device, clkv_cache_params *p)
{
    const uint64_t each = block_bytes(p), limit = clkv_slabs_limit(device);
    if (p->blocks == 0) {
        const uint64_t bytes = p->memory_bytes ? p->memory_bytes : limit / 2;
        uint64_t n = bytes / each;
        /* Slots are 32-bit numbers on the device: block × block_size + offset. */
        if (n > UINT32_MAX / p->block_size) n = UINT32_MAX / p->block_size;
        if (n == 0)
            return CLKV_FAIL(CLKV_ERROR_INVALID, "%llu bytes hold no block of %llu bytes", (unsigned long long)bytes,
                             (unsigned long long)each);
        p->blocks = (uint32_t)n;
    }
    if (p->blocks > UINT32_MAX / p->block_size)
        return CLKV_FAIL(CLKV_ERROR_UNSUPPORTED, "%u blocks of %u tokens: slots are 32-bit numbers",
                         (unsigned)p->blocks, (unsigned)p->block_size);
    if (each > limit / p->blocks) /* their product may exceed 2^64 */
        return CLKV_FAIL(CLKV_ERROR_DEVICE_MEMORY, "%u blocks of %llu bytes: the device can give %llu bytes",
                         (unsigned)p->blocks, (unsigned long long)each, (unsigned long long)limit);
    p->memory_bytes = each * p->blocks;
    return CLKV_OK;
}

/* Sets the size of the slabs of a pool that grows, unless the caller has. */
static void resolve_growth(clkv_cache_params *p)
{
    if (p->growth == CLKV_GROWTH_DEFAULT) p->growth = CLKV_GROWTH_ON_DEMAND;
    if (p->spare_slabs == 0) p->spare_slabs = SPARE_SLABS;
    if (p->spare_slabs == CLKV_SPARE_NONE) p->spare_slabs = 0;
    if (p->growth == CLKV_GROWTH_AT_ONCE || p->max_slab_bytes) return;
    const uint64_t each = p->memory_bytes / p->blocks, blocks = (p->blocks - 1) / GROWTH_SLABS + 1;
    p->max_slab_bytes = blocks * each > GROWTH_BYTES ? blocks * each : GROWTH_BYTES;
    if (p->max_slab_bytes < each) p->max_slab_bytes = each;
}

clkv_manager_params clkv_cache_manager_params(const clkv_cache_params *p)
{
    clkv_manager_params m = CLKV_PARAMS_INIT(clkv_manager_params);
    m.blocks = p->blocks;
    m.block_size = p->block_size;
    m.max_sequences = p->max_sequences;
    m.max_context = p->max_context;
    m.watermark = p->watermark;
    m.hash_bits = p->hash_bits;
    m.hash_seed = p->hash_seed;
    m.event_content = p->event_content;
    m.shuffle_seed = p->shuffle_seed;
    m.clear_freed = p->clear_freed;
    m.prefix = p->prefix;
    m.max_batch_tokens = p->max_batch_tokens;
    m.clock_ms = p->clock_ms;
    m.on_event = p->on_event;
    m.user = p->user;
    return m;
}

clkv_status clkv_cache_resolve(const clkv_device *device, const clkv_cache_params *params, clkv_cache_params *out)
{
    if (!device) return CLKV_FAIL(CLKV_ERROR_INVALID, "device is NULL");
    clkv_cache_params p;
    clkv_status st = CLKV_PARAMS_READ(p, params);
    if (st != CLKV_OK) return st;
    fill_model_defaults(&p);
    st = check_model(&p);
    if (st == CLKV_OK && p.compile != CLKV_COMPILE_DEFAULT && p.compile != CLKV_COMPILE_LATER)
        st = CLKV_FAIL(CLKV_ERROR_INVALID, "compile is %d: CLKV_COMPILE_DEFAULT or CLKV_COMPILE_LATER", (int)p.compile);
    if (st == CLKV_OK && p.growth != CLKV_GROWTH_DEFAULT && p.growth != CLKV_GROWTH_ON_DEMAND &&
        p.growth != CLKV_GROWTH_AT_ONCE)
        st = CLKV_FAIL(CLKV_ERROR_INVALID, "growth is %d: none of clkv_growth", (int)p.growth);
    if (st == CLKV_OK) st = resolve_blocks(device, &p);
    if (st != CLKV_OK) return st;
    resolve_growth(&p);
    if (p.max_sequences == 0) p.max_sequences = DEFAULT_SEQUENCES;
    if (p.max_batch_tokens == 0) p.max_batch_tokens = DEFAULT_BATCH_TOKENS;
    const uint64_t pool_tokens = (uint64_t)p.blocks * p.block_size;
    if (p.max_context == 0) p.max_context = DEFAULT_CONTEXT;
    if (p.max_context > pool_tokens) p.max_context = (uint32_t)pool_tokens;
    const uint64_t row = ((uint64_t)p.max_context + p.block_size - 1) / p.block_size;
    if (row * p.max_sequences > UINT32_MAX)
        return CLKV_FAIL(CLKV_ERROR_UNSUPPORTED,
                         "block tables of %u sequences of %u tokens: %llu entries, at most 2^32 - 1",
                         (unsigned)p.max_sequences, (unsigned)p.max_context,
                         (unsigned long long)(row * p.max_sequences));
    const clkv_manager_params manager = clkv_cache_manager_params(&p);
    clkv_slabs slabs;
    st = clkv_manager_check_params(&manager);
    if (st == CLKV_OK) st = clkv_slabs_divide(&slabs, device, p.blocks, block_bytes(&p), p.max_slab_bytes);
    if (st == CLKV_OK) *out = p;
    return st;
}

clkv_status clkv_cache_supported(const clkv_device *device, const clkv_cache_params *params)
{
    clkv_cache_params resolved;
    return CLKV_PUBLIC(clkv_cache_resolve(device, params, &resolved));
}
