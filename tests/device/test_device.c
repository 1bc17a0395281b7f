/* test_device.c: finding, choosing and opening devices; the tuning table.
 * SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L /* setenv */
#include "../variables.h"

#include "open.h"

#include "device/choose.h"
#include "device/device.h"
#include "os/machine.h"

#include <ctype.h>
#include <unistd.h>

/* The environment that a test starts from: what the setups force is put back at the end. */
static const char *const variables[] = { "CLKV_DEVICE", "CLKV_VARIANT", "CLKV_CACHE_DIR", "CLKV_NO_CACHE",
                                         "XDG_CACHE_HOME", "HOME" };
static char *saved[sizeof variables / sizeof *variables];

static void clear_environment(void)
{
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        const char *value = getenv(variables[i]);
        saved[i] = value ? strdup(value) : NULL;
        set_variable(variables[i], NULL);
    }
}

static void restore_environment(void)
{
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        set_variable(variables[i], saved[i]);
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
    infos->size = sizeof *infos;
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
}
END_TEST

/* Programs that were built with older or newer headers: their structs are smaller or larger, and so is the distance
 * between two of an array. */
START_TEST(structs_of_other_sizes)
{
    static const size_t sizes[] = { offsetof(clkv_device_info, platform), sizeof(clkv_device_info) + 24 };
    clkv_device *device = open_device("");
    const clkv_device_info info = info_of(device);
    size_t found = 0;
    ck_ok(clkv_device_list(NULL, 0, &found));
    for (size_t k = 0; k < 2; k++) {
        const size_t each = sizes[k], known = each < sizeof info ? each : sizeof info;
        unsigned char *infos = malloc((found + 1) * each);
        memset(infos, 0x77, (found + 1) * each);
        memcpy(infos, &each, sizeof each);
        ck_ok(clkv_device_list((clkv_device_info *)infos, found, &found));
        for (size_t i = 0; i <= found * each + each - 1; i++)
            if (i >= found * each) ck_assert_uint_eq(infos[i], 0x77);
        for (size_t i = 0; i < found; i++) {
            clkv_device_info one = { 0 };
            memcpy(&one, infos + i * each, known);
            ck_assert_uint_eq(one.size, known);
            ck_assert_uint_eq(one.index, i);
            for (size_t at = known; at < each; at++) ck_assert_uint_eq(infos[i * each + at], 0);
        }
        memset(infos, 0x77, each + 1);
        memcpy(infos, &each, sizeof each);
        ck_ok(clkv_device_get_info(device, (clkv_device_info *)infos));
        ck_assert(!memcmp(infos + sizeof each, (const char *)&info + sizeof each, known - sizeof each));
        ck_assert_uint_eq(infos[each], 0x77);
        free(infos);
    }
    clkv_device_close(&device);

    struct {
        clkv_device_params params;
        void *added[2];
    } newer = { .params = { .size = sizeof newer, .cache_dir = "" } };
    ck_ok(clkv_device_open(&device, &newer.params));
    clkv_device_close(&device);
    newer.added[1] = &newer;
    ck_assert_int_eq(clkv_device_open(&device, &newer.params), CLKV_ERROR_INVALID);
    clkv_device_params older = { .size = offsetof(clkv_device_params, context) };
    memset(&older.context, 0x77, sizeof older - older.size); /* not the library's to read */
    ck_ok(clkv_device_open(&device, &older));
    clkv_device_close(&device);
}
END_TEST

static clkv_facts made_up(uint32_t index, clkv_device_kind kind, uint64_t global_bytes, const char *platform,
                          const char *name)
{
    clkv_facts f = { 0 };
    f.info.index = index;
    f.info.kind = kind;
    f.info.compute_units = 8;
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
    facts[0].info.compute_units = 9;
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
    ck_assert_uint_eq(index, 1); /* an integrated GPU before others, whatever the units and the memory */
    ck_assert_int_eq(clkv_devices_choose(&none, NULL, &index), CLKV_ERROR_NO_DEVICE);
}
END_TEST

/* What a device can do decides where its kind says little. */
START_TEST(choice_by_units)
{
    static const struct {
        const char *what;
        clkv_device_kind kind[2];
        uint32_t units[2];
        uint64_t bytes[2];
        size_t best;
    } cases[] = {
        { "a CPU with more units", { CLKV_DEVICE_ACCELERATOR, CLKV_DEVICE_CPU }, { 1, 2 }, { 9, 9 }, 1 },
        { "the CPU again as an accelerator", { CLKV_DEVICE_ACCELERATOR, CLKV_DEVICE_CPU }, { 4, 4 }, { 9, 8 }, 1 },
        { "an accelerator with more units", { CLKV_DEVICE_CPU, CLKV_DEVICE_ACCELERATOR }, { 4, 64 }, { 9, 9 }, 1 },
        { "a GPU with two units", { CLKV_DEVICE_CPU, CLKV_DEVICE_GPU_INTEGRATED }, { 64, 2 }, { 9, 1 }, 1 },
        { "a GPU with one unit", { CLKV_DEVICE_GPU_DISCRETE, CLKV_DEVICE_CPU }, { 1, 2 }, { 9, 1 }, 1 },
        { "one unit each", { CLKV_DEVICE_GPU_DISCRETE, CLKV_DEVICE_CPU }, { 1, 1 }, { 9, 1 }, 1 },
        { "no CPU, one unit each", { CLKV_DEVICE_ACCELERATOR, CLKV_DEVICE_GPU_DISCRETE }, { 1, 1 }, { 9, 1 }, 1 },
        { "two GPUs", { CLKV_DEVICE_GPU_INTEGRATED, CLKV_DEVICE_GPU_DISCRETE }, { 96, 2 }, { 9, 1 }, 1 },
        { "two CPUs, by units", { CLKV_DEVICE_CPU, CLKV_DEVICE_CPU }, { 1, 2 }, { 9, 1 }, 1 },
        { "two CPUs, by memory", { CLKV_DEVICE_CPU, CLKV_DEVICE_CPU }, { 2, 2 }, { 1, 9 }, 1 },
        { "two equal CPUs", { CLKV_DEVICE_CPU, CLKV_DEVICE_CPU }, { 2, 2 }, { 9, 9 }, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        clkv_facts facts[2];
        for (uint32_t k = 0; k < 2; k++) {
            facts[k] = made_up(k, cases[i].kind[k], cases[i].bytes[k], "P", "D");
            facts[k].info.compute_units = cases[i].units[k];
        }
        const clkv_device_set set = { facts, 2, 2 };
        size_t index = 99;
        ck_ok(clkv_devices_choose(&set, NULL, &index));
        ck_assert_msg(index == cases[i].best, "%s: %zu", cases[i].what, index);
    }
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
    set_variable("CLKV_DEVICE", index); /* the last one */
    ck_ok(try_open(&device, NULL, NULL, ""));
    ck_assert_uint_eq(info_of(device).index, n - 1);
    clkv_device_close(&device);

    snprintf(index, sizeof index, "%zu", n);
    ck_assert_int_eq(try_open(&device, index, NULL, ""), CLKV_ERROR_NO_DEVICE);
    ck_assert_int_eq(try_open(&device, "no such device", NULL, ""), CLKV_ERROR_NO_DEVICE);
    ck_assert_ptr_null(device);
    set_variable("CLKV_DEVICE", "no such device");
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

    set_variable("CLKV_VARIANT", is_cpu ? "portable" : "cpu");
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
    set_variable("CLKV_VARIANT", "CPU");
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

/* The numbers of attention on CPUs follow from registers and caches, and may be forced. */
START_TEST(tuning_of_cpus)
{
    clkv_facts facts = { .info = { .kind = CLKV_DEVICE_CPU, .max_work_group = 4096 }, .vector_floats = 16,
                         .l1_bytes = 48 << 10 };
    clkv_tuning t;
    const uint64_t step = 32 * 2 * 128 * 2; /* 32 tokens of K and V of 128 dims in fp16: 16 KiB */
    set_variable("CLKV_CPU_TILES", NULL);
    set_variable("CLKV_CPU_FETCH", NULL);
    ck_ok(clkv_tuning_choose(&t, &facts, 0, "cpu"));
    ck_assert_uint_eq(t.accumulators, 24);
    ck_assert_uint_eq(clkv_tuning_fetch_level(&t, step), 1); /* two steps leave a third of 48 KiB */
    ck_assert_uint_eq(clkv_tuning_fetch_level(&t, 2 * step), 2);
    ck_assert_uint_eq(clkv_tuning_wide_tokens(&t, 256), 64);
    facts.l1_bytes = 32 << 10;
    ck_ok(clkv_tuning_choose(&t, &facts, 0, "cpu"));
    ck_assert_uint_eq(clkv_tuning_fetch_level(&t, step), 2); /* two steps are all of it */
    ck_assert_uint_eq(clkv_tuning_fetch_level(&t, step / 2), 1);
    facts.vector_floats = 8;
    ck_ok(clkv_tuning_choose(&t, &facts, 0, "cpu"));
    ck_assert_uint_eq(t.accumulators, 6);
    ck_assert_uint_eq(clkv_tuning_wide_tokens(&t, 128), 32);
    ck_assert_uint_eq(clkv_tuning_wide_tokens(&t, 64), 64);
    facts.l1_bytes = facts.vector_floats = 0; /* nobody tells */
    ck_ok(clkv_tuning_choose(&t, &facts, 0, "cpu"));
    ck_assert_uint_eq(t.accumulators, 24);
    ck_assert_uint_eq(clkv_tuning_fetch_level(&t, 1 << 30), 1);
    ck_assert_uint_eq(clkv_tuning_wide_tokens(&t, 256), 64);
    set_variable("CLKV_CPU_TILES", "narrow");
    set_variable("CLKV_CPU_FETCH", "2");
    ck_ok(clkv_tuning_choose(&t, &facts, 0, "cpu"));
    ck_assert_uint_eq(t.accumulators, 6);
    ck_assert_uint_eq(clkv_tuning_fetch_level(&t, 16), 2);
    set_variable("CLKV_CPU_FETCH", "3");
    ck_assert_int_eq(clkv_tuning_choose(&t, &facts, 0, "cpu"), CLKV_ERROR_INVALID);
    ck_ok(clkv_tuning_choose(&t, &facts, 0, "portable")); /* which does not read them */
    set_variable("CLKV_CPU_FETCH", "1");
    set_variable("CLKV_CPU_TILES", "broad");
    ck_assert_int_eq(clkv_tuning_choose(&t, &facts, 0, "cpu"), CLKV_ERROR_INVALID);
    set_variable("CLKV_CPU_TILES", NULL);
    set_variable("CLKV_CPU_FETCH", NULL);
}
END_TEST

/* What clkv_device_get_tuning reports are the numbers of the row, in its order. */
START_TEST(tuning_as_reported)
{
    clkv_device *device = open_device("");
    const clkv_tuning *row = clkv_device_tuning(device);
    const uint32_t *numbers = &row->work_group;
    const char *name = NULL;
    uint64_t value = 0;
    size_t n = 0;
    for (; clkv_device_get_tuning(device, n, &name, &value); n++)
        ck_assert(strlen(name) > 5 && value == numbers[n]);
    ck_assert_uint_eq((n + 1) * sizeof(uint32_t), sizeof *row); /* all but the variant */
    ck_assert_int_eq(clkv_device_get_tuning(NULL, 0, &name, &value), 0);
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
    set_variable("HOME", "/h");
    check_cache_dir(NULL, "/h/.cache/clkv");
    set_variable("XDG_CACHE_HOME", "relative"); /* XDG's rule: not absolute is as not set */
    check_cache_dir(NULL, "/h/.cache/clkv");
    set_variable("XDG_CACHE_HOME", "/x");
    check_cache_dir(NULL, "/x/clkv");
    set_variable("CLKV_CACHE_DIR", "/c");
    check_cache_dir(NULL, "/c");
    check_cache_dir("/p", "/p");
    check_cache_dir("", "");
    check_cache_dir(long_name, "");
    set_variable("CLKV_NO_CACHE", "0");
    check_cache_dir("/p", "/p");
    set_variable("CLKV_NO_CACHE", "1");
    check_cache_dir("/p", "");
    restore_environment();
}
END_TEST

static void refused(clkv_status st, const char *function)
{
    ck_assert_int_eq(st, CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_last_error()->status, CLKV_ERROR_INVALID);
    ck_assert_str_eq(clkv_last_error()->where, function);
}

START_TEST(wrong_params)
{
    clkv_device *device = NULL;
    clkv_device_params params = { 0 };
    refused(clkv_device_open(&device, &params), "clkv_device_open");
    refused(clkv_device_open(&device, NULL), "clkv_device_open");
    params.size = sizeof params;
    refused(clkv_device_open(NULL, &params), "clkv_device_open");
    ck_assert_ptr_null(device);

    clkv_device_info info = { 0 };
    size_t n = 77;
    refused(clkv_device_list(NULL, 1, &n), "clkv_device_list");
    refused(clkv_device_list(NULL, 0, NULL), "clkv_device_list");
    refused(clkv_device_list(&info, 1, &n), "clkv_device_list");
    ck_assert_uint_eq(n, 77);
    ck_assert_uint_eq(info.size, 0);

    device = open_device("");
    refused(clkv_device_get_info(device, &info), "clkv_device_get_info");
    refused(clkv_device_get_info(device, NULL), "clkv_device_get_info");
    info.size = sizeof info;
    refused(clkv_device_get_info(NULL, &info), "clkv_device_get_info");
    ck_assert_ptr_null(clkv_device_context(NULL));
    ck_assert_ptr_null(clkv_device_queue(NULL));
    ck_assert_ptr_null(clkv_device_id(NULL));
    clkv_device_close(&device);
}
END_TEST

/* What a device is made of lives until the last reference goes. */
START_TEST(references)
{
    fail_allocator allocator = { 0 };
    clkv_set_allocator(&(clkv_allocator){ fail_resize, &allocator });
    clkv_device *device = open_device(""), *kept = clkv_device_ref(device);
    ck_assert_ptr_eq(kept, device);
    clkv_device_close(&device);
    ck_assert_ptr_null(device);
    ck_assert_int_eq(clFinish(clkv_device_queue(kept)), CL_SUCCESS);
    ck_ok(clkv_device_check(kept));
    ck_assert_uint_gt(info_of(kept).compute_units, 0);
    clkv_device_unref(kept);
    clkv_device_unref(NULL);
    ck_assert_uint_eq(allocator.live_bytes, 0);
    clkv_set_allocator(NULL);
    ck_assert_int_eq(clkv_device_check(NULL), CLKV_ERROR_INVALID);
}
END_TEST

/* As the kernel describes the first core, which is what a CPU device runs on. */
START_TEST(cache_sizes)
{
    clkv_device *device = open_device("");
    const clkv_facts *f = &device->facts;
    if (f->info.kind == CLKV_DEVICE_CPU) {
        printf("first-level data cache %u bytes, second level %u\n", (unsigned)f->l1_bytes, (unsigned)f->l2_bytes);
        ck_assert(f->l1_bytes == 0 || (f->l1_bytes >= 4096 && f->l1_bytes <= 1 << 20));
        ck_assert(f->l2_bytes == 0 || f->l2_bytes >= f->l1_bytes);
        ck_assert_uint_eq(f->l1_bytes, clkv_machine_cache_bytes(1));
    } else {
        ck_assert_uint_eq(f->l1_bytes, 0);
        ck_assert_uint_eq(f->l2_bytes, 0);
    }
    clkv_device_close(&device);
#if defined(__linux__) && defined(__x86_64__)
    if (access("/sys/devices/system/cpu/cpu0/cache/index0/size", R_OK) == 0)
        ck_assert_uint_gt(clkv_machine_cache_bytes(1), 0);
#endif
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
    tcase_add_test(tests, structs_of_other_sizes);
    tcase_add_test(tests, choice);
    tcase_add_test(tests, choice_by_units);
    tcase_add_test(tests, open_by_name_and_environment);
    tcase_add_test(tests, variants);
    tcase_add_test(tests, tuning);
    tcase_add_test(tests, tuning_of_cpus);
    tcase_add_test(tests, tuning_as_reported);
    tcase_add_test(tests, cache_directory);
    tcase_add_test(tests, wrong_params);
    tcase_add_test(tests, references);
    tcase_add_test(tests, cache_sizes);
    tcase_add_test(tests, out_of_memory);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
