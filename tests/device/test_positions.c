/* test_positions.c: the positions of a batch's tokens on the device, as the batch knows them on the host.
 * SPDX-License-Identifier: Apache-2.0 */
#include "open.h"

#include <clkv/clkv.h>

enum { ROOM = 64 };

static clkv_device *device;
static clkv_cache *cache;
static clkv_batch *batch;
static clkv_sequence *a, *b;

static void begin(void)
{
    const clkv_cache_params params = {.size = sizeof params, .layers = 1, .heads = 1, .kv_heads = 1, .head_dim = 8,
                                      .blocks = 16, .block_size = 4};
    const clkv_sequence_params seq = CLKV_PARAMS_INIT(clkv_sequence_params);
    ck_ok(clkv_cache_create(&cache, device, &params));
    ck_ok(clkv_sequence_create(&a, clkv_cache_manager(cache), &seq, NULL));
    ck_ok(clkv_sequence_create(&b, clkv_cache_manager(cache), &seq, NULL));
    ck_ok(clkv_batch_create(&batch, clkv_cache_manager(cache)));
}

static void end(void)
{
    clkv_batch_destroy(&batch);
    clkv_sequence_destroy(&a);
    clkv_sequence_destroy(&b);
    clkv_cache_destroy(&cache);
}

static void reserve(uint32_t n_a, uint32_t n_b)
{
    static const uint32_t tokens[ROOM];
    ck_ok(clkv_batch_add(batch, a, tokens, n_a, NULL));
    ck_ok(clkv_batch_add(batch, b, tokens, n_b, NULL));
    ck_ok(clkv_batch_reserve(batch));
}

static clkv_status upload(clkv_positions positions)
{
    const clkv_upload_params params = {.size = sizeof params, .positions = positions};
    return clkv_cache_upload(cache, batch, &params, 0, NULL, NULL);
}

static void check(const int32_t *right, uint32_t n)
{
    const int32_t *host = NULL;
    int32_t got[ROOM];
    uint32_t n_host = 0;
    cl_mem mem = NULL;
    size_t offset = 1;
    ck_ok(clkv_batch_get_positions(batch, &host, &n_host));
    ck_assert_uint_eq(n_host, n);
    ck_assert_mem_eq(host, right, n * sizeof *right);
    ck_ok(clkv_cache_get_positions(cache, batch, &mem, &offset));
    ck_assert_int_eq(clEnqueueReadBuffer(clkv_device_queue(device), mem, CL_TRUE, offset, n * sizeof *got, got, 0, NULL,
                                         NULL),
                     CL_SUCCESS);
    ck_assert_mem_eq(got, right, n * sizeof *right);
}

START_TEST(of_every_token)
{
    begin();
    reserve(6, 1);
    ck_ok(upload(CLKV_POSITIONS_SEND));
    check((const int32_t[]){0, 1, 2, 3, 4, 5, 0}, 7);
    ck_ok(upload(CLKV_POSITIONS_SEND)); /* again: perhaps in another buffer */
    check((const int32_t[]){0, 1, 2, 3, 4, 5, 0}, 7);
    ck_ok(clkv_batch_commit(batch));
    reserve(1, 3);
    ck_ok(upload(CLKV_POSITIONS_SEND));
    check((const int32_t[]){6, 1, 2, 3}, 4);
    ck_ok(clkv_batch_commit(batch));
    end();
}
END_TEST

START_TEST(only_when_sent)
{
    begin();
    cl_mem mem = NULL;
    size_t offset = 0;
    reserve(2, 2);
    ck_assert_int_eq(clkv_cache_get_positions(cache, batch, &mem, &offset), CLKV_ERROR_STATE);
    ck_assert_int_eq(upload((clkv_positions)2), CLKV_ERROR_INVALID);
    ck_ok(upload(CLKV_POSITIONS_NONE));
    ck_assert_int_eq(clkv_cache_get_positions(cache, batch, &mem, &offset), CLKV_ERROR_STATE);
    clkv_plan_info without = CLKV_PARAMS_INIT(clkv_plan_info), with = CLKV_PARAMS_INIT(clkv_plan_info);
    ck_ok(clkv_cache_get_plan_info(cache, batch, &without));
    ck_ok(upload(CLKV_POSITIONS_SEND));
    ck_ok(clkv_cache_get_plan_info(cache, batch, &with));
    ck_ok(clkv_cache_get_positions(cache, batch, &mem, &offset));
    ck_assert_uint_le(with.uploaded_bytes, without.uploaded_bytes + 4 * sizeof(int32_t));
    ck_assert_int_eq(clkv_cache_get_positions(NULL, batch, &mem, &offset), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_cache_get_positions(cache, NULL, &mem, &offset), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_cache_get_positions(cache, batch, NULL, &offset), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_cache_get_positions(cache, batch, &mem, NULL), CLKV_ERROR_INVALID);
    ck_ok(upload(CLKV_POSITIONS_NONE));
    ck_assert_int_eq(clkv_cache_get_positions(cache, batch, &mem, &offset), CLKV_ERROR_STATE);
    ck_ok(clkv_batch_commit(batch));
    ck_assert_int_eq(clkv_cache_get_positions(cache, batch, &mem, &offset), CLKV_ERROR_STATE);
    end();
}
END_TEST

int main(void)
{
    const int skip = without_device();
    if (skip >= 0) return skip;
    device = open_device(NULL);
    Suite *suite = suite_create("positions");
    TCase *tests = tcase_create("positions");
    tcase_set_timeout(tests, 0);
    tcase_add_test(tests, of_every_token);
    tcase_add_test(tests, only_when_sent);
    suite_add_tcase(suite, tests);
    const int status = run_suite(suite);
    clkv_device_close(&device);
    return status;
}
