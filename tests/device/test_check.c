/* test_check.c: how a caller learns that a command has failed after it was enqueued: clkv_cache_check, a strict
 * commit, a wait list with an event that has failed; and the events of operations of several commands. On queues of
 * both kinds. SPDX-License-Identifier: Apache-2.0 */
#include "open.h"

#include <clkv/clkv.h>

enum { LAYERS = 2, HEADS = 2, DIM = 8, BLOCK = 4, TOKENS = 6, ROOM = 1024 };

typedef struct desk {
    clkv_device *device;
    clkv_cache *cache;
    clkv_batch *batch;
    clkv_sequence *sequence;
    cl_mem in, out;
} desk;

/* NULL: the driver has no such queues. */
static clkv_device *open_with_queue(cl_command_queue_properties properties)
{
    clkv_device *own = open_device(""), *device = NULL;
    clkv_device_params params = CLKV_PARAMS_INIT(clkv_device_params);
    params.cache_dir = "";
    params.context = clkv_device_context(own);
    params.device = clkv_device_id(own);
    cl_int err = CL_SUCCESS;
    params.queue = clCreateCommandQueue(params.context, params.device, properties, &err);
    if (err == CL_SUCCESS) {
        ck_ok(clkv_device_open(&device, &params));
        clReleaseCommandQueue(params.queue);
    } else {
        printf("not tried on %s: queues with properties %u\n", info_of(own).name, (unsigned)properties);
    }
    clkv_device_close(&own);
    return device;
}

static cl_mem make_buffer(const desk *d)
{
    static const float zeros[ROOM];
    cl_int err = CL_SUCCESS;
    cl_mem mem = clCreateBuffer(clkv_device_context(d->device), CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR,
                                sizeof zeros, (void *)(uintptr_t)zeros, &err);
    ck_assert_int_eq(err, CL_SUCCESS);
    return mem;
}

static void begin(desk *d, clkv_device *device, clkv_commit commit)
{
    clkv_cache_params params = CLKV_PARAMS_INIT(clkv_cache_params);
    params.layers = LAYERS;
    params.heads = params.kv_heads = HEADS;
    params.head_dim = DIM;
    params.block_size = BLOCK;
    params.blocks = 64;
    params.commit = commit;
    *d = (desk){.device = device};
    ck_ok(clkv_cache_create(&d->cache, device, &params));
    const clkv_sequence_params seq = CLKV_PARAMS_INIT(clkv_sequence_params);
    ck_ok(clkv_sequence_create(&d->sequence, clkv_cache_manager(d->cache), &seq, NULL));
    ck_ok(clkv_batch_create(&d->batch, clkv_cache_manager(d->cache)));
    d->in = make_buffer(d);
    d->out = make_buffer(d);
}

static void end(desk *d)
{
    ck_valid(clkv_manager_validate(clkv_cache_manager(d->cache)));
    clkv_batch_destroy(&d->batch);
    clkv_sequence_destroy(&d->sequence);
    clkv_cache_destroy(&d->cache);
    clReleaseMemObject(d->in);
    clReleaseMemObject(d->out);
    clkv_device_close(&d->device);
}

static void reserve(desk *d, uint32_t n)
{
    static const uint32_t tokens[128];
    ck_ok(clkv_batch_clear(d->batch));
    ck_ok(clkv_batch_add(d->batch, d->sequence, tokens, n, NULL));
    ck_ok(clkv_batch_reserve(d->batch));
}

static void upload(desk *d)
{
    ck_ok(clkv_cache_upload(d->cache, d->batch, NULL, 0, NULL, NULL));
}

static clkv_status append_between(desk *d, uint32_t layer, cl_event gate, cl_event *done)
{
    const clkv_append_params params = {.size = sizeof params, .layer = layer, .k.mem = d->in, .v.mem = d->in};
    return clkv_append(d->cache, d->batch, &params, gate != NULL, gate ? &gate : NULL, done);
}

static clkv_status append(desk *d, uint32_t layer)
{
    return append_between(d, layer, NULL, NULL);
}

static clkv_status attend(desk *d, cl_event *first, cl_event *event)
{
    const clkv_attention_params params = {
        .size = sizeof params, .q.mem = d->in, .o.mem = d->out, .first_event = first};
    return clkv_attention(d->cache, d->batch, &params, 0, NULL, event);
}

static cl_event make_gate(const desk *d)
{
    cl_int err = CL_SUCCESS;
    cl_event gate = clCreateUserEvent(clkv_device_context(d->device), &err);
    ck_assert_int_eq(err, CL_SUCCESS);
    return gate;
}

static void open_gate(cl_event gate, cl_int status)
{
    ck_assert_int_eq(clSetUserEventStatus(gate, status), CL_SUCCESS);
    clReleaseEvent(gate);
}

/* Waits for two commands, the one that fails and the last one. After clFinish, rusticl still says that they run. */
static void settle(cl_event failed, cl_event last)
{
    ck_assert_int_ne(clWaitForEvents(1, &failed), CL_SUCCESS);
    clWaitForEvents(1, &last);
    clReleaseEvent(failed);
    clReleaseEvent(last);
}

#define refused(status_, text_, call)                                                                              \
    do {                                                                                                           \
        ck_assert_int_eq((call), (status_));                                                                       \
        ck_assert_msg(strstr(clkv_last_error()->message, (text_)), "%s", clkv_last_error()->message);              \
    } while (0)

/* ---- a strict commit ---- */

START_TEST(strict_wants_every_layer)
{
    desk d;
    begin(&d, open_with_queue(0), CLKV_COMMIT_STRICT);
    reserve(&d, TOKENS);
    upload(&d);
    refused(CLKV_ERROR_STATE, "0 of 2 layers", clkv_batch_commit(d.batch));
    ck_assert_str_eq(clkv_last_error()->where, "clkv_batch_commit");
    ck_ok(append(&d, 1));
    ck_ok(append(&d, 1));
    refused(CLKV_ERROR_STATE, "1 of 2 layers", clkv_batch_commit(d.batch));
    ck_ok(append(&d, 0));
    upload(&d); /* begins anew */
    refused(CLKV_ERROR_STATE, "0 of 2 layers", clkv_batch_commit(d.batch));
    ck_assert_uint_eq(clkv_sequence_length(d.sequence), 0);
    for (uint32_t layer = 0; layer < LAYERS; layer++) ck_ok(append(&d, layer));
    ck_ok(clkv_batch_commit(d.batch));
    ck_assert_uint_eq(clkv_sequence_length(d.sequence), TOKENS);

    reserve(&d, 1); /* another batch: what the record of the last one knew is forgotten */
    upload(&d);
    refused(CLKV_ERROR_STATE, "0 of 2 layers", clkv_batch_commit(d.batch));
    ck_ok(clkv_batch_rollback(d.batch));
    ck_ok(clkv_batch_reserve(d.batch));
    ck_ok(clkv_batch_commit(d.batch)); /* was not uploaded: the device half has no say */
    ck_ok(clkv_cache_check(d.cache));
    end(&d);
}
END_TEST

START_TEST(trusting_wants_nothing)
{
    desk d;
    begin(&d, open_with_queue(0), CLKV_COMMIT_DEFAULT);
    reserve(&d, TOKENS);
    upload(&d);
    ck_ok(clkv_batch_commit(d.batch));
    end(&d);
}
END_TEST

/* ---- commands that fail ---- */

/* The append of layer 0 waits for an event of the caller's, which fails when all is enqueued. */
static void fail_a_pass(desk *d)
{
    cl_event gate = make_gate(d), uploaded = NULL, failed = NULL, last = NULL;
    reserve(d, TOKENS);
    ck_ok(clkv_cache_upload(d->cache, d->batch, NULL, 0, NULL, &uploaded));
    ck_assert_int_eq(clWaitForEvents(1, &uploaded), CL_SUCCESS); /* pocl: nothing may complete while the append fails */
    clReleaseEvent(uploaded);
    ck_ok(append_between(d, 0, gate, &failed));
    ck_ok(append(d, 1));
    ck_ok(attend(d, NULL, &last));
    ck_ok(clkv_cache_check(d->cache)); /* not yet */
    clFlush(clkv_device_queue(d->device));
    open_gate(gate, CL_OUT_OF_RESOURCES);
    settle(failed, last);
}

/* The pass of the same tokens again, now without trouble. */
static void make_again(desk *d)
{
    ck_ok(clkv_batch_rollback(d->batch));
    ck_assert_uint_eq(clkv_sequence_length(d->sequence), 0);
    if (!queue_outlives_failure(d->device)) return;
    ck_ok(clkv_batch_reserve(d->batch));
    clkv_status st = clkv_cache_upload(d->cache, d->batch, NULL, 0, NULL, NULL);
    if (st == CLKV_ERROR_DEVICE) st = clkv_cache_upload(d->cache, d->batch, NULL, 0, NULL, NULL); /* told once */
    ck_ok(st);
    for (uint32_t layer = 0; layer < LAYERS; layer++) ck_ok(append(d, layer));
    cl_event last = NULL;
    ck_ok(attend(d, NULL, &last));
    ck_assert_int_eq(clWaitForEvents(1, &last), CL_SUCCESS);
    clReleaseEvent(last);
    ck_ok(clkv_cache_check(d->cache));
    ck_ok(clkv_batch_commit(d->batch));
    ck_assert_uint_eq(clkv_sequence_length(d->sequence), TOKENS);
}

static int can_fail_late(clkv_device **device)
{
    if (*device && can_hold_back(*device) && can_pass_on_failure(*device)) return 1;
    clkv_device_close(device);
    return 0;
}

static const cl_command_queue_properties queues[2] = {0, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE};

START_TEST(a_check_tells_once)
{
    desk d;
    clkv_device *device = open_with_queue(queues[_i]);
    if (!can_fail_late(&device)) return;
    begin(&d, device, CLKV_COMMIT_TRUSTING);
    ck_ok(clkv_cache_check(d.cache));
    fail_a_pass(&d);
    refused(CLKV_ERROR_DEVICE, "clkv_append failed on the device", clkv_cache_check(d.cache));
    ck_assert_str_eq(clkv_last_error()->where, "clkv_cache_check");
    ck_assert_int_lt(clkv_last_error()->driver_code, 0);
    ck_ok(clkv_cache_check(d.cache));
    make_again(&d);
    end(&d);
}
END_TEST

START_TEST(a_strict_commit_refuses)
{
    desk d;
    clkv_device *device = open_with_queue(queues[_i]);
    if (!can_fail_late(&device)) return;
    begin(&d, device, CLKV_COMMIT_STRICT);
    fail_a_pass(&d);
    for (int i = 0; i < 2; i++)
        refused(CLKV_ERROR_DEVICE, "clkv_append failed on the device", clkv_batch_commit(d.batch));
    ck_assert_int_eq(clkv_cache_check(d.cache), CLKV_ERROR_DEVICE); /* has not told yet */
    make_again(&d);
    end(&d);
}
END_TEST

/* What has failed for one batch does not keep another from its commit. */
START_TEST(a_strict_commit_knows_whose)
{
    desk d;
    clkv_device *device = open_with_queue(0);
    if (!can_fail_late(&device)) return;
    if (!queue_outlives_failure(device)) {
        clkv_device_close(&device);
        return;
    }
    begin(&d, device, CLKV_COMMIT_STRICT);
    fail_a_pass(&d);
    desk other = d;
    const clkv_sequence_params seq = CLKV_PARAMS_INIT(clkv_sequence_params);
    ck_ok(clkv_sequence_create(&other.sequence, clkv_cache_manager(d.cache), &seq, NULL));
    ck_ok(clkv_batch_create(&other.batch, clkv_cache_manager(d.cache)));
    reserve(&other, TOKENS);
    upload(&other);
    for (uint32_t layer = 0; layer < LAYERS; layer++) ck_ok(append(&other, layer));
    ck_ok(clkv_batch_commit(other.batch));
    ck_assert_int_eq(clkv_batch_commit(d.batch), CLKV_ERROR_DEVICE);
    ck_ok(clkv_batch_rollback(d.batch));
    clkv_batch_destroy(&other.batch);
    clkv_sequence_destroy(&other.sequence);
    end(&d);
}
END_TEST

START_TEST(a_wait_list_that_has_failed)
{
    desk d;
    clkv_device *device = open_with_queue(queues[_i]);
    if (!can_fail_late(&device)) return;
    begin(&d, device, CLKV_COMMIT_STRICT);
    cl_event gate = make_gate(&d);
    ck_assert_int_eq(clSetUserEventStatus(gate, CL_OUT_OF_RESOURCES), CL_SUCCESS);
    reserve(&d, TOKENS);
    refused(CLKV_ERROR_DEVICE, "event 0 of the wait list has failed with -5",
            clkv_cache_upload(d.cache, d.batch, NULL, 1, &gate, NULL));
    upload(&d);
    refused(CLKV_ERROR_DEVICE, "event 0 of the wait list", append_between(&d, 0, gate, NULL));
    clReleaseEvent(gate);
    for (uint32_t layer = 0; layer < LAYERS; layer++) ck_ok(append(&d, layer));
    ck_ok(clkv_cache_check(d.cache));
    ck_ok(clkv_batch_commit(d.batch));
    end(&d);
}
END_TEST

/* An event of another context, which pocl accepts for kernels and then waits for. */
START_TEST(a_wait_list_of_another_context)
{
    desk d;
    clkv_device *device = open_with_queue(queues[_i]);
    if (!device) return;
    begin(&d, device, CLKV_COMMIT_DEFAULT);
    cl_int err = CL_SUCCESS;
    const cl_device_id id = clkv_device_id(d.device);
    cl_context other = clCreateContext(NULL, 1, &id, NULL, NULL, &err);
    ck_assert_int_eq(err, CL_SUCCESS);
    cl_event foreign[2] = {make_gate(&d), clCreateUserEvent(other, &err)};
    ck_assert_int_eq(err, CL_SUCCESS);
    reserve(&d, TOKENS);
    refused(CLKV_ERROR_INVALID, "event 1 of the wait list is of another context",
            clkv_cache_upload(d.cache, d.batch, NULL, 2, foreign, NULL));
    upload(&d);
    refused(CLKV_ERROR_INVALID, "event 0 of the wait list is of another", append_between(&d, 0, foreign[1], NULL));
    open_gate(foreign[0], CL_COMPLETE);
    open_gate(foreign[1], CL_COMPLETE);
    clReleaseContext(other);
    ck_ok(append(&d, 0));
    end(&d);
}
END_TEST

/* More commands under way than the watch has room for at first; the one that fails is the last but one. */
START_TEST(many_commands)
{
    desk d;
    clkv_device *device = open_with_queue(0);
    if (!can_fail_late(&device)) return;
    begin(&d, device, CLKV_COMMIT_STRICT);
    reserve(&d, 1);
    upload(&d);
    cl_event hold = make_gate(&d), gate = make_gate(&d), before = NULL, failed = NULL, last = NULL;
    ck_ok(append_between(&d, 0, hold, NULL));
    for (int i = 0; i < 2500; i++) ck_ok(append(&d, 0));
    ck_ok(append_between(&d, 0, NULL, &before));
    ck_ok(append_between(&d, 1, gate, &failed));
    ck_ok(attend(&d, NULL, &last));
    clFlush(clkv_device_queue(d.device));
    open_gate(hold, CL_COMPLETE);
    ck_assert_int_eq(clWaitForEvents(1, &before), CL_SUCCESS);
    clReleaseEvent(before);
    open_gate(gate, CL_OUT_OF_RESOURCES);
    settle(failed, last);
    ck_assert_int_eq(clkv_batch_commit(d.batch), CLKV_ERROR_DEVICE);
    ck_assert_int_eq(clkv_cache_check(d.cache), CLKV_ERROR_DEVICE);
    ck_ok(clkv_batch_rollback(d.batch));
    end(&d);
}
END_TEST

/* ---- events of several commands ---- */

static cl_ulong time_of(cl_event event, cl_profiling_info what)
{
    cl_ulong ns = 0;
    ck_assert_int_eq(clGetEventProfilingInfo(event, what, sizeof ns, &ns, NULL), CL_SUCCESS);
    return ns;
}

static void check_pair(const desk *d, cl_event first, cl_event last, int several)
{
    ck_assert_ptr_nonnull(first);
    ck_assert_ptr_nonnull(last);
    ck_assert_int_eq(clWaitForEvents(1, &last), CL_SUCCESS);
    if (several) {
        ck_assert_ptr_ne(first, last);
        /* The times of Mesa 22.3's rusticl are single-digit numbers. */
        if (strcmp(info_of(d->device).platform, "rusticl"))
            ck_assert_uint_le(time_of(first, CL_PROFILING_COMMAND_END), time_of(last, CL_PROFILING_COMMAND_START));
    } else {
        ck_assert_ptr_eq(first, last);
    }
    clReleaseEvent(first);
    clReleaseEvent(last);
}

START_TEST(first_and_last)
{
    desk d;
    clkv_device *device = open_with_queue(queues[_i] | CL_QUEUE_PROFILING_ENABLE);
    if (!device) return;
    begin(&d, device, CLKV_COMMIT_DEFAULT);
    for (uint32_t round = 0; round < 3; round++) {
        cl_event first = NULL, last = NULL;
        clkv_upload_params params = {.size = sizeof params, .parts = round == 0 ? 4 : 1, .first_event = &first};
        /* Round 0 changes the block table and splits; round 1 finds the table there, and does neither. */
        if (round == 0) reserve(&d, 10);
        ck_ok(clkv_cache_upload(d.cache, d.batch, &params, 0, NULL, &last));
        check_pair(&d, first, last, round == 0);
        if (round == 2) params.first_event = NULL; /* either may be absent */
        for (uint32_t layer = 0; layer < LAYERS; layer++) ck_ok(append(&d, layer));
        first = last = NULL;
        ck_ok(attend(&d, round == 2 ? NULL : &first, &last));
        if (round < 2)
            check_pair(&d, first, last, round == 0);
        else
            clReleaseEvent(last);
        first = NULL;
        ck_ok(attend(&d, &first, NULL));
        ck_assert_int_eq(clWaitForEvents(1, &first), CL_SUCCESS);
        clReleaseEvent(first);
    }
    ck_ok(clkv_batch_commit(d.batch));
    end(&d);
}
END_TEST

int main(void)
{
    const int skip = without_device();
    if (skip >= 0) return skip;
    Suite *suite = suite_create("check");
    TCase *tests = tcase_create("check");
    tcase_set_timeout(tests, 0);
    tcase_add_test(tests, strict_wants_every_layer);
    tcase_add_test(tests, trusting_wants_nothing);
    tcase_add_loop_test(tests, a_check_tells_once, 0, 2);
    tcase_add_loop_test(tests, a_strict_commit_refuses, 0, 2);
    tcase_add_test(tests, a_strict_commit_knows_whose);
    tcase_add_loop_test(tests, a_wait_list_that_has_failed, 0, 2);
    tcase_add_loop_test(tests, a_wait_list_of_another_context, 0, 2);
    tcase_add_test(tests, many_commands);
    tcase_add_loop_test(tests, first_and_last, 0, 2);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
