/* test_ring.c: staging buffers are reused when their write is over, and a ring grows rather than wait.
 * SPDX-License-Identifier: Apache-2.0 */
#include "open.h"

#include "device/device.h"
#include "device/ring.h"

typedef struct fixture {
    clkv_device *device;
    clkv_stream stream;
    clkv_ring ring;
} fixture;

static void begin(fixture *f)
{
    f->device = open_device("");
    clkv_stream_init(&f->stream, f->device);
    clkv_ring_init(&f->ring, &f->stream);
}

static void end(fixture *f)
{
    clkv_stream_finish(&f->stream);
    clkv_ring_destroy(&f->ring);
    clkv_device_close(&f->device);
}

static void check_content(fixture *f, const clkv_ring_slot *slot, size_t bytes)
{
    char *back = malloc(bytes);
    ck_assert_int_eq(clEnqueueReadBuffer(f->stream.queue, slot->mem, CL_TRUE, 0, bytes, back, 0, NULL, NULL),
                     CL_SUCCESS);
    ck_assert_mem_eq(back, slot->host, bytes);
    free(back);
}

START_TEST(reuse)
{
    fixture f;
    begin(&f);
    clkv_ring_slot *slot = NULL, *again = NULL;
    ck_assert_uint_eq(clkv_ring_bytes(&f.ring), 0);
    ck_ok(clkv_ring_acquire(&f.ring, 10, &slot));
    ck_assert_uint_eq(slot->capacity, 4096);
    memset(slot->host, 0x5a, 4096);
    ck_ok(clkv_ring_submit(&f.ring, slot, 4096, 0, NULL, NULL));
    clkv_stream_finish(&f.stream);
    check_content(&f, slot, 4096);
    clkv_ring_release(&f.ring, slot);

    ck_ok(clkv_ring_acquire(&f.ring, 4096, &again));
    ck_assert_ptr_eq(again, slot);
    ck_assert_uint_eq(f.ring.n, 1);
    clkv_ring_release(&f.ring, again);

    /* More room: the same slot, larger. */
    ck_ok(clkv_ring_acquire(&f.ring, 4097, &again));
    ck_assert_ptr_eq(again, slot);
    ck_assert_uint_eq(again->capacity, 8192);
    memset(again->host, 0xa5, 4097);
    ck_ok(clkv_ring_submit(&f.ring, again, 4097, 0, NULL, NULL));
    clkv_stream_finish(&f.stream);
    check_content(&f, again, 4097);
    clkv_ring_release(&f.ring, again);
    ck_assert_uint_eq(clkv_ring_bytes(&f.ring), 8192);
    clkv_ring_release(&f.ring, NULL);
    end(&f);
}
END_TEST

START_TEST(held_slots_are_not_shared)
{
    fixture f;
    begin(&f);
    clkv_ring_slot *slots[20];
    for (int i = 0; i < 20; i++) {
        ck_ok(clkv_ring_acquire(&f.ring, 100, &slots[i]));
        for (int j = 0; j < i; j++) ck_assert_ptr_ne(slots[i], slots[j]);
    }
    ck_assert_uint_eq(f.ring.n, 20);
    ck_assert_uint_eq(clkv_ring_bytes(&f.ring), 20 * 4096);
    end(&f); /* held ones too are given back */
}
END_TEST

START_TEST(grows_rather_than_waits)
{
    fixture f;
    begin(&f);
    if (!can_hold_back(f.device)) {
        end(&f);
        return;
    }
    cl_event gate = clCreateUserEvent(clkv_device_context(f.device), NULL), done = NULL;
    clkv_ring_slot *slots[4];
    for (int i = 0; i < 4; i++) {
        /* Released, but its write cannot have begun: the next one has to be another. */
        ck_ok(clkv_ring_acquire(&f.ring, 4096, &slots[i]));
        ck_assert_uint_eq(f.ring.n, (size_t)i + 1);
        memset(slots[i]->host, i + 1, 4096);
        ck_ok(clkv_ring_submit(&f.ring, slots[i], 4096, 1, &gate, i == 3 ? &done : NULL));
        clkv_ring_release(&f.ring, slots[i]);
    }
    clSetUserEventStatus(gate, CL_COMPLETE);
    ck_assert_int_eq(clWaitForEvents(1, &done), CL_SUCCESS);
    clkv_stream_finish(&f.stream);
    for (int i = 0; i < 4; i++) check_content(&f, slots[i], 4096);

    clkv_ring_slot *again = NULL;
    for (int i = 0; i < 10; i++) {
        ck_ok(clkv_ring_acquire(&f.ring, 4096, &again));
        clkv_ring_release(&f.ring, again);
    }
    ck_assert_uint_eq(f.ring.n, 4);
    clReleaseEvent(gate);
    clReleaseEvent(done);
    end(&f);
}
END_TEST

START_TEST(errors)
{
    fixture f;
    begin(&f);
    clkv_ring_slot *slot = NULL, *none = NULL;
    ck_ok(clkv_ring_acquire(&f.ring, 4096, &slot));
    ck_assert_int_eq(clkv_ring_submit(&f.ring, slot, 0, 0, NULL, NULL), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_ring_submit(&f.ring, slot, 4097, 0, NULL, NULL), CLKV_ERROR_INVALID);
    ck_assert_int_eq(slot->held, 1);
    ck_assert_int_eq(clkv_ring_acquire(&f.ring, SIZE_MAX, &none), CLKV_ERROR_NO_MEMORY);
    ck_assert_ptr_null(none);

    fail_allocator allocator = {0};
    clkv_device_close(&f.device); /* nothing of clkv may live while the allocator changes */
    clkv_ring_destroy(&f.ring);
    clkv_set_allocator(&(clkv_allocator){fail_resize, &allocator});
    begin(&f);
    static const long fail[] = {1, 2, 2}; /* the list; the slot; its host memory, the list being there */
    for (int i = 0; i < 3; i++) {
        allocator.requests = 0;
        allocator.fail_at = fail[i];
        ck_assert_int_eq(clkv_ring_acquire(&f.ring, 100, &none), CLKV_ERROR_NO_MEMORY);
        ck_assert_ptr_null(none);
        ck_assert_uint_eq(f.ring.n, 0);
    }
    allocator.fail_at = 0;
    ck_ok(clkv_ring_acquire(&f.ring, 100, &none));
    end(&f);
    ck_assert_uint_eq(allocator.live_bytes, 0);
    clkv_set_allocator(NULL);
}
END_TEST

int main(void)
{
    const int skip = without_device();
    if (skip >= 0) return skip;
    Suite *suite = suite_create("ring");
    TCase *tests = tcase_create("ring");
    tcase_set_timeout(tests, 600);
    tcase_add_test(tests, reuse);
    tcase_add_test(tests, held_slots_are_not_shared);
    tcase_add_test(tests, grows_rather_than_waits);
    tcase_add_test(tests, errors);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
