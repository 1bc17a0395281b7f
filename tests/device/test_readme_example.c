/* test_readme_example.c: runs the README's example on the first OpenCL device. All keys are zero, so each
 * query weighs the tokens that it sees alike; the value of token t is t, so token t's output is t / 2.
 * SPDX-License-Identifier: Apache-2.0 */
#include "readme_example.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

enum { heads = 8, kv_heads = 2, dim = 32, n = 40 };

static cl_device_id first_device(void)
{
    cl_platform_id platforms[16];
    cl_uint n_platforms = 0;
    if (clGetPlatformIDs(16, platforms, &n_platforms) != CL_SUCCESS) return NULL;
    for (cl_uint i = 0; i < n_platforms && i < 16; i++) {
        cl_device_id device;
        if (clGetDeviceIDs(platforms[i], CL_DEVICE_TYPE_ALL, 1, &device, NULL) == CL_SUCCESS) return device;
    }
    return NULL;
}

static cl_mem buffer(cl_context context, float *values, size_t count)
{
    cl_int err;
    cl_mem mem = clCreateBuffer(context, CL_MEM_COPY_HOST_PTR, count * sizeof(float), values, &err);
    ck_assert_int_eq(err, CL_SUCCESS);
    return mem;
}

START_TEST(the_example_computes_attention)
{
    static float q[n * heads * dim], k[n * kv_heads * dim], v[n * kv_heads * dim], o[n * heads * dim];
    uint32_t prompt[n];
    for (uint32_t t = 0; t < n; t++) {
        prompt[t] = 100 + t;
        for (int i = 0; i < heads * dim; i++) q[t * heads * dim + i] = 0.25f * (float)(i % 7);
        for (int i = 0; i < kv_heads * dim; i++) v[t * kv_heads * dim + i] = (float)t;
    }

    cl_device_id device = first_device();
    cl_int err;
    cl_context context = clCreateContext(NULL, 1, &device, NULL, NULL, &err);
    ck_assert_int_eq(err, CL_SUCCESS);
    cl_command_queue queue = clCreateCommandQueue(context, device, 0, &err);
    ck_assert_int_eq(err, CL_SUCCESS);
    cl_mem mem[4] = { buffer(context, q, n * heads * dim), buffer(context, k, n * kv_heads * dim),
                      buffer(context, v, n * kv_heads * dim), buffer(context, o, n * heads * dim) };

    const clkv_status status = run_prompt(context, device, queue, prompt, n, mem[0], mem[1], mem[2], mem[3]);
    ck_assert_msg(status == CLKV_OK, "%s: %s", clkv_last_error()->where, clkv_last_error()->message);
    ck_assert_int_eq(clEnqueueReadBuffer(queue, mem[3], CL_TRUE, 0, sizeof o, o, 0, NULL, NULL), CL_SUCCESS);
    for (int t = 0; t < n; t++)
        for (int i = 0; i < heads * dim; i++)
            ck_assert_float_eq_tol(o[t * heads * dim + i], (float)t / 2, 1e-4f);

    for (int i = 0; i < 4; i++) clReleaseMemObject(mem[i]);
    clReleaseCommandQueue(queue);
    clReleaseContext(context);
}
END_TEST

int main(void)
{
    if (!first_device()) {
        puts("skipped: no OpenCL device");
        return getenv("CLKV_TEST_NEED_DEVICE") ? 1 : 77;
    }
    Suite *suite = suite_create("readme_example");
    TCase *tcase = tcase_create("example");
    tcase_set_timeout(tcase, 0);
    tcase_add_test(tcase, the_example_computes_attention);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
