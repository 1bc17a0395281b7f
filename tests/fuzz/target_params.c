/* target_params.c: hostile parameters of a cache, on a device of pocl. What clkv_cache_supported promises
 * clkv_cache_create must keep, and the sizes must be those of exact arithmetic.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include <clkv/cache.h>

#include <unistd.h>

enum { MOST_BYTES = 8 << 20, MOST_ROWS = 1 << 20 }; /* of caches that are really made */

int LLVMFuzzerInitialize(int *argc, char ***argv);

static clkv_device *device;

/* Before any input: without a device there is nothing to try. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    clkv_device_params params = CLKV_PARAMS_INIT(clkv_device_params);
    if (!clkv_device_open(&device, &params)) return 0;
    fprintf(stderr, "no OpenCL device: %s\n", clkv_last_error()->message);
    _exit(getenv("CLKV_TEST_NEED_DEVICE") ? EXIT_FAILURE : 77);
}

/* Mostly what somebody might ask for, else anything. */
static uint32_t number(fuzz_input *in)
{
    static const uint32_t likely[] = {0, 1, 2, 3, 4, 8, 16, 32, 64, 65, 128, 256, 512, 4096, 65535, 65536};
    const uint8_t how = fuzz_byte(in);
    if (how < 0xe0) return likely[how & 15];
    return how < 0xf0 ? UINT32_C(1) << (fuzz_byte(in) & 31) : fuzz_u32(in) * (how & 1) - (how >> 1 & 1);
}

static uint64_t wide(fuzz_input *in)
{
    const uint64_t low = number(in);
    return low << (fuzz_byte(in) & 63);
}

/* a * b, or the largest number where that does not fit. */
static uint64_t times(uint64_t a, uint64_t b)
{
    return b && a > UINT64_MAX / b ? UINT64_MAX : a * b;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    clkv_cache_params p = CLKV_PARAMS_INIT(clkv_cache_params);
    p.layers = number(&in);
    p.heads = number(&in);
    p.kv_heads = number(&in);
    p.head_dim = number(&in);
    p.head_dim_v = number(&in);
    const uint8_t types = fuzz_byte(&in);
    p.k_type = (clkv_type)(types & 3);
    p.v_type = (clkv_type)(types >> 2 & 3);
    p.block_size = number(&in);
    p.blocks = number(&in);
    p.max_sequences = number(&in);
    p.max_context = number(&in);
    p.watermark = number(&in);
    p.hash_bits = number(&in);
    p.max_batch_tokens = number(&in);
    p.memory_bytes = wide(&in);
    p.max_slab_bytes = wide(&in);
    p.shuffle_seed = fuzz_byte(&in);
    p.prefix = (clkv_prefix_use)(fuzz_byte(&in) & 3);
    const uint8_t how = fuzz_byte(&in);
    if (how == 0xff) p.size = fuzz_byte(&in) % sizeof p.size;
    p.window = how == 0xfe;
    p.growth = (clkv_growth)(how & 3); /* 3 is none */
    p.spare_slabs = how >> 2 & 7;

    p.compile = CLKV_COMPILE_LATER; /* what takes seconds has no part in this */

    const uint64_t each = clkv_cache_block_bytes(&p);
    const uint64_t k_bytes = (uint64_t)p.head_dim * (p.k_type == CLKV_F32 ? 4 : 2);
    const uint64_t v_bytes = (uint64_t)(p.head_dim_v ? p.head_dim_v : p.head_dim) * (p.v_type == CLKV_F32 ? 4 : 2);
    const uint64_t exact =
        times(times(times(p.layers, p.kv_heads), k_bytes + v_bytes), p.block_size ? p.block_size : 16);
    FUZZ_CHECK(each == 0 || each == exact);
    const clkv_status promised = clkv_cache_supported(device, &p);
    if (promised) fuzz_check_message(clkv_last_error()->message);
    FUZZ_CHECK(promised == CLKV_OK || promised == CLKV_ERROR_INVALID || promised == CLKV_ERROR_UNSUPPORTED ||
               promised == CLKV_ERROR_DEVICE_MEMORY);
    FUZZ_CHECK(promised || each);
    const uint64_t bytes = p.blocks ? times(exact, p.blocks) : p.memory_bytes;
    if (!promised) FUZZ_CHECK(bytes < UINT64_C(1) << 50); /* no machine has more */
    const uint64_t rows = (uint64_t)p.max_sequences * p.max_context;
    if (!promised && (!bytes || bytes > MOST_BYTES || rows > MOST_ROWS)) return 0;
    clkv_cache *cache = NULL;
    const clkv_status status = clkv_cache_create(&cache, device, &p);
    FUZZ_CHECK(status == promised && !status == (cache != NULL));
    if (cache) {
        const char *broken = clkv_manager_validate(clkv_cache_manager(cache));
        if (broken) fuzz_broken("clkv_manager_validate", 0, broken);
        clkv_stats stats = CLKV_PARAMS_INIT(clkv_stats);
        FUZZ_CHECK(!clkv_cache_get_stats(cache, &stats));
        const uint64_t total = stats.blocks_total * each;
        FUZZ_CHECK(stats.blocks_total > 0 && stats.slabs_open == 1 && each <= stats.device_bytes);
        FUZZ_CHECK(total <= stats.device_bytes || stats.slabs > 1);
        FUZZ_CHECK(p.growth != CLKV_GROWTH_AT_ONCE || total <= stats.device_bytes);
        FUZZ_CHECK(!p.blocks || stats.blocks_total == p.blocks);
    }
    clkv_cache_destroy(&cache);
    return 0;
}
