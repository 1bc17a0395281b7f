/* test_cache_life.c: a cache, its sequences and its batches are destroyed in every order; what is left of the host half goes
 * on, and nothing calls into a cache that is gone (which the sanitizers see).
 * SPDX-License-Identifier: Apache-2.0 */
#include "open.h"

#include <clkv/cache.h>

enum { CACHE, BATCH, SEQUENCE, HANDLES };
enum { RESERVED, UPLOADED, UPLOADED_TWICE, COMMITTED, STATES };

static clkv_device *device;
static int gone, late; /* the cache is; calls back since then */

typedef struct handles {
    clkv_cache *cache;
    clkv_batch *batch;
    clkv_sequence *seq;
} handles;

static void on_event(void *user, const clkv_cache_event *event)
{
    (void)user, (void)event;
    late += gone;
}

static void begin(handles *h, int state, int clear_freed)
{
    clkv_cache_params params = CLKV_PARAMS_INIT(clkv_cache_params);
    params.layers = params.heads = params.kv_heads = 1;
    params.head_dim = 8;
    params.blocks = 8;
    params.block_size = 4;
    params.clear_freed = clear_freed;
    params.on_event = on_event;
    gone = late = 0;
    *h = (handles){.cache = NULL};
    ck_ok(clkv_cache_create(&h->cache, device, &params));
    clkv_manager *m = clkv_cache_manager(h->cache);
    static const uint32_t tokens[20] = {1, 2, 3};
    const clkv_sequence_params sequence = CLKV_PARAMS_INIT(clkv_sequence_params);
    ck_ok(clkv_sequence_create(&h->seq, m, &sequence, NULL));
    ck_ok(clkv_batch_create(&h->batch, m));
    ck_ok(clkv_batch_add(h->batch, h->seq, tokens, 10, NULL));
    ck_ok(clkv_batch_reserve(h->batch));
    if (state >= UPLOADED) ck_ok(clkv_cache_upload(h->cache, h->batch, NULL, 0, NULL, NULL));
    if (state == UPLOADED_TWICE) ck_ok(clkv_cache_upload(h->cache, h->batch, NULL, 0, NULL, NULL));
    if (state == COMMITTED) ck_ok(clkv_batch_commit(h->batch));
}

static void destroy(handles *h, int what)
{
    if (what == CACHE) clkv_cache_destroy(&h->cache);
    if (what == CACHE) gone = 1;
    if (what == BATCH) clkv_batch_destroy(&h->batch);
    if (what == SEQUENCE) clkv_sequence_destroy(&h->seq);
}

START_TEST(handles_end_in_every_order)
{
    static const int orders[6][HANDLES] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    device = open_device(NULL);
    for (int clear_freed = 0; clear_freed < 2; clear_freed++) {
        for (int order = 0; order < 6; order++) {
            handles h;
            begin(&h, _i, clear_freed);
            for (int i = 0; i < HANDLES; i++) destroy(&h, orders[order][i]);
            ck_assert_int_eq(late, 0);
        }
    }
    clkv_device_close(&device);
}
END_TEST

START_TEST(the_host_half_goes_on_without_its_cache)
{
    device = open_device(NULL);
    handles h;
    begin(&h, _i, 1);
    destroy(&h, CACHE);
    ck_assert_uint_eq(clkv_sequence_length(h.seq), _i == COMMITTED ? 10 : 0);
    if (_i == UPLOADED) ck_ok(clkv_batch_rollback(h.batch));
    if (_i == UPLOADED) ck_ok(clkv_batch_reserve(h.batch));
    if (_i != COMMITTED) ck_ok(clkv_batch_commit(h.batch));
    ck_assert_uint_eq(clkv_sequence_length(h.seq), 10);
    const uint32_t token = 7, *table = NULL;
    size_t n = 0;
    ck_ok(clkv_batch_add(h.batch, h.seq, &token, 1, NULL));
    ck_ok(clkv_batch_reserve(h.batch));
    ck_ok(clkv_batch_commit(h.batch));
    ck_ok(clkv_sequence_get_table(h.seq, 0, &table, &n));
    ck_assert_uint_eq(n, 3);
    destroy(&h, SEQUENCE);
    destroy(&h, BATCH);
    ck_assert_int_eq(late, 0);
    clkv_device_close(&device);
}
END_TEST

int main(void)
{
    const int nothing = without_device();
    if (nothing >= 0) return nothing;
    Suite *suite = suite_create("cache_life");
    TCase *tests = tcase_create("cache_life");
    tcase_set_timeout(tests, 300);
    tcase_add_loop_test(tests, handles_end_in_every_order, 0, STATES);
    tcase_add_loop_test(tests, the_host_half_goes_on_without_its_cache, 0, STATES);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
