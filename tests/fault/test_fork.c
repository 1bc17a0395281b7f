/* test_fork.c: a child of fork() gets FORKED for every operation, and frees what it inherited, without one OpenCL call;
 * the parent goes on. SPDX-License-Identifier: Apache-2.0 */
#include "forked.h"

#include "core/memory.h"
#include "device/device.h"
#include "device/ring.h"
#include "device/slab.h"

#include <clkv/clkv.h>

static fault_control *control;
static fail_allocator allocator;

/* What lives on a device when the process forks. */
typedef struct inherited {
    clkv_device *device;
    clkv_cache *cache;
    clkv_slabs slabs;
    clkv_stream stream;
    clkv_ring ring;
} inherited;

static void open_all(inherited *in)
{
    clkv_ring_slot *slot = NULL;
    clkv_cache_params params = CLKV_PARAMS_INIT(clkv_cache_params);
    params.layers = params.heads = params.kv_heads = 1;
    params.head_dim = 8;
    params.blocks = 4;
    in->device = open_device("");
    ck_ok(clkv_cache_create(&in->cache, in->device, &params));
    ck_ok(clkv_slabs_create(&in->slabs, in->device, 8, 4096, 0, CLKV_POOL_SLABS));
    clkv_stream_init(&in->stream, in->device);
    clkv_ring_init(&in->ring, &in->stream);
    ck_ok(clkv_ring_acquire(&in->ring, 100, &slot));
    ck_ok(clkv_ring_submit(&in->ring, slot, 100, 0, NULL, NULL));
}

static void close_all(inherited *in)
{
    clkv_stream_finish(&in->stream);
    clkv_ring_destroy(&in->ring);
    clkv_slabs_destroy(&in->slabs);
    clkv_device_close(&in->device); /* the cache has it open still */
    clkv_cache_destroy(&in->cache);
}

/* The number of the first thing that is not as it should be, or 0. */
static int in_child(void *user)
{
    inherited *in = user;
    clkv_device *other = NULL;
    clkv_device_info info = CLKV_PARAMS_INIT(clkv_device_info);
    clkv_device_params params = CLKV_PARAMS_INIT(clkv_device_params);
    size_t found = 0;
    fault_arm(control, FAULT_NONE, 0, 0, 0);
    if (clkv_device_get_info(in->device, &info) != CLKV_ERROR_FORKED) return 1;
    if (strcmp(clkv_last_error()->where, "clkv_device_get_info")) return 2;
    if (!strstr(clkv_last_error()->message, "has forked")) return 3;
    if (clkv_device_check(in->device) != CLKV_ERROR_FORKED) return 4;
    if (clkv_device_list(NULL, 0, &found) != CLKV_ERROR_FORKED) return 5;
    if (clkv_device_open(&other, &params) != CLKV_ERROR_FORKED || other) return 6;
    params.context = clkv_device_context(in->device);
    params.device = clkv_device_id(in->device);
    params.queue = clkv_device_queue(in->device);
    if (clkv_device_open(&other, &params) != CLKV_ERROR_FORKED || other) return 7;
    close_all(in);
    if (in->device) return 8;
    if (allocator.live_bytes) return 9;
    return control->calls ? 10 : 0;
}

START_TEST(child)
{
    clkv_set_allocator(&(clkv_allocator){ fail_resize, &allocator });
    inherited in = { 0 };
    open_all(&in);
    forked_check(in_child, &in);

    ck_ok(clkv_device_check(in.device));
    ck_assert_int_eq(clFinish(clkv_device_queue(in.device)), CL_SUCCESS);
    close_all(&in);
    forked_ended(control, &allocator);
}
END_TEST

int main(void)
{
    return forked_main(&control, "fork", child);
}
