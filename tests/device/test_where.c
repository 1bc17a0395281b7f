/* test_where.c: clkv_error.where is the public function that was called, whatever inner function has
 * noticed the fault; for every function of the device half (the suite house checks that none is missing). For failed
 * calls of the driver tests/fault/test_calls.c does it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "open.h"

#include <clkv/clkv.h>

static clkv_device *device;
static clkv_cache *cache;
static clkv_batch *batch;
static clkv_sequence *sequence;
static cl_mem mem;

static const clkv_append_params append = {.size = sizeof append, .layer = 7};
static const clkv_attention_params attention = {.size = sizeof attention, .layer = 7};
static const clkv_gather_params gather = {.size = sizeof gather, .k.type = CLKV_F16};

/* ---- each function, called wrongly ---- */

static clkv_status device_list(void)
{
    return clkv_device_list(NULL, 1, NULL);
}

static clkv_status device_open(void)
{
    clkv_device *none = NULL;
    const clkv_device_params params = {.size = sizeof params, .select = "no device has such a name"};
    return clkv_device_open(&none, &params);
}

static clkv_status device_get_info(void)
{
    clkv_device_info info = {.size = 1};
    return clkv_device_get_info(device, &info);
}

static clkv_status device_get_cache_problem(void)
{
    return clkv_device_get_cache_problem(NULL, NULL, 0);
}

static clkv_status cache_supported(void)
{
    const clkv_cache_params params = {.size = sizeof params, .layers = 1, .heads = 1, .kv_heads = 1, .head_dim = 12};
    return clkv_cache_supported(device, &params);
}

static clkv_status cache_create(void)
{
    clkv_cache *none = NULL;
    const clkv_cache_params params = {.size = sizeof params, .layers = 1, .heads = 1, .kv_heads = 1, .head_dim = 8,
                                      .max_sequences = 70000};
    return clkv_cache_create(&none, device, &params);
}

static clkv_status cache_warm_up(void)
{
    return clkv_cache_warm_up(NULL, NULL);
}

static clkv_status cache_upload(void)
{
    return clkv_cache_upload(cache, batch, NULL, 0, NULL, NULL);
}

static clkv_status cache_plan_info(void)
{
    clkv_plan_info info = CLKV_PARAMS_INIT(clkv_plan_info);
    return clkv_cache_get_plan_info(cache, batch, &info);
}

static clkv_status cache_check(void)
{
    return clkv_cache_check(NULL);
}

static clkv_status cache_get_positions(void)
{
    cl_mem positions = NULL;
    size_t offset = 0;
    return clkv_cache_get_positions(cache, batch, &positions, &offset);
}

static clkv_status cache_fill(void)
{
    return clkv_cache_fill(NULL, 0);
}

static clkv_status cache_shrink(void)
{
    clkv_shrink_params params = CLKV_PARAMS_INIT(clkv_shrink_params);
    params.cached = (clkv_cached)9;
    return clkv_cache_shrink(cache, &params, NULL, NULL, 0, NULL, NULL);
}

static clkv_status cache_clear_freed(void)
{
    return clkv_cache_clear_freed(cache, 0, NULL, NULL);
}

static clkv_status cache_stats(void)
{
    clkv_stats stats = {.size = 3};
    return clkv_cache_get_stats(cache, &stats);
}

static clkv_status do_append(void)
{
    return clkv_append(cache, batch, &append, 0, NULL, NULL);
}

static clkv_status do_attention(void)
{
    return clkv_attention(cache, batch, &attention, 0, NULL, NULL);
}

static clkv_status do_gather(void)
{
    clkv_gather_params params = gather;
    params.first = 9;
    params.k.mem = mem;
    return clkv_gather(cache, sequence, &params, 0, NULL, NULL);
}

static clkv_status copy_blocks(void)
{
    const clkv_block_copy wrong = {0, 1000};
    return clkv_copy_blocks(cache, 0, &wrong, 1, 0, NULL, NULL);
}

static const struct {
    const char *name;
    clkv_status (*call_wrongly)(void);
} functions[] = {
    {"clkv_device_list", device_list},
    {"clkv_device_open", device_open},
    {"clkv_device_get_info", device_get_info},
    {"clkv_device_get_cache_problem", device_get_cache_problem},
    {"clkv_cache_supported", cache_supported},
    {"clkv_cache_create", cache_create},
    {"clkv_cache_warm_up", cache_warm_up},
    {"clkv_cache_upload", cache_upload},
    {"clkv_cache_get_plan_info", cache_plan_info},
    {"clkv_cache_check", cache_check},
    {"clkv_cache_get_positions", cache_get_positions},
    {"clkv_cache_fill", cache_fill},
    {"clkv_cache_clear_freed", cache_clear_freed},
    {"clkv_cache_shrink", cache_shrink},
    {"clkv_cache_get_stats", cache_stats},
    {"clkv_append", do_append},
    {"clkv_attention", do_attention},
    {"clkv_gather", do_gather},
    {"clkv_copy_blocks", copy_blocks},
};

static void begin(void)
{
    const clkv_cache_params params = {.size = sizeof params, .layers = 1, .heads = 1, .kv_heads = 1, .head_dim = 8,
                                      .blocks = 4};
    const clkv_sequence_params seq = CLKV_PARAMS_INIT(clkv_sequence_params);
    ck_ok(clkv_cache_create(&cache, device, &params));
    ck_ok(clkv_batch_create(&batch, clkv_cache_manager(cache)));
    ck_ok(clkv_sequence_create(&sequence, clkv_cache_manager(cache), &seq, NULL));
    cl_int err = CL_SUCCESS;
    mem = clCreateBuffer(clkv_device_context(device), CL_MEM_READ_WRITE, 4096, NULL, &err);
    ck_assert_int_eq(err, CL_SUCCESS);
}

static void end(void)
{
    clkv_batch_destroy(&batch);
    clkv_sequence_destroy(&sequence);
    clkv_cache_destroy(&cache);
    clReleaseMemObject(mem);
}

START_TEST(a_wrong_call)
{
    begin();
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        ck_assert_msg(functions[i].call_wrongly() < CLKV_OK, "%s took it", functions[i].name);
        ck_assert_str_eq(clkv_last_error()->where, functions[i].name);
    }
    end();
}
END_TEST

int main(void)
{
    const int skip = without_device();
    if (skip >= 0) return skip;
    device = open_device(NULL);
    Suite *suite = suite_create("where");
    TCase *tests = tcase_create("where");
    tcase_set_timeout(tests, 0);
    tcase_add_test(tests, a_wrong_call);
    suite_add_tcase(suite, tests);
    const int status = run_suite(suite);
    clkv_device_close(&device);
    return status;
}
