/* test_device.c: finding, choosing, opening and wrapping devices; the quirk and tuning tables.
 * SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L /* setenv */
#include "open.h"

#include "device/choose.h"
#include "device/device.h"

#include <ctype.h>

/* The environment that a test starts from: what the setups force is put back at the end. */
static const char *const variables[] = { "CLKV_DEVICE", "CLKV_VARIANT", "CLKV_CACHE_DIR", "CLKV_NO_CACHE",
                                         "XDG_CACHE_HOME", "HOME" };
static char *saved[sizeof variables / sizeof *variables];

static void clear_environment(void)
{
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        const char *value = getenv(variables[i]);
        saved[i] = value ? strdup(value) : NULL;
        unsetenv(variables[i]);
    }
}

static void restore_environment(void)
{
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        if (saved[i]) setenv(variables[i], saved[i], 1);
        else unsetenv(variables[i]);
        free(saved[i]);
    }
}

static clkv_status try_open(clkv_device **device, const char *select, const char *variant, const char *cache_dir)
{
    clkv_device_params params = CLKV_PARAMS_INIT(clkv_device_params);
    params.select = select;
    params.variant = variant;
    params.cache_dir = cache_dir;
    *device = NULL;
    return clkv_device_open(device, &params);
}

START_TEST(list)
{
    size_t n = 0, again = 0;
    ck_ok(clkv_device_list(NULL, 0, &n));
    ck_assert_uint_ge(n, 1);
    clkv_device_info *infos = calloc(n + 1, sizeof *infos);
    memset(&infos[n], 0x77, sizeof *infos);
    ck_ok(clkv_device_list(infos, n, &again));
    ck_assert_uint_eq(n, again);
    ck_assert_uint_eq(infos[n].index, 0x77777777u); /* no further than n */
    for (size_t i = 0; i < n; i++) {
        const clkv_device_info *d = &infos[i];
        ck_assert_uint_eq(d->size, sizeof *d);
        ck_assert_uint_eq(d->index, i);
        ck_assert(d->kind >= CLKV_DEVICE_GPU_DISCRETE && d->kind <= CLKV_DEVICE_CPU);
        ck_assert_uint_gt(strlen(d->platform), 0);
        ck_assert_uint_gt(strlen(d->name), 0);
        ck_assert(!isspace((unsigned char)d->name[0]));
        ck_assert_uint_ge(d->version, 120);
        ck_assert_uint_lt(d->version, 500);
        ck_assert_uint_ge(d->compute_units, 1);
        ck_assert_uint_ge(d->max_work_group, 1);
        ck_assert_uint_ge(d->max_parameter_bytes, 256); /* 32 slabs are 256 bytes of arguments */
        ck_assert(d->address_bits == 32 || d->address_bits == 64);
        ck_assert_uint_ge(d->max_alloc_bytes, 1 << 20);
        ck_assert_uint_ge(d->global_bytes, d->max_alloc_bytes);
        ck_assert_uint_ge(d->local_bytes, 16384);
        ck_assert_str_eq(d->variant, "");
        ck_assert_str_eq(d->cache_dir, "");
    }
    free(infos);
    ck_assert_int_eq(clkv_device_list(NULL, 1, &n), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_device_list(NULL, 0, NULL), CLKV_ERROR_INVALID);
}
END_TEST

static clkv_facts made_up(uint32_t index, clkv_device_kind kind, uint64_t global_bytes, const char *platform,
                          const char *name)
{
    clkv_facts f = { 0 };
    f.info.index = index;
    f.info.kind = kind;
    f.info.global_bytes = global_bytes;
    snprintf(f.info.platform, sizeof f.info.platform, "%s", platform);
    snprintf(f.info.name, sizeof f.info.name, "%s", name);
    return f;
}

START_TEST(choice)
{
    clkv_facts facts[] = {
        made_up(0, CLKV_DEVICE_CPU, 999, "Portable", "Zen"),
        made_up(1, CLKV_DEVICE_GPU_INTEGRATED, 500, "Alpha Corp", "Graphics 7"),
        made_up(2, CLKV_DEVICE_ACCELERATOR, 800, "Fields", "FPGA"),
        made_up(3, CLKV_DEVICE_GPU_DISCRETE, 100, "Beta Inc", "Radiant 9"),
        made_up(4, CLKV_DEVICE_GPU_DISCRETE, 200, "Beta Inc", "Radiant 11"),
        made_up(5, CLKV_DEVICE_GPU_DISCRETE, 200, "Beta Inc", "Radiant 11"),
    };
    const clkv_device_set set = { facts, 6, 6 };
    static const struct {
        const char *select;
        size_t index;
    } good[] = {
        { NULL, 4 }, { "", 4 }, { "0", 0 }, { "5", 5 }, { "zen", 0 }, { "ALPHA", 1 }, { "portable / zen", 0 },
        { "radiant 9", 3 }, { "radiant", 4 }, { "fpga", 2 }, { "corp / g", 1 }, { "a", 4 },
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        size_t index = 99;
        ck_ok(clkv_devices_choose(&set, good[i].select, &index));
        ck_assert_uint_eq(index, good[i].index);
    }
    static const char *const bad[] = { "6", "99999999999999999999999", "nix", "-1", "zen ", "0x1" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        size_t index = 99;
        ck_assert_int_eq(clkv_devices_choose(&set, bad[i], &index), CLKV_ERROR_NO_DEVICE);
        ck_assert_uint_eq(index, 99);
        ck_assert_ptr_nonnull(strstr(clkv_last_error()->message, bad[i][0] == '9' ? "9999" : bad[i]));
        ck_assert_ptr_nonnull(strstr(clkv_last_error()->message, "Graphics 7"));
    }
    const clkv_device_set few = { facts, 3, 3 }, none = { 0 };
    size_t index = 99;
    ck_ok(clkv_devices_choose(&few, NULL, &index));
    ck_assert_uint_eq(index, 1); /* integrated before accelerator before CPU, whatever the memory */
    ck_assert_int_eq(clkv_devices_choose(&none, NULL, &index), CLKV_ERROR_NO_DEVICE);
}
END_TEST

START_TEST(open_by_name_and_environment)
{
    clear_environment();
    size_t n = 0;
    ck_ok(clkv_device_list(NULL, 0, &n));
    clkv_device *device = NULL;
    char index[24], name[96];
    for (size_t i = 0; i < n; i++) {
        snprintf(index, sizeof index, "%zu", i);
        ck_ok(try_open(&device, index, NULL, ""));
        const clkv_device_info info = info_of(device);
        ck_assert_uint_eq(info.index, i);
        ck_assert_ptr_nonnull(clkv_device_context(device));
        ck_assert_ptr_nonnull(clkv_device_queue(device));
        ck_assert_ptr_nonnull(clkv_device_id(device));
        clkv_device_close(&device);
        ck_assert_ptr_null(device);

        for (size_t k = 0; k < sizeof name; k++) name[k] = (char)toupper((unsigned char)info.name[k]);
        ck_ok(try_open(&device, name, NULL, ""));
        ck_assert_str_eq(info_of(device).name, info.name);
        clkv_device_close(&device);
    }
    setenv("CLKV_DEVICE", index, 1); /* the last one */
    ck_ok(try_open(&device, NULL, NULL, ""));
    ck_assert_uint_eq(info_of(device).index, n - 1);
    clkv_device_close(&device);

    snprintf(index, sizeof index, "%zu", n);
    ck_assert_int_eq(try_open(&device, index, NULL, ""), CLKV_ERROR_NO_DEVICE);
    ck_assert_int_eq(try_open(&device, "no such device", NULL, ""), CLKV_ERROR_NO_DEVICE);
    ck_assert_ptr_null(device);
    setenv("CLKV_DEVICE", "no such device", 1);
    ck_assert_int_eq(try_open(&device, NULL, NULL, ""), CLKV_ERROR_NO_DEVICE);
    ck_ok(try_open(&device, "0", NULL, "")); /* what the program says goes before the environment */
    clkv_device_close(&device);
    clkv_device_close(&device);
    clkv_device_close(NULL);
    restore_environment();
}
END_TEST

START_TEST(variants)
{
    clear_environment();
    clkv_device *device = NULL;
    ck_ok(try_open(&device, NULL, NULL, ""));
    /* llvmpipe is a CPU with a quirk that asks for the portable variant. */
    const int is_cpu = info_of(device).kind == CLKV_DEVICE_CPU && strncmp(info_of(device).name, "llvmpipe", 8) != 0;
    ck_assert_str_eq(info_of(device).variant, is_cpu ? "cpu" : "portable");
    clkv_device_close(&device);

    setenv("CLKV_VARIANT", is_cpu ? "portable" : "cpu", 1);
    ck_ok(try_open(&device, NULL, NULL, ""));
    ck_assert_str_eq(info_of(device).variant, is_cpu ? "portable" : "cpu");
    clkv_device_close(&device);
    ck_ok(try_open(&device, NULL, is_cpu ? "cpu" : "portable", ""));
    ck_assert_str_eq(info_of(device).variant, is_cpu ? "cpu" : "portable");
    const clkv_tuning *tuning = clkv_device_tuning(device);
    ck_assert_int_eq(tuning->variant, is_cpu ? CLKV_VARIANT_CPU : CLKV_VARIANT_PORTABLE);
    clkv_device_close(&device);

    ck_assert_int_eq(try_open(&device, NULL, "gpu", ""), CLKV_ERROR_INVALID);
    ck_assert_ptr_nonnull(strstr(clkv_last_error()->message, "\"gpu\""));
    setenv("CLKV_VARIANT", "CPU", 1);
    ck_assert_int_eq(try_open(&device, NULL, NULL, ""), CLKV_ERROR_INVALID);
    ck_assert_ptr_null(device);
    restore_environment();
}
END_TEST

START_TEST(tuning)
{
    static const uint64_t limits[] = { 1, 2, 3, 32, 63, 64, 100, 256, 1024, 4096 };
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        for (int kind = CLKV_DEVICE_GPU_DISCRETE; kind <= CLKV_DEVICE_CPU; kind++)
            for (int v = 0; v < 2; v++) {
                const clkv_facts facts = { .info = { .kind = (clkv_device_kind)kind, .max_work_group = limits[i] } };
                clkv_tuning t;
                ck_ok(clkv_tuning_choose(&t, &facts, 0, clkv_variant_name((clkv_variant)v)));
                ck_assert_int_eq(t.variant, v);
                if (v == CLKV_VARIANT_CPU) ck_assert_uint_eq(t.work_group, 1);
                ck_assert(t.work_group >= 1 && t.work_group <= limits[i] && t.work_group <= 256);
                ck_assert(t.copy_group >= 1 && t.copy_group <= limits[i] && t.copy_group <= 256);
                ck_assert_uint_eq(t.work_group & (t.work_group - 1), 0);
                ck_assert(t.tile_rows && t.groups_per_unit && t.min_split && t.split_max_queries);
            }
    ck_assert_str_eq(clkv_variant_name(CLKV_VARIANT_CPU), "cpu");
    ck_assert_str_eq(clkv_variant_name(CLKV_VARIANT_PORTABLE), "portable");
}
END_TEST

START_TEST(quirks)
{
    const uint64_t gib = (uint64_t)1 << 30;
    static const struct {
        const char *platform, *name;
        clkv_device_kind kind;
        uint32_t bits;
    } cases[] = {
        { "Apple", "Apple M2", CLKV_DEVICE_GPU_INTEGRATED, 1u << CLKV_QUIRK_APPLE_LARGE_BUFFERS },
        { "Intel(R) OpenCL Graphics", "Arc", CLKV_DEVICE_GPU_DISCRETE, 1u << CLKV_QUIRK_INTEL_LARGE_BUFFERS },
        { "Intel(R) OpenCL Graphics", "Max", CLKV_DEVICE_GPU_DISCRETE,
          1u << CLKV_QUIRK_INTEL_LARGE_BUFFERS | 1u << CLKV_QUIRK_INTEL_NARROW },
        { "Intel(R) OpenCL", "Xeon", CLKV_DEVICE_CPU, 0 },
        { "Portable Computing Language", "cpu", CLKV_DEVICE_CPU, 1u << CLKV_QUIRK_POCL_LATE_CODE },
        { "rusticl", "llvmpipe (LLVM 15)", CLKV_DEVICE_CPU,
          1u << CLKV_QUIRK_LLVMPIPE_PORTABLE | 1u << CLKV_QUIRK_RUSTICL_LOCAL_TWICE },
        { "rusticl", "AMD Radeon", CLKV_DEVICE_GPU_DISCRETE, 1u << CLKV_QUIRK_RUSTICL_LOCAL_TWICE },
        { "Oclgrind", "Oclgrind Simulator", CLKV_DEVICE_CPU, 1u << CLKV_QUIRK_OCLGRIND_NO_BINARIES },
        { "NVIDIA CUDA", "H200", CLKV_DEVICE_GPU_DISCRETE, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        clkv_facts f = made_up(0, cases[i].kind, 64 * gib, cases[i].platform, cases[i].name);
        f.info.max_alloc_bytes = 16 * gib;
        f.min_sub_group = strcmp(cases[i].name, "Arc") ? 16 : 0;
        ck_assert_uint_eq(clkv_quirks_match(&f), cases[i].bits);
        const uint64_t max = clkv_quirks_max_alloc(cases[i].bits, &f.info);
        if (cases[i].bits == 1u << CLKV_QUIRK_APPLE_LARGE_BUFFERS) ck_assert_uint_lt(max, 2 * gib);
        else if (cases[i].bits >> CLKV_QUIRK_INTEL_LARGE_BUFFERS & 1) ck_assert_uint_lt(max, 4 * gib);
        else ck_assert_uint_eq(max, 16 * gib);
        f.info.max_alloc_bytes = gib;
        ck_assert_uint_eq(clkv_quirks_max_alloc(cases[i].bits, &f.info), gib);
        clkv_tuning t;
        f.info.max_work_group = 256;
        ck_ok(clkv_tuning_choose(&t, &f, cases[i].bits, NULL));
        ck_assert_uint_eq(t.sub_group, cases[i].bits >> CLKV_QUIRK_INTEL_NARROW & 1 ? 16 : 0);
    }

    clkv_device *device = open_device("");
    size_t n = 0;
    const char *name = NULL, *reason = NULL, *link = NULL;
    while (clkv_device_get_quirk(device, n, &name, &reason, &link)) {
        ck_assert(name && strlen(name) > 3);
        ck_assert(reason && strlen(reason) > 20);
        ck_assert(link && strlen(link) > 10);
        n++;
    }
    ck_assert_uint_eq(n, (unsigned)__builtin_popcount(device->quirks));
    ck_assert_int_eq(clkv_device_get_quirk(device, n + 1, NULL, NULL, NULL), 0);
    ck_assert_int_eq(clkv_device_get_quirk(NULL, 0, NULL, NULL, NULL), 0);
    clkv_device_close(&device);
}
END_TEST

static void check_cache_dir(const char *wanted, const char *expected)
{
    clkv_device *device = NULL;
    ck_ok(try_open(&device, NULL, NULL, wanted));
    if (clkv_device_has(device, CLKV_QUIRK_OCLGRIND_NO_BINARIES)) expected = "";
    ck_assert_str_eq(info_of(device).cache_dir, expected);
    clkv_device_close(&device);
}

START_TEST(cache_directory)
{
    clear_environment();
    char long_name[400] = "/tmp/";
    memset(long_name + 5, 'x', sizeof long_name - 6);
    check_cache_dir(NULL, ""); /* no HOME either */
    setenv("HOME", "/h", 1);
    check_cache_dir(NULL, "/h/.cache/clkv");
    setenv("XDG_CACHE_HOME", "relative", 1); /* XDG's rule: not absolute is as not set */
    check_cache_dir(NULL, "/h/.cache/clkv");
    setenv("XDG_CACHE_HOME", "/x", 1);
    check_cache_dir(NULL, "/x/clkv");
    setenv("CLKV_CACHE_DIR", "/c", 1);
    check_cache_dir(NULL, "/c");
    check_cache_dir("/p", "/p");
    check_cache_dir("", "");
    check_cache_dir(long_name, "");
    setenv("CLKV_NO_CACHE", "0", 1);
    check_cache_dir("/p", "/p");
    setenv("CLKV_NO_CACHE", "1", 1);
    check_cache_dir("/p", "");
    restore_environment();
}
END_TEST

static cl_uint references(cl_context context)
{
    cl_uint n = 0;
    ck_assert_int_eq(clGetContextInfo(context, CL_CONTEXT_REFERENCE_COUNT, sizeof n, &n, NULL), CL_SUCCESS);
    return n;
}

START_TEST(callers_objects)
{
    clkv_device *own = open_device(""), *other = open_device(""), *wrapped = NULL;
    clkv_device_params params = CLKV_PARAMS_INIT(clkv_device_params);
    params.context = clkv_device_context(own);
    params.device = clkv_device_id(own);
    params.queue = clkv_device_queue(own);
    params.cache_dir = "";
    const cl_uint before = references(params.context);
    ck_ok(clkv_device_open(&wrapped, &params));
    ck_assert_uint_gt(references(params.context), before);
    ck_assert_uint_eq(info_of(wrapped).index, UINT32_MAX);
    ck_assert_str_eq(info_of(wrapped).name, info_of(own).name);
    ck_assert_ptr_eq(clkv_device_queue(wrapped), params.queue);
    clkv_device_close(&wrapped);
    ck_assert_uint_eq(references(params.context), before);

    params.queue = clkv_device_queue(other);
    ck_assert_int_eq(clkv_device_open(&wrapped, &params), CLKV_ERROR_INVALID);
    params.queue = NULL;
    ck_assert_int_eq(clkv_device_open(&wrapped, &params), CLKV_ERROR_INVALID);
    params.context = NULL;
    ck_assert_int_eq(clkv_device_open(&wrapped, &params), CLKV_ERROR_INVALID);
    ck_assert_ptr_null(wrapped);
    ck_assert_uint_eq(references(clkv_device_context(own)), before);

    /* A device that is not in the context, where there are two. */
    size_t n = 0;
    ck_ok(clkv_device_list(NULL, 0, &n));
    for (size_t i = 0; i < n; i++) {
        char index[24];
        snprintf(index, sizeof index, "%zu", i);
        clkv_device *third = NULL;
        ck_ok(try_open(&third, index, NULL, ""));
        if (clkv_device_id(third) != clkv_device_id(own)) {
            params.context = clkv_device_context(own);
            params.device = clkv_device_id(third);
            params.queue = clkv_device_queue(own);
            ck_assert_int_eq(clkv_device_open(&wrapped, &params), CLKV_ERROR_INVALID);
        }
        clkv_device_close(&third);
    }
    clkv_device_close(&other);
    clkv_device_close(&own);
}
END_TEST

START_TEST(wrong_params)
{
    clkv_device *device = NULL;
    clkv_device_params params = { 0 };
    ck_assert_int_eq(clkv_device_open(&device, &params), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_device_open(&device, NULL), CLKV_ERROR_INVALID);
    params.size = sizeof params;
    ck_assert_int_eq(clkv_device_open(NULL, &params), CLKV_ERROR_INVALID);
    ck_assert_ptr_null(device);

    device = open_device("");
    clkv_device_info info = { 0 };
    ck_assert_int_eq(clkv_device_get_info(device, &info), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_device_get_info(device, NULL), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_device_get_info(NULL, &info), CLKV_ERROR_INVALID);
    ck_assert_ptr_null(clkv_device_context(NULL));
    ck_assert_ptr_null(clkv_device_queue(NULL));
    ck_assert_ptr_null(clkv_device_id(NULL));
    clkv_device_close(&device);
}
END_TEST

/* Whichever allocation fails, opening says so and gives everything back. */
START_TEST(out_of_memory)
{
    fail_allocator allocator = { 0 };
    clkv_set_allocator(&(clkv_allocator){ fail_resize, &allocator });
    clkv_device_params params = CLKV_PARAMS_INIT(clkv_device_params);
    clkv_device *device = NULL;
    clkv_status st = CLKV_ERROR_NO_MEMORY;
    for (long at = 1; st; at++) {
        ck_assert_int_lt(at, 1000);
        allocator.requests = 0;
        allocator.fail_at = at;
        st = clkv_device_open(&device, &params);
        if (st) {
            ck_assert_int_eq(st, CLKV_ERROR_NO_MEMORY);
            ck_assert_ptr_null(device);
            ck_assert_uint_eq(allocator.live_bytes, 0);
        }
    }
    clkv_device_close(&device);
    ck_assert_uint_eq(allocator.live_bytes, 0);
    clkv_set_allocator(NULL);
}
END_TEST

/* For tests/portability/report.py. */
static void print_devices(void)
{
    clkv_device_info infos[16];
    size_t n = 0;
    for (size_t i = 0; i < sizeof infos / sizeof *infos; i++) infos[i].size = sizeof infos[i];
    if (clkv_device_list(infos, sizeof infos / sizeof *infos, &n) != CLKV_OK) return;
    for (size_t i = 0; i < n && i < sizeof infos / sizeof *infos; i++)
        printf("device: %s / %s: %s\n", infos[i].platform, infos[i].name, infos[i].driver_version);
}

int main(void)
{
    const int skip = without_device();
    if (skip >= 0) return skip;
    print_devices();
    Suite *suite = suite_create("device");
    TCase *tests = tcase_create("device");
    tcase_set_timeout(tests, 600);
    tcase_add_test(tests, list);
    tcase_add_test(tests, choice);
    tcase_add_test(tests, open_by_name_and_environment);
    tcase_add_test(tests, variants);
    tcase_add_test(tests, tuning);
    tcase_add_test(tests, quirks);
    tcase_add_test(tests, cache_directory);
    tcase_add_test(tests, callers_objects);
    tcase_add_test(tests, wrong_params);
    tcase_add_test(tests, out_of_memory);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
