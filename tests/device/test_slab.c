/* test_slab.c: pools larger than one allocation, their limits, and memory used in place on CPUs.
 * SPDX-License-Identifier: Apache-2.0 */
#include "open.h"

#include "device/device.h"
#include "os/machine.h"
#include "device/slab.h"

static const uint64_t mib = 1 << 20;

/* The properties that every pool has, whatever was asked for. */
static void check_slabs(const clkv_slabs *s, const clkv_device *device, uint32_t blocks, uint64_t block_bytes,
                        uint64_t max_slab_bytes)
{
    const clkv_device_info info = info_of(device);
    ck_assert_uint_ge(s->n, 1);
    ck_assert_uint_le(s->n, CLKV_POOL_SLABS);
    ck_assert_uint_eq(s->slab_bytes, s->blocks_per_slab * block_bytes);
    ck_assert_uint_ge((uint64_t)s->n * s->blocks_per_slab, blocks);
    ck_assert_uint_lt((uint64_t)s->n * s->blocks_per_slab, (uint64_t)blocks + s->n); /* little is left over */
    ck_assert_uint_le(s->slab_bytes, info.max_alloc_bytes);
    if (max_slab_bytes) ck_assert_uint_le(s->slab_bytes, max_slab_bytes);
    ck_assert_uint_ge(s->args, s->n);
    ck_assert_uint_eq(s->args & (s->args - 1), 0);
    ck_assert(s->args == 1 || s->args / 2 < s->n);
    for (uint32_t i = 0; i < s->args; i++) ck_assert_ptr_eq(s->mem[i], s->mem[i < s->n ? i : 0]);
    uint64_t total = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        size_t bytes = 0;
        ck_assert_int_eq(clGetMemObjectInfo(s->mem[i], CL_MEM_SIZE, sizeof bytes, &bytes, NULL), CL_SUCCESS);
        ck_assert_uint_eq(bytes, clkv_slabs_size(s, i));
        total += bytes;
        if (info.kind != CLKV_DEVICE_CPU) {
            ck_assert_ptr_null(s->host[i]);
            continue;
        }
        ck_assert_ptr_nonnull(s->host[i]);
        if (bytes >= 2 * mib) ck_assert_uint_eq((uintptr_t)s->host[i] % (2 * mib), 0);
    }
    ck_assert_uint_eq(total, blocks * block_bytes);
    ck_assert_uint_eq(total, clkv_slabs_bytes(s));
}

/* Each slab is memory of its own, to its last byte. */
static void check_memory(const clkv_slabs *s, clkv_device *device)
{
    cl_command_queue queue = clkv_device_queue(device);
    for (uint32_t i = 0; i < s->n; i++) {
        const uint32_t mark = 0xabc00000u + i;
        const size_t last = clkv_slabs_size(s, i) - sizeof mark;
        ck_assert_int_eq(clEnqueueWriteBuffer(queue, s->mem[i], CL_TRUE, 0, 4, &mark, 0, NULL, NULL), CL_SUCCESS);
        ck_assert_int_eq(clEnqueueWriteBuffer(queue, s->mem[i], CL_TRUE, last, 4, &mark, 0, NULL, NULL),
                         CL_SUCCESS);
    }
    for (uint32_t i = 0; i < s->n; i++) {
        uint32_t first = 0, end = 0;
        const size_t last = clkv_slabs_size(s, i) - sizeof end;
        ck_assert_int_eq(clEnqueueReadBuffer(queue, s->mem[i], CL_TRUE, 0, 4, &first, 0, NULL, NULL), CL_SUCCESS);
        ck_assert_int_eq(clEnqueueReadBuffer(queue, s->mem[i], CL_TRUE, last, 4, &end, 0, NULL, NULL), CL_SUCCESS);
        ck_assert_uint_eq(first, 0xabc00000u + i);
        ck_assert_uint_eq(end, 0xabc00000u + i);
        if (!s->host[i]) continue;
        cl_int err = CL_SUCCESS;
        void *mapped = clEnqueueMapBuffer(queue, s->mem[i], CL_TRUE, CL_MAP_READ, 0, 4, 0, NULL, NULL, &err);
        ck_assert_int_eq(err, CL_SUCCESS);
        ck_assert_ptr_eq(mapped, s->host[i]);
        clEnqueueUnmapMemObject(queue, s->mem[i], mapped, 0, NULL, NULL);
        clFinish(queue);
    }
}

START_TEST(divides)
{
    clkv_device *device = open_device("");
    static const struct {
        uint32_t blocks;
        uint64_t block_bytes, max_slab_bytes;
        uint32_t n, per_slab;
    } cases[] = {
        {1, 1, 0, 1, 1},
        {10, 65536, 0, 1, 10},
        {10, 65536, 65536, 10, 1},
        {10, 65536, 2 * 65536, 5, 2},
        {10, 65536, 4 * 65536 + 1, 3, 4},
        {10, 65536, 3 * 65536, 4, 3},
        {32, 4096, 4096, 32, 1},
        {9, 3 * 65536, 1 << 20, 2, 5},
        {3, 3 << 20, 3 << 20, 3, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        clkv_slabs s;
        ck_ok(clkv_slabs_create(&s, device, cases[i].blocks, cases[i].block_bytes, cases[i].max_slab_bytes, CLKV_POOL_SLABS));
        ck_assert_uint_eq(s.n, cases[i].n);
        ck_assert_uint_eq(s.blocks_per_slab, cases[i].per_slab);
        check_slabs(&s, device, cases[i].blocks, cases[i].block_bytes, cases[i].max_slab_bytes);
        if (clkv_slabs_size(&s, s.n - 1) >= 8) check_memory(&s, device);
        clkv_slabs_destroy(&s);
        ck_assert_uint_eq(s.n, 0);
        clkv_slabs_destroy(&s);
    }
    clkv_device_close(&device);
}
END_TEST

/* A pool above what one allocation may have. */
START_TEST(above_the_allocation_limit)
{
    clkv_device *device = open_device("");
    const clkv_device_info info = info_of(device);
    const uint64_t block = 4 * mib, most = 3 * (1024 * mib) / 2;
    const uint64_t bytes =
        2 * info.max_alloc_bytes < most ? 2 * info.max_alloc_bytes : info.max_alloc_bytes + block;
    if (bytes > most || bytes > clkv_slabs_limit(device)) {
        printf("not tried on %s: one allocation may have %llu MiB\n", info.name,
               (unsigned long long)(info.max_alloc_bytes / mib));
    } else {
        clkv_slabs s;
        ck_ok(clkv_slabs_create(&s, device, (uint32_t)(bytes / block), block, 0, CLKV_POOL_SLABS));
        ck_assert_uint_ge(s.n, 2);
        check_slabs(&s, device, (uint32_t)(bytes / block), block, 0);
        check_memory(&s, device);
        clkv_slabs_destroy(&s);
    }
    clkv_device_close(&device);
}
END_TEST

static void refuse(clkv_device *device, uint32_t blocks, uint64_t block_bytes, uint64_t max_slab_bytes,
                   clkv_status expected)
{
    clkv_slabs s, zero = {0};
    memset(&s, 0xff, sizeof s);
    ck_assert_int_eq(clkv_slabs_create(&s, device, blocks, block_bytes, max_slab_bytes, CLKV_POOL_SLABS), expected);
    ck_assert_mem_eq(&s, &zero, sizeof s);
    ck_assert_int_eq(clkv_last_error()->status, expected);
    ck_assert_uint_gt(strlen(clkv_last_error()->message), 10);
}

START_TEST(refuses)
{
    clkv_device *device = open_device("");
    const clkv_device_info info = info_of(device);
    refuse(device, 0, 4096, 0, CLKV_ERROR_INVALID);
    refuse(device, 1, 0, 0, CLKV_ERROR_INVALID);
    refuse(device, 2, 4096, 4095, CLKV_ERROR_UNSUPPORTED); /* a block is larger than a slab */
    refuse(device, 1, info.max_alloc_bytes + 1, 0, CLKV_ERROR_UNSUPPORTED);
    refuse(device, 1, UINT64_MAX, 0, CLKV_ERROR_UNSUPPORTED);
    refuse(device, 33, 4096, 4096, CLKV_ERROR_UNSUPPORTED); /* more than 32 slabs */
    refuse(device, UINT32_MAX, mib, 0,
           UINT32_MAX * mib / info.max_alloc_bytes >= CLKV_POOL_SLABS ? CLKV_ERROR_UNSUPPORTED
                                                                     : CLKV_ERROR_DEVICE_MEMORY);
    /* More than there is, in slabs that would be allowed. */
    const uint64_t limit = clkv_slabs_limit(device);
    if (limit / info.max_alloc_bytes < CLKV_POOL_SLABS - 1)
        refuse(device, (uint32_t)(limit / mib) + 64, mib, 0, CLKV_ERROR_DEVICE_MEMORY);
    clkv_device_close(&device);
}
END_TEST

START_TEST(what_there_is)
{
    clkv_device *device = open_device("");
    const clkv_device_info info = info_of(device);
    const uint64_t most = clkv_slabs_limit(device), available = clkv_machine_available();
    ck_assert_uint_gt(most, 0);
    ck_assert_uint_le(most, info.max_alloc_bytes * CLKV_POOL_SLABS);
    ck_assert_uint_gt(available, mib);
    if (info.kind == CLKV_DEVICE_CPU)
        ck_assert_uint_le(most, available + available / 2); /* it moves */
    else
        ck_assert_uint_le(most, info.global_bytes);
    clkv_device_close(&device);
}
END_TEST

int main(void)
{
    const int skip = without_device();
    if (skip >= 0) return skip;
    Suite *suite = suite_create("slab");
    TCase *tests = tcase_create("slab");
    tcase_set_timeout(tests, 600);
    tcase_add_test(tests, divides);
    tcase_add_test(tests, above_the_allocation_limit);
    tcase_add_test(tests, refuses);
    tcase_add_test(tests, what_there_is);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
