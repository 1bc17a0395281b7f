/* test_fork_cache.c: in a child of fork() every operation on a cache gets FORKED, and destroying what was inherited frees
 * it, without one OpenCL call; the parent goes on. SPDX-License-Identifier: Apache-2.0 */
#include "forked.h"

#include <clkv/clkv.h>

static fault_control *control;
static fail_allocator allocator;
static clkv_device *device;
static clkv_cache *cache;
static clkv_sequence *sequence;
static clkv_batch *batch;
static cl_mem mem, out;

static void begin(void)
{
    const clkv_cache_params params = {.size = sizeof params, .layers = 1, .heads = 1, .kv_heads = 1, .head_dim = 8,
                                      .blocks = 4, .clear_freed = 1, .commit = CLKV_COMMIT_STRICT};
    const clkv_sequence_params seq = CLKV_PARAMS_INIT(clkv_sequence_params);
    const uint32_t tokens[4] = {1, 2, 3, 4};
    device = open_device("");
    ck_ok(clkv_cache_create(&cache, device, &params));
    ck_ok(clkv_sequence_create(&sequence, clkv_cache_manager(cache), &seq, NULL));
    ck_ok(clkv_batch_create(&batch, clkv_cache_manager(cache)));
    ck_ok(clkv_batch_add(batch, sequence, tokens, 4, NULL));
    ck_ok(clkv_batch_reserve(batch));
    ck_ok(clkv_cache_upload(cache, batch, NULL, 0, NULL, NULL));
    cl_int err = CL_SUCCESS;
    mem = clCreateBuffer(clkv_device_context(device), CL_MEM_READ_WRITE, 4096, NULL, &err);
    ck_assert_int_eq(err, CL_SUCCESS);
    out = clCreateBuffer(clkv_device_context(device), CL_MEM_READ_WRITE, 4096, NULL, &err);
    ck_assert_int_eq(err, CL_SUCCESS);
}

static clkv_status append(void)
{
    const clkv_append_params params = {.size = sizeof params, .k.mem = mem, .v.mem = mem};
    return clkv_append(cache, batch, &params, 0, NULL, NULL);
}

static clkv_status attend(void)
{
    const clkv_attention_params params = {.size = sizeof params, .q.mem = mem, .o.mem = out};
    return clkv_attention(cache, batch, &params, 0, NULL, NULL);
}

static clkv_status gather(void)
{
    const clkv_gather_params params = {.size = sizeof params, .k.mem = mem};
    return clkv_gather(cache, sequence, &params, 0, NULL, NULL);
}

static clkv_status upload(void)
{
    return clkv_cache_upload(cache, batch, NULL, 0, NULL, NULL);
}

static clkv_status copy(void)
{
    const clkv_block_copy one = {0, 1};
    return clkv_copy_blocks(cache, 0, &one, 1, 0, NULL, NULL);
}

static clkv_status fill(void)
{
    return clkv_cache_fill(cache, 0);
}

static clkv_status clear_freed(void)
{
    return clkv_cache_clear_freed(cache, 0, NULL, NULL);
}

static clkv_status check(void)
{
    return clkv_cache_check(cache);
}

static clkv_status get_stats(void)
{
    clkv_stats stats = CLKV_PARAMS_INIT(clkv_stats);
    return clkv_cache_get_stats(cache, &stats);
}

static clkv_status get_plan_info(void)
{
    clkv_plan_info info = CLKV_PARAMS_INIT(clkv_plan_info);
    return clkv_cache_get_plan_info(cache, batch, &info);
}

static clkv_status get_positions(void)
{
    cl_mem positions = NULL;
    size_t offset = 0;
    return clkv_cache_get_positions(cache, batch, &positions, &offset);
}

/* The cache is strict, so this asks for the status of the batch's commands. */
static clkv_status commit(void)
{
    return clkv_batch_commit(batch);
}

static clkv_status (*const operations[])(void) = {append,        attend, gather,    upload,        copy, fill,
                                                  clear_freed,   check,  get_stats, get_plan_info,
                                                  get_positions, commit};

static void destroy_all(void)
{
    clkv_cache_destroy(&cache);
    clkv_batch_destroy(&batch);
    clkv_sequence_destroy(&sequence);
    clkv_device_close(&device);
}

/* The number of the first thing that is not as it should be, or 0. */
static int in_child(void *unused)
{
    (void)unused;
    fault_arm(control, FAULT_NONE, 0, 0, 0);
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        if (operations[i]() != CLKV_ERROR_FORKED) return 1 + (int)i;
        if (strncmp(clkv_last_error()->where, "clkv_", 5)) return 50 + (int)i;
    }
    destroy_all();
    if (allocator.live_bytes) return 100;
    return control->calls ? 101 : 0;
}

START_TEST(child)
{
    clkv_set_allocator(&(clkv_allocator){fail_resize, &allocator});
    begin();
    forked_check(in_child, NULL);

    ck_ok(append());
    ck_ok(attend());
    ck_ok(clkv_batch_commit(batch));
    destroy_all();
    clReleaseMemObject(mem);
    clReleaseMemObject(out);
    forked_ended(control, &allocator);
}
END_TEST

int main(void)
{
    return forked_main(&control, "fork_cache", child);
}
