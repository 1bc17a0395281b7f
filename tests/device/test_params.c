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
    p.k_type = p.v_type = CLKV_F32;
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
    p.k_type = p.v_type = CLKV_F32;
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

/* A program that is older than the library, or newer: what both know counts. */
START_TEST(a_program_may_be_older_or_newer)
{
    union {
        size_t size;
        clkv_cache_params params;
        clkv_upload_params upload;
        clkv_plan_info info;
        unsigned char bytes[512];
    } any;
    memset(&any, 0xee, sizeof any);
    any.params = small();
    any.size = offsetof(clkv_cache_params, memory_bytes); /* what comes after is not looked at */
    memset(any.bytes + any.size, 0xee, sizeof any.params - any.size);
    both_say(&any.params, CLKV_OK);
    ck_assert_uint_eq(clkv_cache_block_bytes(&any.params), 2 * 2 * (16 + 16) * 16 * 2);
    any.params = small();
    any.size += 64;
    both_say(&any.params, CLKV_ERROR_INVALID);
    memset(any.bytes + sizeof any.params, 0, 64);
    both_say(&any.params, CLKV_OK);

    clkv_device *device = open_device(NULL);
    clkv_cache *cache = NULL;
    clkv_batch *batch = NULL;
    clkv_cache_params p = small();
    p.compile = CLKV_COMPILE_DEFAULT;
    ck_ok(clkv_cache_create(&cache, device, &p));
    ck_ok(clkv_batch_create(&batch, clkv_cache_manager(cache)));
    ck_ok(clkv_batch_reserve(batch));
    memset(&any, 0xee, sizeof any);
    any.size = sizeof any.size;
    ck_ok(clkv_cache_upload(cache, batch, &any.upload, 0, NULL, NULL));
    any.size = offsetof(clkv_plan_info, parts);
    ck_ok(clkv_cache_get_plan_info(cache, batch, &any.info));
    ck_assert_uint_eq(any.size, offsetof(clkv_plan_info, parts));
    ck_assert_uint_eq(any.info.items, 0);
    ck_assert_uint_eq(any.info.parts, 0xeeeeeeeeu);
    any.size = sizeof any;
    ck_ok(clkv_cache_get_plan_info(cache, batch, &any.info));
    ck_assert_uint_eq(any.size, sizeof any.info);
    ck_assert_uint_eq(any.bytes[sizeof any - 1], 0);
    clkv_batch_destroy(&batch);
    clkv_cache_destroy(&cache);
    clkv_device_close(&device);
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
    tcase_add_test(tests, a_program_may_be_older_or_newer);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
