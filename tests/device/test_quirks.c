/* test_quirks.c: which quirks are in force on which device, the names in CLKV_QUIRKS, and what each quirk does when it is
 * forced on the device at hand. SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L /* setenv */
#include "../variables.h"

#include "open.h"

#include "device/device.h"
#include "device/slab.h"
#include "program/program.h"

#include <clkv/clkv.h>

#define BIT(quirk) (1u << CLKV_QUIRK_##quirk)

static const uint64_t gib = (uint64_t)1 << 30;

static clkv_facts made_up(clkv_device_kind kind, const char *platform, const char *name)
{
    clkv_facts f = { 0 };
    f.info.kind = kind;
    f.info.max_work_group = 256;
    snprintf(f.info.platform, sizeof f.info.platform, "%s", platform);
    snprintf(f.info.name, sizeof f.info.name, "%s", name);
    return f;
}

static uint64_t limit_of(uint32_t bits, uint64_t max_alloc_bytes)
{
    const clkv_device_info info = { .max_alloc_bytes = max_alloc_bytes };
    return clkv_quirks_max_alloc(bits, &info);
}

START_TEST(in_force)
{
    static const struct {
        const char *platform, *name;
        clkv_device_kind kind;
        uint32_t min_sub_group, bits;
    } cases[] = {
        { "Apple", "Apple M2", CLKV_DEVICE_GPU_INTEGRATED, 0, BIT(APPLE_LARGE_BUFFERS) | BIT(APPLE_SLOW_LAUNCH) },
        { "Apple", "Intel(R) Core(TM) i7", CLKV_DEVICE_CPU, 0, BIT(APPLE_LARGE_BUFFERS) },
        { "Intel(R) OpenCL Graphics", "Arc", CLKV_DEVICE_GPU_DISCRETE, 0, BIT(INTEL_LARGE_BUFFERS) },
        { "Intel(R) OpenCL Graphics", "Max", CLKV_DEVICE_GPU_DISCRETE, 16, BIT(INTEL_LARGE_BUFFERS) | BIT(INTEL_NARROW) },
        { "Intel(R) OpenCL", "Xeon", CLKV_DEVICE_CPU, 16, 0 },
        { "Portable Computing Language", "cpu", CLKV_DEVICE_CPU, 16, BIT(POCL_LATE_CODE) },
        { "rusticl", "llvmpipe (LLVM 15)", CLKV_DEVICE_CPU, 0, BIT(LLVMPIPE_PORTABLE) | BIT(RUSTICL_LOCAL_TWICE) },
        { "rusticl", "AMD Radeon", CLKV_DEVICE_GPU_DISCRETE, 0, BIT(RUSTICL_LOCAL_TWICE) },
        { "Oclgrind", "Oclgrind Simulator", CLKV_DEVICE_CPU, 0, BIT(OCLGRIND_NO_BINARIES) | BIT(OCLGRIND_ONE_COMPILER) },
        { "NVIDIA CUDA", "H200", CLKV_DEVICE_GPU_DISCRETE, 0, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        clkv_facts f = made_up(cases[i].kind, cases[i].platform, cases[i].name);
        f.min_sub_group = cases[i].min_sub_group;
        ck_assert_msg(clkv_quirks_match(&f) == cases[i].bits, "%s: %x", cases[i].name, clkv_quirks_match(&f));
    }
}
END_TEST

START_TEST(largest_buffer)
{
    ck_assert_uint_eq(limit_of(0, 16 * gib), 16 * gib);
    ck_assert_uint_eq(limit_of(BIT(APPLE_LARGE_BUFFERS), 16 * gib), 2 * gib - 65536);
    ck_assert_uint_eq(limit_of(BIT(INTEL_LARGE_BUFFERS), 16 * gib), 4 * gib - 65536);
    ck_assert_uint_eq(limit_of(BIT(APPLE_LARGE_BUFFERS) | BIT(INTEL_LARGE_BUFFERS), 16 * gib), 2 * gib - 65536);
    ck_assert_uint_eq(limit_of(BIT(APPLE_LARGE_BUFFERS) | BIT(INTEL_LARGE_BUFFERS), gib), gib);
}
END_TEST

START_TEST(tuning_numbers)
{
    clkv_facts f = made_up(CLKV_DEVICE_GPU_INTEGRATED, "P", "D");
    f.min_sub_group = 16;
    clkv_tuning usual, t;
    ck_ok(clkv_tuning_choose(&usual, &f, 0, NULL));
    ck_assert_uint_eq(usual.sub_group, 0);
    ck_assert_uint_lt(usual.min_split, 512);
    ck_ok(clkv_tuning_choose(&t, &f, BIT(INTEL_NARROW), NULL));
    ck_assert_uint_eq(t.sub_group, 16);
    ck_assert_uint_eq(t.min_split, usual.min_split);
    ck_ok(clkv_tuning_choose(&t, &f, BIT(APPLE_SLOW_LAUNCH), NULL));
    ck_assert_uint_eq(t.min_split, 512);
    ck_assert_uint_eq(t.work_group, usual.work_group);
}
END_TEST

/* ---- on the device at hand ---- */

/* Opens a device with nothing but these quirks forced. */
static clkv_device *open_with(const char *quirks)
{
    set_variable("CLKV_QUIRKS", quirks);
    clkv_device *device = open_device(NULL);
    set_variable("CLKV_QUIRKS", NULL);
    return device;
}

START_TEST(texts)
{
    clkv_device *device = open_with("apple-slow-launch,intel-narrow");
    size_t n = 0, forced = 0;
    const char *name = NULL, *reason = NULL, *link = NULL;
    for (; clkv_device_get_quirk(device, n, &name, &reason, &link); n++) {
        ck_assert(name && strlen(name) > 3);
        ck_assert(reason && strlen(reason) > 20);
        ck_assert(link && strlen(link) > 10);
        forced += !strcmp(name, "apple-slow-launch") || !strcmp(name, "intel-narrow");
    }
    ck_assert_uint_eq(forced, 2);
    ck_assert_uint_eq(n, (unsigned)__builtin_popcount(device->quirks));
    ck_assert_int_eq(clkv_device_get_quirk(device, n + 1, NULL, NULL, NULL), 0);
    ck_assert_int_eq(clkv_device_get_quirk(NULL, 0, NULL, NULL, NULL), 0);
    clkv_device_close(&device);
}
END_TEST

START_TEST(names)
{
    clkv_device *device = open_with("");
    const uint32_t own = device->quirks;
    clkv_device_close(&device);
    static const struct {
        const char *text;
        uint32_t bits;
    } good[] = {
        { ",", 0 }, { ",apple-slow-launch,", BIT(APPLE_SLOW_LAUNCH) },
        { "apple-large-buffers,,apple-slow-launch", BIT(APPLE_LARGE_BUFFERS) | BIT(APPLE_SLOW_LAUNCH) },
        { "apple-slow-launch,apple-slow-launch", BIT(APPLE_SLOW_LAUNCH) },
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        device = open_with(good[i].text);
        ck_assert_uint_eq(device->quirks, own | good[i].bits);
        clkv_device_close(&device);
    }
    char long_text[600];
    memset(long_text, ',', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = 0;
    const char *const bad[] = { "apple-slow-launches", "apple-slow", "apple-slow-launch, apple-large-buffers", long_text };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const clkv_device_params params = CLKV_PARAMS_INIT(clkv_device_params);
        set_variable("CLKV_QUIRKS", bad[i]);
        ck_assert_int_eq(clkv_device_open(&device, &params), CLKV_ERROR_INVALID);
        ck_assert_ptr_null(device);
        ck_assert_ptr_nonnull(strstr(clkv_last_error()->message, "CLKV_QUIRKS"));
    }
    set_variable("CLKV_QUIRKS", NULL);
}
END_TEST

/* A pool of more than one slab of 2 GiB; only planned, since the memory may not be there. */
START_TEST(apple_large_buffers)
{
    clkv_device *device = open_with("apple-large-buffers");
    const uint64_t block = (uint64_t)4 << 20;
    const uint32_t blocks = (uint32_t)(5 * gib / 2 / block);
    clkv_slabs slabs;
    if (clkv_slabs_limit(device) < 3 * gib) {
        printf("not tried on %s: a pool of 2.5 GiB\n", info_of(device).name);
    } else {
        ck_ok(clkv_slabs_divide(&slabs, device, blocks, block, 0));
        ck_assert_uint_ge(slabs.n, 2);
        ck_assert_uint_lt(slabs.slab_bytes, 2 * gib);
    }
    ck_assert_int_eq(clkv_slabs_divide(&slabs, device, 1, 2 * gib, 0), CLKV_ERROR_UNSUPPORTED);
    clkv_device_close(&device);
}
END_TEST

/* The number of entries that are split when one token is added to a context of `tokens` − 1. */
static uint32_t split_entries(const char *quirks, uint32_t tokens)
{
    static const uint32_t ids[1024];
    clkv_device *device = open_with(quirks);
    clkv_cache_params params = CLKV_PARAMS_INIT(clkv_cache_params);
    params.layers = params.heads = params.kv_heads = 1;
    params.head_dim = 8;
    params.blocks = 80;
    clkv_cache *cache = NULL;
    clkv_sequence *sequence = NULL;
    clkv_batch *batch = NULL;
    ck_ok(clkv_cache_create(&cache, device, &params));
    const clkv_sequence_params fresh = CLKV_PARAMS_INIT(clkv_sequence_params);
    ck_ok(clkv_sequence_create(&sequence, clkv_cache_manager(cache), &fresh, NULL));
    ck_ok(clkv_batch_create(&batch, clkv_cache_manager(cache)));
    ck_ok(clkv_batch_add(batch, sequence, ids, tokens - 1, NULL));
    ck_ok(clkv_batch_reserve(batch));
    ck_ok(clkv_batch_commit(batch));
    ck_ok(clkv_batch_clear(batch));
    ck_ok(clkv_batch_add(batch, sequence, ids, 1, NULL));
    ck_ok(clkv_batch_reserve(batch));
    ck_ok(clkv_cache_upload(cache, batch, NULL, 0, NULL, NULL));
    clkv_plan_info plan = CLKV_PARAMS_INIT(clkv_plan_info);
    ck_ok(clkv_cache_get_plan_info(cache, batch, &plan));
    clkv_batch_destroy(&batch);
    clkv_sequence_destroy(&sequence);
    clkv_cache_destroy(&cache);
    clkv_device_close(&device);
    return plan.split_entries;
}

START_TEST(apple_slow_launch)
{
    ck_assert_uint_eq(split_entries("", 512), 1);
    ck_assert_uint_eq(split_entries("apple-slow-launch", 512), 0);
    ck_assert_uint_eq(split_entries("apple-slow-launch", 1024), 1);
}
END_TEST

START_TEST(others)
{
    clkv_device *device = open_with("llvmpipe-portable,oclgrind-no-binaries,oclgrind-one-compiler");
    clkv_programs *programs = NULL;
    if (!getenv("CLKV_VARIANT")) ck_assert_str_eq(info_of(device).variant, "portable");
    ck_assert_str_eq(info_of(device).cache_dir, "");
    ck_ok(clkv_programs_of(&programs, device));
    ck_assert_uint_eq(clkv_programs_threads(programs), 1);
    clkv_device_close(&device);
}
END_TEST

int main(void)
{
    set_variable("CLKV_QUIRKS", NULL);
    const int skip = without_device();
    if (skip >= 0) return skip;
    Suite *suite = suite_create("quirks");
    TCase *tests = tcase_create("quirks");
    tcase_set_timeout(tests, 600);
    tcase_add_test(tests, in_force);
    tcase_add_test(tests, largest_buffer);
    tcase_add_test(tests, tuning_numbers);
    tcase_add_test(tests, texts);
    tcase_add_test(tests, names);
    tcase_add_test(tests, apple_large_buffers);
    tcase_add_test(tests, apple_slow_launch);
    tcase_add_test(tests, others);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
