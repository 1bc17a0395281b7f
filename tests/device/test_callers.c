/* test_callers.c: wrapping the caller's context, device and queue, also where the device is a part of one.
 * SPDX-License-Identifier: Apache-2.0 */
#include "open.h"
#include "world.h"

#include "device/device.h"

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
        ck_ok(clkv_device_open(&third, &(clkv_device_params){ sizeof params, .select = index, .cache_dir = "" }));
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

/* A part of a device with one compute unit, with context and queue for it alone. */
typedef struct part {
    cl_device_id id;
    cl_context context;
    cl_command_queue queue;
} part;

/* 0 where the driver has no such devices. */
static int part_open(part *p, const clkv_device *whole)
{
    const cl_device_partition_property one[] = { CL_DEVICE_PARTITION_BY_COUNTS, 1, CL_DEVICE_PARTITION_BY_COUNTS_LIST_END,
                                                 0 };
    cl_uint most = 0; /* Mesa 22.3 crashes in clCreateSubDevices, which it does not have */
    clGetDeviceInfo(clkv_device_id(whole), CL_DEVICE_PARTITION_MAX_SUB_DEVICES, sizeof most, &most, NULL);
    cl_int err = most > 1 ? clCreateSubDevices(clkv_device_id(whole), one, 1, &p->id, NULL) : CL_INVALID_VALUE;
    if (err != CL_SUCCESS) {
        printf("not tried on %s: it cannot be divided (%d)\n", info_of(whole).name, (int)err);
        return 0;
    }
    p->context = clCreateContext(NULL, 1, &p->id, NULL, NULL, &err);
    ck_assert_int_eq(err, CL_SUCCESS);
    p->queue = clCreateCommandQueue(p->context, p->id, 0, &err);
    ck_assert_int_eq(err, CL_SUCCESS);
    return 1;
}

/* The part itself stays until the process ends: a thread of pocl 3.1 may still use the device of a command that was
 * waited for, and a queue does not keep its device alive there. */
static void part_close(part *p)
{
    static cl_device_id kept[4];
    static size_t n;
    clReleaseCommandQueue(p->queue);
    clReleaseContext(p->context);
    ck_assert_uint_lt(n, sizeof kept / sizeof *kept);
    kept[n++] = p->id;
}

/* The facts are those of the part, and a cache on it computes what it should. */
START_TEST(part_of_a_device)
{
    clkv_device *whole = open_device(""), *wrapped = NULL;
    part p;
    if (!part_open(&p, whole)) {
        clkv_device_close(&whole);
        return;
    }
    clkv_device_params params = CLKV_PARAMS_INIT(clkv_device_params);
    params.context = p.context;
    params.device = p.id;
    params.queue = p.queue;
    params.cache_dir = "";
    ck_ok(clkv_device_open(&wrapped, &params));
    ck_assert_uint_eq(info_of(wrapped).compute_units, 1);
    ck_assert_str_eq(info_of(wrapped).platform, info_of(whole).platform);
    ck_assert_ptr_eq(clkv_device_id(wrapped), p.id);

    test_case c;
    ck_assert(case_parse(&c, "dim=16/16 heads=4/2 block=4 kv=f32 in=f32 out=f32 causal=1 split=0 parts=0 slabs=1 "
                             "scores=random seed=4 batch=1:9,5:8"));
    world w;
    world_open(&w, &c, wrapped);
    world_reserve(&w, 3);
    world_pass(&w, 0, 0, NULL);
    const char *wrong = world_check(&w, NULL);
    ck_assert_msg(!wrong, "%s", wrong);
    world_rollback(&w);
    world_close(&w);
    clkv_device_close(&wrapped);
    part_close(&p);
    clkv_device_close(&whole);
}
END_TEST

/* That the context knows a device does not make a queue of another one right. */
START_TEST(part_and_whole_are_not_mixed)
{
    clkv_device *whole = open_device(""), *wrapped = NULL;
    part p;
    if (!part_open(&p, whole)) {
        clkv_device_close(&whole);
        return;
    }
    const struct {
        cl_context context;
        cl_device_id device;
        cl_command_queue queue;
    } wrong[] = {
        { p.context, clkv_device_id(whole), p.queue },
        { clkv_device_context(whole), clkv_device_id(whole), p.queue },
        { clkv_device_context(whole), p.id, clkv_device_queue(whole) },
        { p.context, p.id, clkv_device_queue(whole) },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        clkv_device_params params = CLKV_PARAMS_INIT(clkv_device_params);
        params.context = wrong[i].context;
        params.device = wrong[i].device;
        params.queue = wrong[i].queue;
        ck_assert_int_eq(clkv_device_open(&wrapped, &params), CLKV_ERROR_INVALID);
        ck_assert_ptr_null(wrapped);
    }
    part_close(&p);
    clkv_device_close(&whole);
}
END_TEST

int main(void)
{
    const int skip = without_device();
    if (skip >= 0) return skip;
    Suite *suite = suite_create("callers");
    TCase *tests = tcase_create("callers");
    tcase_set_timeout(tests, 600);
    tcase_add_test(tests, callers_objects);
    tcase_add_test(tests, part_of_a_device);
    tcase_add_test(tests, part_and_whole_are_not_mixed);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
