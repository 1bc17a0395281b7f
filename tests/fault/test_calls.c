/* test_calls.c: every call of the driver fails in turn, on a serving day; see days.h.
 * SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L /* nanosleep */
#include "days.h"
#include "fault.h"

#include "../device/open.h"

#include "device/slab.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static fault_control *control;
static int in_short; /* one code for each call, in turn: under sanitizers a day takes long */

static void arm(uint64_t at, uint32_t choice)
{
    fault_arm(control, FAULT_ONE, at, 0, in_short ? (uint32_t)at : choice);
}

static int disarm(void)
{
    control->watch = 0;
    return control->failed > 0;
}

static uint32_t choices(void)
{
    return in_short ? 1 : control->choices;
}

/* As include/clkv/status.h promises. */
static clkv_status status_of(const char *call, cl_int code)
{
    switch (code) {
    case CL_OUT_OF_HOST_MEMORY: return CLKV_ERROR_NO_MEMORY;
    case CL_DEVICE_NOT_AVAILABLE:
    case CL_INVALID_COMMAND_QUEUE: return CLKV_ERROR_DEVICE_LOST;
    case CL_OUT_OF_RESOURCES:
    case CL_MEM_OBJECT_ALLOCATION_FAILURE:
        return strcmp(call, "clBuildProgram") ? CLKV_ERROR_DEVICE_MEMORY : CLKV_ERROR_BUILD;
    case CL_BUILD_PROGRAM_FAILURE: return CLKV_ERROR_BUILD;
    case CL_INVALID_BUFFER_SIZE: return CLKV_ERROR_DEVICE_MEMORY; /* too large */
    default: return CLKV_ERROR_DEVICE;
    }
}

static const char *check(clkv_status st)
{
    const clkv_error *e = clkv_last_error();
    const cl_int code = control->call_code;
    char wanted[128];
    if (st != status_of(control->call, code)) return "another status was expected";
    if (e->status != st) return "the last error has another status";
    if (e->driver_code != code) return "the driver's code is lost";
    if (strncmp(e->where, "clkv_", 5)) return "it is not said which function of clkv failed";
    snprintf(wanted, sizeof wanted, "%s gave %s (%d): ", control->call, clkv_driver_text(code), (int)code);
    if (strncmp(e->message, wanted, strlen(wanted))) return "the message does not name call and code";
    return NULL;
}

static const char *left(void)
{
    static const char *const kinds[FAULT_KINDS] = { "a context", "a queue", "a buffer", "a sampler", "a program",
                                                    "a kernel", "an event" };
    if (control->misuses) return "an object was used that does not live";
    for (int i = 0; i < FAULT_KINDS; i++)
        if (control->live[i]) return kinds[i];
    return NULL;
}

static void serve(workload *w)
{
    const days_injector injector = {
        .name = "call", .arm = arm, .disarm = disarm, .choices = choices, .check = check, .left = left,
    };
    const days_result r = days_run(w, &injector);
    printf("%llu days, %llu steps failed, %llu faults absorbed\n", (unsigned long long)r.days,
           (unsigned long long)r.failed, (unsigned long long)r.absorbed);
}

START_TEST(on_its_own_queue)
{
    workload w = { 0 };
    serve(&w);
}
END_TEST

START_TEST(on_an_out_of_order_queue)
{
    workload w = { .out_of_order = 1 };
    serve(&w);
}
END_TEST

static void *let_go_later(void *event)
{
    const struct timespec while_destroying = { 0, 100 * 1000 * 1000 };
    nanosleep(&while_destroying, NULL);
    clSetUserEventStatus(event, CL_COMPLETE);
    return NULL;
}

/* Where clFinish fails, commands are still under way when a cache is destroyed: what they use stays until then. */
START_TEST(destroyed_where_waiting_fails)
{
    workload w = { 0 };
    size_t i = 0;
    pthread_t thread;
    for (; strcmp(workload_steps[i].name, "upload"); i++) {
        ck_ok(workload_steps[i].run(&w, &workload_steps[i]));
        workload_look(&w, &workload_steps[i]);
    }
    cl_event gate = clCreateUserEvent(clkv_device_context(w.device), NULL);
    clRetainEvent(gate);
    w.last = gate;
    for (size_t end = i + 5; i < end; i++) {
        ck_ok(workload_steps[i].run(&w, &workload_steps[i]));
        clReleaseEvent(w.superseded);
        w.superseded = NULL;
    }
    ck_assert_int_eq(pthread_create(&thread, NULL, let_go_later, gate), 0);
    fault_arm(control, FAULT_ONE, 1, CL_OUT_OF_HOST_MEMORY, 0);
    control->only = "clFinish";
    clkv_cache_destroy(&w.cache);
    clkv_batch_destroy(&w.batch);
    for (int k = 0; k < WORKLOAD_SEQUENCES; k++) clkv_sequence_destroy(&w.sequences[k]);
    ck_assert_uint_eq(control->failed, 1);
    control->watch = 0;
    ck_assert_int_eq(clFinish(clkv_device_queue(w.device)), CL_SUCCESS);
    pthread_join(thread, NULL);
    clReleaseEvent(gate);
    cl_event last = w.last;
    ck_assert_int_eq(clWaitForEvents(1, &last), CL_SUCCESS);
    clkv_device *device = w.device;
    workload_end(&w);
    clkv_device_close(&device);
    ck_assert_ptr_null(left());
}
END_TEST

/* Wine's driver lacks this call: then the driver allocates the slabs, also on a CPU. */
START_TEST(without_destructor_callbacks)
{
    enum { BLOCKS = 8, BLOCK_BYTES = 4096, SLABS = 2 };
    clkv_device *device = open_device("");
    clkv_slabs slabs;
    uint32_t wrote = 12345, got = 0;
    const size_t last = BLOCKS / SLABS * BLOCK_BYTES - sizeof wrote;
    fault_arm(control, FAULT_FROM, 1, CL_INVALID_OPERATION, 0);
    control->only = "clSetMemObjectDestructorCallback";
    ck_ok(clkv_slabs_create(&slabs, device, BLOCKS, BLOCK_BYTES, (uint64_t)BLOCKS / SLABS * BLOCK_BYTES,
                            CLKV_POOL_SLABS));
    control->watch = 0;
    ck_assert_uint_eq(slabs.n, SLABS);
    ck_assert_uint_eq(control->failed, info_of(device).kind == CLKV_DEVICE_CPU ? SLABS : 0);
    for (uint32_t i = 0; i < slabs.n; i++) {
        ck_assert_ptr_null(slabs.host[i]);
        ck_assert_int_eq(clEnqueueWriteBuffer(clkv_device_queue(device), slabs.mem[i], CL_TRUE, last, sizeof wrote, &wrote,
                                              0, NULL, NULL), CL_SUCCESS);
        ck_assert_int_eq(clEnqueueReadBuffer(clkv_device_queue(device), slabs.mem[i], CL_TRUE, last, sizeof got, &got, 0,
                                             NULL, NULL), CL_SUCCESS);
        ck_assert_uint_eq(got, wrote++);
    }
    clkv_slabs_destroy(&slabs);
    clkv_device_close(&device);
    ck_assert_ptr_null(left());
}
END_TEST

int main(void)
{
    const int skip = fault_without_layer(&control);
    if (skip >= 0) return skip;
    in_short = getenv("CLKV_TEST_GRID") && strcmp(getenv("CLKV_TEST_GRID"), "full");
    TCase *c = tcase_create("calls");
    tcase_set_timeout(c, 0);
    tcase_add_test(c, on_its_own_queue);
    tcase_add_test(c, on_an_out_of_order_queue);
    tcase_add_test(c, destroyed_where_waiting_fails);
    tcase_add_test(c, without_destructor_callbacks);
    Suite *s = suite_create("calls");
    suite_add_tcase(s, c);
    return run_suite(s);
}
