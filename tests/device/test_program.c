/* test_program.c: programs are built once, found again on disk, and built anew when what is there does
 * not work. The files themselves: test_binary.c. SPDX-License-Identifier: Apache-2.0 */
#define _XOPEN_SOURCE 700 /* mkdtemp, nftw */
#include "cache_dir.h"
#include "kernels.h"
#include "open.h"

#include "core/memory.h"
#include "device/device.h"
#include "program/binary.h"
#include "program/build.h"
#include "program/program.h"

#include <clkv/log.h>

#include <pthread.h>

/* What the rooms under the table take of a device. */
static clkv_target target_of(const clkv_device *device)
{
    return (clkv_target){ .context = device->context, .id = device->facts.id, .identity = device->facts.identity,
                          .identity_bytes = sizeof device->facts.identity, .cache_dir = device->facts.info.cache_dir };
}

/* Runs "fixed" built with a step, and checks what it does. */
static void run_fixed(clkv_device *device, cl_uint step)
{
    char options[32];
    snprintf(options, sizeof options, "-DSTEP=%uu", (unsigned)step);
    cl_kernel kernel = NULL;
    ck_ok(kernel_of(device, "fixed", options, "fixed", &kernel));
    cl_int err = CL_SUCCESS;
    cl_uint x[8] = { 0 };
    cl_mem mem = clCreateBuffer(clkv_device_context(device), CL_MEM_COPY_HOST_PTR, sizeof x, x, &err);
    ck_assert_int_eq(err, CL_SUCCESS);
    clSetKernelArg(kernel, 0, sizeof mem, &mem);
    const size_t global = 8, local = 1;
    cl_command_queue queue = clkv_device_queue(device);
    ck_assert_int_eq(clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &global, &local, 0, NULL, NULL), CL_SUCCESS);
    ck_assert_int_eq(clEnqueueReadBuffer(queue, mem, CL_TRUE, 0, sizeof x, x, 0, NULL, NULL), CL_SUCCESS);
    for (int i = 0; i < 8; i++) ck_assert_uint_eq(x[i], step);
    clReleaseMemObject(mem);
    clReleaseKernel(kernel);
}

static void check_counts(const clkv_device *device, uint64_t built, uint64_t from_disk)
{
    uint64_t b = 99, d = 99;
    clkv_device_get_program_counts(device, &b, &d);
    ck_assert_uint_eq(b, built);
    ck_assert_uint_eq(d, from_disk);
    clkv_device_get_program_counts(device, NULL, NULL);
}

/* One process's life with the cache: opens, runs, closes. */
static void live(const char *cache_dir, uint64_t built, uint64_t from_disk)
{
    clkv_device *device = open_device(cache_dir);
    run_fixed(device, 5);
    check_counts(device, built, from_disk);
    clkv_device_close(&device);
}

static int has_disk_cache(void)
{
    clkv_device *device = open_device("/nowhere");
    const clkv_device_info info = info_of(device);
    clkv_device_close(&device);
    if (!*info.cache_dir) printf("%s has no disk cache: not tried\n", info.name);
    return *info.cache_dir != 0;
}

START_TEST(in_memory)
{
    clkv_device *device = open_device("");
    check_counts(device, 0, 0);
    run_fixed(device, 5);
    check_counts(device, 1, 0);
    run_fixed(device, 5);
    check_counts(device, 1, 0);
    run_fixed(device, 6);
    run_fixed(device, 5);
    check_counts(device, 2, 0);
    cl_kernel kernel = NULL;
    ck_ok(kernel_of(device, "other", NULL, "other", &kernel)); /* no options of its own */
    check_counts(device, 3, 0);
    size_t group = 0;
    cl_ulong local = UINT64_MAX;
    clkv_programs *programs = NULL;
    ck_ok(clkv_programs_of(&programs, device));
    ck_ok(clkv_program_limits(programs, kernel, &group, &local));
    ck_assert_uint_le(local, info_of(device).local_bytes);
    ck_assert_uint_ge(group, 1);
    ck_assert_uint_le(group, info_of(device).max_work_group);
    clReleaseKernel(kernel);
    clkv_device_close(&device);
}
END_TEST

START_TEST(on_disk)
{
    if (!has_disk_cache()) return;
    begin();
    char path[512];
    live(cache, 1, 0);
    only_file(path, sizeof path);
    struct stat s;
    ck_assert_int_eq(stat(path, &s), 0);
    ck_assert_uint_eq(s.st_mode & 0777, 0600);
    ck_assert_int_eq(stat(cache, &s), 0);
    ck_assert_uint_eq(s.st_mode & 0777, 0700);
    live(cache, 0, 1);
    live(cache, 0, 1);
    live("", 1, 0); /* no cache: neither read nor written */
    only_file(path, sizeof path);

    /* Other options are another file. */
    clkv_device *device = open_device(cache);
    run_fixed(device, 6);
    run_fixed(device, 5);
    check_counts(device, 1, 1);
    clkv_device_close(&device);
    device = open_device(cache);
    run_fixed(device, 6);
    run_fixed(device, 5);
    check_counts(device, 0, 2);
    clkv_device_close(&device);
    end();
}
END_TEST

/* The program is built anew, works, and the file is replaced. */
START_TEST(damaged)
{
    if (!has_disk_cache()) return;
    begin();
    char path[512];
    live(cache, 1, 0);
    only_file(path, sizeof path);
    size_t bytes = 0;
    char *good = read_file(path, &bytes);
    good[bytes / 2] ^= 0x40;
    write_file(path, good, bytes);
    live(cache, 1, 0);
    live(cache, 0, 1);
    write_file(path, good, 0);
    live(cache, 1, 0);
    live(cache, 0, 1);
    only_file(path, sizeof path);
    free(good);
    end();
}
END_TEST

/* A well-made file whose content is another program's binary: it builds, but has not the kernel. */
START_TEST(without_the_kernel)
{
    if (!has_disk_cache()) return;
    begin();
    clkv_device *device = open_device(cache);
    cl_program other = NULL;
    const clkv_target target = target_of(device);
    ck_ok(clkv_build_source(&other, &target, "other", "-cl-std=CL1.2"));
    size_t bytes = 0;
    void *binary = clkv_build_binary(other, clkv_device_id(device), &bytes);
    ck_assert_ptr_nonnull(binary);
    clReleaseProgram(other);
    clkv_device_close(&device);

    char path[512];
    live(cache, 1, 0);
    only_file(path, sizeof path);
    clkv_binary_key key;
    const char *hex = strrchr(path, '/') + 1;
    for (int i = 0; i < 16; i++) {
        unsigned byte = 0;
        ck_assert_int_eq(sscanf(hex + 2 * i, "%2x", &byte), 1);
        key.bytes[i] = (uint8_t)byte;
    }
    ck_assert_int_eq(clkv_binary_store(cache, &key, binary, bytes), 0);
    live(cache, 1, 0);
    live(cache, 0, 1);
    clkv_free(binary, bytes);
    end();
}
END_TEST

START_TEST(unwritable)
{
    begin();
    char file[128], below[160];
    snprintf(file, sizeof file, "%s/file", dir);
    snprintf(below, sizeof below, "%s/file/cache", dir);
    write_file(file, "x", 1);
    live(below, 1, 0); /* a file is where the directory should be: not even root can */
    live(below, 1, 0);
    live("/proc/self/nothing", 1, 0);
    end();
}
END_TEST

START_TEST(keys)
{
    const clkv_binary_part a[] = { { "ab", 2 }, { "c", 1 } }, b[] = { { "a", 1 }, { "bc", 2 } },
                           c[] = { { "ab", 2 }, { "c", 1 }, { "", 0 } };
    clkv_binary_key ka, kb, kc, again;
    clkv_binary_key_make(&ka, a, 2);
    clkv_binary_key_make(&kb, b, 2);
    clkv_binary_key_make(&kc, c, 3);
    clkv_binary_key_make(&again, a, 2);
    ck_assert_mem_eq(&ka, &again, sizeof ka);
    ck_assert_mem_ne(&ka, &kb, sizeof ka);
    ck_assert_mem_ne(&ka, &kc, sizeof ka);

    clkv_device *device = open_device("");
    const clkv_target target = target_of(device);
    ck_ok(clkv_build_key(&ka, &target, "fixed", "-DX"));
    ck_ok(clkv_build_key(&kb, &target, "fixed", "-DY"));
    ck_ok(clkv_build_key(&kc, &target, "other", "-DX"));
    ck_assert_mem_ne(&ka, &kb, sizeof ka);
    ck_assert_mem_ne(&ka, &kc, sizeof ka);
    device->facts.identity[1] ^= 1; /* another driver */
    ck_ok(clkv_build_key(&kb, &target, "fixed", "-DX"));
    ck_assert_mem_ne(&ka, &kb, sizeof ka);
    clkv_device_close(&device);
}
END_TEST

/* Lines that were logged while a program was built. */
static int error_lines, said_why;

static void count_lines(void *user, clkv_log_level level, const char *line)
{
    (void)user;
    if (level == CLKV_LOG_ERROR) error_lines++;
    if (strstr(line, "this_is_not_declared")) said_why++;
    ck_assert_ptr_null(strchr(line, '\n'));
}

START_TEST(build_errors)
{
    clkv_device *device = open_device("");
    if (!may_provoke(device)) {
        clkv_device_close(&device);
        return;
    }
    cl_kernel kernel = NULL;
    error_lines = said_why = 0;
    clkv_set_log(count_lines, NULL, CLKV_LOG_DEBUG);
    ck_assert_int_eq(kernel_of(device, "broken", "", "broken", &kernel), CLKV_ERROR_BUILD);
    ck_assert_int_ge(error_lines, 2);
    ck_assert_int_ge(said_why, 1);
    ck_assert_int_ne(clkv_last_error()->driver_code, 0);
    ck_assert_ptr_nonnull(strstr(clkv_last_error()->message, "broken.cl"));
    error_lines = 0;
    ck_assert_int_eq(kernel_of(device, "fixed", "-DSTEP=)", "fixed", &kernel), CLKV_ERROR_BUILD);
    ck_assert_int_ge(error_lines, 1);
    clkv_set_log(NULL, NULL, CLKV_LOG_ERROR);

    ck_assert_int_eq(kernel_of(device, "no_such_file", "", "x", &kernel), CLKV_ERROR_INVALID);
    ck_assert_int_eq(kernel_of(device, "fixed", "", "no_such_kernel", &kernel), CLKV_ERROR_DEVICE);
    ck_assert_int_eq(clkv_last_error()->driver_code, CL_INVALID_KERNEL_NAME);
    ck_assert_ptr_null(kernel);
    run_fixed(device, 5); /* the table has not suffered */
    clkv_device_close(&device);
}
END_TEST

enum { THREADS = 4 };

typedef struct worker {
    clkv_device *device;
    clkv_status status;
    cl_kernel kernel;
} worker;

static void *work(void *p)
{
    worker *w = p;
    w->status = kernel_of(w->device, "affine", "-DTHREADS", "affine", &w->kernel);
    return NULL;
}

START_TEST(threads)
{
    clkv_device *device = open_device("");
    pthread_t ids[THREADS];
    worker workers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (worker){ .device = device, .status = CLKV_ERROR_STATE };
        ck_assert_int_eq(pthread_create(&ids[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(ids[i], NULL);
        ck_assert_int_eq(workers[i].status, CLKV_OK);
        ck_assert_ptr_nonnull(workers[i].kernel);
        for (int j = 0; j < i; j++) ck_assert_ptr_ne(workers[i].kernel, workers[j].kernel); /* one each */
    }
    check_counts(device, 1, 0);
    for (int i = 0; i < THREADS; i++) clReleaseKernel(workers[i].kernel);
    clkv_device_close(&device);
}
END_TEST

START_TEST(out_of_memory)
{
    if (!has_disk_cache()) return;
    begin();
    live(cache, 1, 0);
    fail_allocator allocator = { 0 };
    clkv_set_allocator(&(clkv_allocator){ fail_resize, &allocator });
    clkv_device *device = open_device(cache);
    const size_t idle = allocator.live_bytes;
    clkv_status st = CLKV_ERROR_NO_MEMORY;
    for (long at = 1; st; at++) {
        ck_assert_int_lt(at, 1000);
        cl_kernel kernel = NULL;
        allocator.requests = 0;
        allocator.fail_at = at;
        st = kernel_of(device, "fixed", "-DSTEP=5u", "fixed", &kernel);
        if (st) ck_assert_int_eq(st, CLKV_ERROR_NO_MEMORY);
        else clReleaseKernel(kernel);
    }
    allocator.fail_at = 0;
    run_fixed(device, 5);
    ck_assert_uint_gt(allocator.live_bytes, idle);
    clkv_device_close(&device);
    ck_assert_uint_eq(allocator.live_bytes, 0);
    clkv_set_allocator(NULL);
    end();
}
END_TEST

int main(void)
{
    const int skip = without_device();
    if (skip >= 0) return skip;
    Suite *suite = suite_create("program");
    TCase *tests = tcase_create("program");
    tcase_set_timeout(tests, 600);
    tcase_add_test(tests, in_memory);
    tcase_add_test(tests, on_disk);
    tcase_add_test(tests, damaged);
    tcase_add_test(tests, without_the_kernel);
    tcase_add_test(tests, unwritable);
    tcase_add_test(tests, keys);
    tcase_add_test(tests, build_errors);
    tcase_add_test(tests, threads);
    tcase_add_test(tests, out_of_memory);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
