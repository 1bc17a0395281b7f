/* test_stream.c: commands take effect in the order in which they were given, on both kinds of queue. What a device
 * cannot be asked to do makes the program one that was skipped (77), if nothing failed.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels.h"
#include "open.h"

#include "device/device.h"
#include "device/stream.h"

static int n_skipped;

/* A device whose queue is out-of-order; NULL where the driver says that it has no such queues. */
static clkv_device *open_out_of_order(void)
{
    clkv_device *own = open_device("");
    cl_command_queue_properties has = 0;
    ck_assert_int_eq(clGetDeviceInfo(clkv_device_id(own), CL_DEVICE_QUEUE_PROPERTIES, sizeof has, &has, NULL),
                     CL_SUCCESS);
    if (!(has & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE)) {
        printf("not tried on %s: it has no out-of-order queues\n", info_of(own).name);
        n_skipped++;
        clkv_device_close(&own);
        return NULL;
    }
    clkv_device_params params = CLKV_PARAMS_INIT(clkv_device_params);
    params.cache_dir = "";
    params.context = clkv_device_context(own);
    params.device = clkv_device_id(own);
    cl_int err = CL_SUCCESS;
    params.queue =
        clCreateCommandQueue(params.context, params.device, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE, &err);
    ck_assert_int_eq(err, CL_SUCCESS);
    clkv_device *device = NULL;
    ck_ok(clkv_device_open(&device, &params));
    clReleaseCommandQueue(params.queue);
    clkv_device_close(&own);
    return device;
}

static cl_mem make_buffer(const clkv_device *device, size_t bytes)
{
    cl_int err = CL_SUCCESS;
    cl_mem mem = clCreateBuffer(clkv_device_context(device), CL_MEM_READ_WRITE, bytes, NULL, &err);
    ck_assert_int_eq(err, CL_SUCCESS);
    return mem;
}

static void read_buffer(clkv_stream *stream, cl_mem mem, void *out, size_t bytes)
{
    clkv_stream_finish(stream);
    ck_assert_int_eq(clEnqueueReadBuffer(stream->queue, mem, CL_TRUE, 0, bytes, out, 0, NULL, NULL), CL_SUCCESS);
}

enum { ITEMS = 64, LAUNCHES = 40 };

/* A fill, launches that do not commute, the early ones slow and the late ones quick, and a write. */
static void check_order(clkv_device *device)
{
    clkv_stream stream;
    clkv_stream_init(&stream, device);
    ck_assert_int_eq(stream.out_of_order, info_of(device).out_of_order);
    cl_mem mem = make_buffer(device, ITEMS * sizeof(cl_uint));
    cl_kernel kernel = NULL;
    ck_ok(kernel_of(device, "affine", "", "affine", &kernel));
    clSetKernelArg(kernel, 0, sizeof mem, &mem);

    const char *grid = getenv("CLKV_TEST_GRID");
    const cl_uint idle = grid && strcmp(grid, "tiny") == 0 ? 1 : 500;
    /* Some drivers allow groups of one item only. */
    const size_t group = info_of(device).max_work_group < 8 ? 1 : 8;
    cl_uint expected = 0x05050505u, x[ITEMS];
    ck_ok(clkv_stream_fill(&stream, mem, 5, sizeof x));
    for (cl_uint i = 0; i < LAUNCHES; i++) {
        const cl_uint a = i + 1, turns = (LAUNCHES - 1 - i) * idle;
        clSetKernelArg(kernel, 1, sizeof a, &a);
        clSetKernelArg(kernel, 2, sizeof turns, &turns);
        ck_ok(clkv_stream_launch(&stream, "affine", kernel, ITEMS / group, group, 0, NULL, NULL));
        expected = expected * 3 + a;
    }
    read_buffer(&stream, mem, x, sizeof x);
    for (int i = 0; i < ITEMS; i++) ck_assert_uint_eq(x[i], expected);

    const cl_uint first = 11;
    cl_event done = NULL;
    ck_ok(clkv_stream_write(&stream, mem, &first, sizeof first, 0, NULL, &done));
    ck_ok(clkv_stream_fill(&stream, mem, 1, 2)); /* not a multiple of the wide pattern */
    read_buffer(&stream, mem, x, sizeof x);
    ck_assert_int_eq(clWaitForEvents(1, &done), CL_SUCCESS);
    ck_assert_uint_eq(x[0], 0x0101u);
    ck_assert_uint_eq(x[1], expected);
    clReleaseEvent(done);

    clReleaseKernel(kernel);
    clReleaseMemObject(mem);
    clkv_stream_finish(&stream);
}

START_TEST(in_order)
{
    clkv_device *device = open_device("");
    ck_assert_int_eq(info_of(device).out_of_order, 0);
    check_order(device);
    clkv_device_close(&device);
}
END_TEST

START_TEST(out_of_order)
{
    clkv_device *device = open_out_of_order();
    if (!device) return;
    ck_assert_int_eq(info_of(device).out_of_order, 1);
    for (int i = 0; i < 5; i++) check_order(device);
    clkv_device_close(&device);
}
END_TEST

static cl_int status_of(cl_event event)
{
    cl_int status = CL_QUEUED;
    ck_assert_int_eq(clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status, NULL),
                     CL_SUCCESS);
    return status;
}

/* The caller's events are waited for, also by the marker that stands for an empty launch. */
static void check_waits(clkv_device *device)
{
    clkv_stream stream;
    clkv_stream_init(&stream, device);
    cl_mem mem = make_buffer(device, sizeof(cl_uint));
    cl_kernel kernel = NULL;
    ck_ok(kernel_of(device, "affine", "", "affine", &kernel));
    const cl_uint a = 1, turns = 0;
    clSetKernelArg(kernel, 0, sizeof mem, &mem);
    clSetKernelArg(kernel, 1, sizeof a, &a);
    clSetKernelArg(kernel, 2, sizeof turns, &turns);
    ck_ok(clkv_stream_fill(&stream, mem, 0, sizeof a));

    cl_event gates[20], launched = NULL, marked = NULL, written = NULL;
    cl_uint x = 0, two = 2;
    for (int i = 0; i < 20; i++) gates[i] = clCreateUserEvent(clkv_device_context(device), NULL);
    ck_ok(clkv_stream_launch(&stream, "affine", kernel, 1, 1, 20, gates, &launched));
    ck_ok(clkv_stream_launch(&stream, "nothing", kernel, 0, 1, 1, gates, &marked));
    ck_ok(clkv_stream_write(&stream, mem, &two, sizeof two, 2, gates, &written));
    clFlush(stream.queue);
    ck_assert_int_gt(status_of(launched), CL_COMPLETE);
    ck_assert_int_gt(status_of(marked), CL_COMPLETE);
    ck_assert_int_gt(status_of(written), CL_COMPLETE);
    for (int i = 0; i < 20; i++) clSetUserEventStatus(gates[i], CL_COMPLETE);
    read_buffer(&stream, mem, &x, sizeof x);
    ck_assert_uint_eq(x, 2);
    clFinish(stream.queue);
    ck_assert_int_eq(status_of(launched), CL_COMPLETE);
    ck_assert_int_eq(status_of(marked), CL_COMPLETE);

    for (int i = 0; i < 20; i++) clReleaseEvent(gates[i]);
    clReleaseEvent(launched);
    clReleaseEvent(marked);
    clReleaseEvent(written);
    clReleaseKernel(kernel);
    clReleaseMemObject(mem);
}

static void try_waits(clkv_device *device)
{
    if (can_hold_back(device))
        check_waits(device);
    else
        n_skipped++;
    clkv_device_close(&device);
}

START_TEST(waits)
{
    try_waits(open_device(""));
    clkv_device *device = open_out_of_order();
    if (device) try_waits(device);
}
END_TEST

START_TEST(errors)
{
    clkv_device *device = open_device("");
    clkv_stream stream;
    clkv_stream_init(&stream, device);
    cl_event event = NULL;
    cl_mem mem = make_buffer(device, 16);
    if (may_provoke(device)) {
        ck_assert_int_eq(clkv_stream_write(&stream, mem, &event, 17, 0, NULL, &event), CLKV_ERROR_DEVICE);
        ck_assert_int_ne(clkv_last_error()->driver_code, 0);
        ck_assert_str_eq(clkv_last_error()->where, "clEnqueueWriteBuffer");
        ck_assert_ptr_null(event);
        ck_assert_int_eq(clkv_stream_fill(&stream, mem, 0, 32), CLKV_ERROR_DEVICE);
    }
    clkv_stream_only_after(&stream, (cl_event)&stream); /* borrowed for one launch: a failed one gives it back too */
    ck_assert_int_eq(clkv_stream_launch(&stream, "x", NULL, SIZE_MAX, 2, 0, NULL, NULL), CLKV_ERROR_UNSUPPORTED);
    ck_assert_ptr_null(stream.also);
    ck_assert_int_eq(clkv_stream_launch(&stream, "x", NULL, 1, 1, 1, NULL, NULL), CLKV_ERROR_INVALID);
    ck_ok(clkv_stream_launch(&stream, "nothing", NULL, 0, 1, 0, NULL, NULL)); /* no launch, so no kernel */
    clkv_stream_finish(&stream);
    clReleaseMemObject(mem);
    clkv_device_close(&device);
}
END_TEST

int main(void)
{
    const int skip = without_device();
    if (skip >= 0) return skip;
    Suite *suite = suite_create("stream");
    TCase *tests = tcase_create("stream");
    tcase_set_timeout(tests, 600);
    tcase_add_test(tests, in_order);
    tcase_add_test(tests, out_of_order);
    tcase_add_test(tests, waits);
    tcase_add_test(tests, errors);
    suite_add_tcase(suite, tests);
    const int status = run_suite(suite);
    return status == EXIT_SUCCESS && n_skipped ? 77 : status;
}
