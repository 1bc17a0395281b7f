/* test_params.c: what clkv_cache_supported promises, clkv_cache_create keeps. SPDX-License-Identifier: Apache-2.0 */
#include "open.h"

#include <clkv/cache.h>

static clkv_cache_params small(void)
{
    return (clkv_cache_params){.size = sizeof(clkv_cache_params),
                               .layers = 2,
                               .heads = 4,
                               .kv_heads = 2,
                               .head_dim = 16,
                               .blocks = 8,
                               .max_sequences = 3,
                               .compile = CLKV_COMPILE_LATER};
}

static void both_say(const clkv_cache_params *p, clkv_status expected)
{
    clkv_device *device = open_device(NULL);
    clkv_cache *cache = NULL;
    ck_assert_int_eq(clkv_cache_supported(device, p), expected);
    ck_assert_int_eq(clkv_cache_create(&cache, device, p), expected);
    ck_assert((cache != NULL) == (expected == CLKV_OK));
    clkv_cache_destroy(&cache);
    clkv_device_close(&device);
}

START_TEST(a_small_cache_is_supported)
{
    clkv_cache_params p = small();
    both_say(&p, CLKV_OK);
    ck_assert_uint_eq(clkv_cache_block_bytes(&p), 2 * 2 * (16 + 16) * 16 * 2);
    p.kv_type = CLKV_F32;
    p.head_dim_v = 8;
    p.block_size = 4;
    both_say(&p, CLKV_OK);
    ck_assert_uint_eq(clkv_cache_block_bytes(&p), 2 * 2 * (16 + 8) * 4 * 4);
}
END_TEST

/* 2^70 bytes, which are 0 in 64 bits. */
START_TEST(a_product_beyond_64_bits_is_too_much)
{
    clkv_cache_params p = small();
    p.layers = 65536;
    p.heads = p.kv_heads = 4096;
    p.head_dim = 256;
    p.kv_type = CLKV_F32;
    p.block_size = 4;
    p.blocks = UINT32_C(1) << 29;
    ck_assert_uint_eq(clkv_cache_block_bytes(&p), UINT64_C(1) << 41);
    both_say(&p, CLKV_ERROR_DEVICE_MEMORY);
}
END_TEST

START_TEST(what_the_host_half_refuses_is_not_supported)
{
    clkv_cache_params p = small();
    p.max_sequences = 65536;
    both_say(&p, CLKV_ERROR_INVALID);
    p = small();
    p.watermark = p.blocks;
    both_say(&p, CLKV_ERROR_INVALID);
    p = small();
    p.hash_bits = 65;
    both_say(&p, CLKV_ERROR_INVALID);
}
END_TEST

START_TEST(slabs_that_cannot_be_are_not_supported)
{
    clkv_cache_params p = small();
    p.max_slab_bytes = clkv_cache_block_bytes(&p) - 1; /* no block fits */
    both_say(&p, CLKV_ERROR_UNSUPPORTED);
    p.blocks = 1000;
    p.max_slab_bytes += 1; /* a slab for each block */
    both_say(&p, CLKV_ERROR_UNSUPPORTED);
}
END_TEST

int main(void)
{
    const int skip = without_device();
    if (skip >= 0) return skip;
    Suite *suite = suite_create("params");
    TCase *tests = tcase_create("params");
    tcase_set_timeout(tests, 600);
    tcase_add_test(tests, a_small_cache_is_supported);
    tcase_add_test(tests, a_product_beyond_64_bits_is_too_much);
    tcase_add_test(tests, what_the_host_half_refuses_is_not_supported);
    tcase_add_test(tests, slabs_that_cannot_be_are_not_supported);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
