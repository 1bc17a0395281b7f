/* test_allocations.c: every host allocation fails in turn, on a serving day; see days.h. What the driver allocates
 * is its own affair. SPDX-License-Identifier: Apache-2.0 */
#include "days.h"

#include <stdio.h>

static fail_allocator memory;

static void arm(uint64_t at, uint32_t choice)
{
    (void)choice;
    memory.fail_at = (long)at;
    memory.requests = 0;
}

static int disarm(void)
{
    const int happened = memory.requests >= memory.fail_at;
    memory.fail_at = 0;
    return happened;
}

static uint32_t choices(void)
{
    return 1;
}

static const char *check(clkv_status st)
{
    const clkv_error *e = clkv_last_error();
    if (st != CLKV_ERROR_NO_MEMORY || e->status != st) return "NO_MEMORY was expected";
    if (e->driver_code) return "the driver has done nothing wrong";
    return NULL;
}

static const char *left(void)
{
    return memory.live_bytes ? "memory" : NULL;
}

static void serve(workload *w)
{
    const clkv_allocator allocator = { fail_resize, &memory };
    const days_injector injector = { "allocation", arm, disarm, choices, check, left };
    clkv_set_allocator(&allocator);
    const days_result r = days_run(w, &injector);
    clkv_set_allocator(NULL);
    printf("%llu days, %llu steps failed, %llu faults absorbed\n", (unsigned long long)r.days,
           (unsigned long long)r.failed, (unsigned long long)r.absorbed);
    ck_assert_uint_gt(r.failed, 50);
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

int main(void)
{
    size_t found = 0;
    if (clkv_device_list(NULL, 0, &found) != CLKV_OK || found == 0) {
        printf("no OpenCL device: skipped\n");
        return getenv("CLKV_TEST_NEED_DEVICE") ? EXIT_FAILURE : 77;
    }
    TCase *c = tcase_create("allocations");
    tcase_set_timeout(c, 0);
    tcase_add_test(c, on_its_own_queue);
    tcase_add_test(c, on_an_out_of_order_queue);
    Suite *s = suite_create("allocations");
    suite_add_tcase(s, c);
    return run_suite(s);
}
