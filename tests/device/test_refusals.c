/* test_refusals.c: what a cache refuses: every wrong argument of every function of cache.h, append.h, attention.h,
 * copy.h and gather.h gets its status and a text, and changes nothing: the same pass goes through afterwards. What is
 * refused of tensors is in test_tensors.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "open.h"
#include "warm_up.h"

#include <clkv/clkv.h>

#include <math.h>

enum { HEADS = 4, KV_HEADS = 2, DIM = 8, DIM_V = 16, BLOCK = 4, BLOCKS = 16, BATCH = 20 };

static clkv_device *device;

static clkv_cache_params good_params(void)
{
    clkv_cache_params params = CLKV_PARAMS_INIT(clkv_cache_params);
    params.layers = 2;
    params.heads = HEADS;
    params.kv_heads = KV_HEADS;
    params.head_dim = DIM;
    params.head_dim_v = DIM_V;
    params.block_size = BLOCK;
    params.blocks = BLOCKS;
    params.max_batch_tokens = BATCH;
    params.compile = CLKV_COMPILE_LATER;
    return params;
}

static cl_mem make_buffer(size_t bytes)
{
    cl_int err = CL_SUCCESS;
    cl_mem mem = clCreateBuffer(clkv_device_context(device), CL_MEM_READ_WRITE, bytes, NULL, &err);
    ck_assert_int_eq(err, CL_SUCCESS);
    return mem;
}

/* The call gives that status, and the last error has it too, with a text. */
#define refused(status_, call)                                                                                     \
    do {                                                                                                           \
        ck_assert_int_eq((call), (status_));                                                                       \
        ck_assert_int_eq(clkv_last_error()->status, (status_));                                                    \
        ck_assert_uint_gt(strlen(clkv_last_error()->message), 5);                                                  \
    } while (0)

#define INVALID CLKV_ERROR_INVALID

/* One field of good params is changed; `supported` and `create` say the same. */
#define PARAM(status_, field_, value_)                                                                             \
    do {                                                                                                           \
        clkv_cache_params p_ = good_params();                                                                      \
        p_.field_ = (value_);                                                                                      \
        clkv_cache *none_ = NULL;                                                                                  \
        refused(status_, clkv_cache_supported(device, &p_));                                                       \
        refused(status_, clkv_cache_create(&none_, device, &p_));                                                  \
        ck_assert_ptr_null(none_);                                                                                 \
    } while (0)

START_TEST(shapes)
{
    clkv_cache_params p = good_params();
    clkv_cache *cache = NULL;
    ck_ok(clkv_cache_supported(device, &p));
    refused(INVALID, clkv_cache_create(NULL, device, &p));
    refused(INVALID, clkv_cache_create(&cache, NULL, &p));
    refused(INVALID, clkv_cache_create(&cache, device, NULL));
    refused(INVALID, clkv_cache_supported(NULL, &p));
    PARAM(INVALID, size, 7);
    PARAM(INVALID, layers, 0);
    PARAM(INVALID, layers, 65537);
    PARAM(INVALID, kv_heads, 0);
    PARAM(INVALID, heads, 0);
    PARAM(INVALID, heads, 5);
    PARAM(CLKV_ERROR_UNSUPPORTED, heads, 4098);
    PARAM(INVALID, head_dim, 0);
    PARAM(CLKV_ERROR_UNSUPPORTED, head_dim, 12);
    PARAM(CLKV_ERROR_UNSUPPORTED, head_dim, 264);
    PARAM(CLKV_ERROR_UNSUPPORTED, head_dim_v, 4);
    PARAM(INVALID, prefix, (clkv_prefix_use)3);
    PARAM(CLKV_ERROR_UNSUPPORTED, window, 4096);
    PARAM(INVALID, k_type, (clkv_type)9);
    PARAM(INVALID, v_type, (clkv_type)9);
    PARAM(INVALID, block_size, 3);
    PARAM(INVALID, block_size, 512);
    PARAM(CLKV_ERROR_UNSUPPORTED, blocks, UINT32_MAX);
    PARAM(CLKV_ERROR_DEVICE_MEMORY, blocks, 1u << 29); /* of 768 bytes */
    p = good_params();
    p.blocks = 0;
    p.memory_bytes = 1;
    refused(INVALID, clkv_cache_supported(device, &p));
    p = good_params();
    p.blocks = 1u << 24;
    p.max_sequences = 65535;
    p.max_context = 1u << 26;
    refused(CLKV_ERROR_UNSUPPORTED, clkv_cache_supported(device, &p));
    /* What only the manager checks. */
    p = good_params();
    p.max_sequences = 70000;
    refused(INVALID, clkv_cache_create(&cache, device, &p));
    p = good_params();
    p.watermark = BLOCKS;
    refused(INVALID, clkv_cache_create(&cache, device, &p));
    p = good_params();
    p.hash_bits = 65;
    refused(INVALID, clkv_cache_create(&cache, device, &p));
    p = good_params();
    p.max_slab_bytes = 1;
    refused(CLKV_ERROR_UNSUPPORTED, clkv_cache_create(&cache, device, &p));
    ck_assert_ptr_null(cache);

    ck_assert_uint_eq(clkv_cache_block_bytes(NULL), 0);
    p = good_params();
    ck_assert_uint_eq(clkv_cache_block_bytes(&p), 2 * KV_HEADS * (DIM + DIM_V) * BLOCK * 2);
    p.heads = 5;
    ck_assert_uint_eq(clkv_cache_block_bytes(&p), 0);
    p.size = 3;
    ck_assert_uint_eq(clkv_cache_block_bytes(&p), 0);
}
END_TEST

/* By memory instead of by blocks; and defaults of everything that has one. */
START_TEST(sizes)
{
    clkv_cache_params p = CLKV_PARAMS_INIT(clkv_cache_params);
    p.layers = 1;
    p.heads = p.kv_heads = 1;
    p.head_dim = 8;
    p.memory_bytes = 10 * clkv_cache_block_bytes(&p) + 100;
    clkv_cache *cache = NULL;
    ck_ok(clkv_cache_create(&cache, device, &p));
    ck_assert_uint_eq(clkv_manager_blocks(clkv_cache_manager(cache)), 10);
    ck_assert_uint_eq(clkv_manager_block_size(clkv_cache_manager(cache)), 16);
    ck_assert_ptr_eq(clkv_cache_device(cache), device);
    clkv_cache_destroy(&cache);
    ck_assert_ptr_null(cache);
    clkv_cache_destroy(&cache);
    clkv_cache_destroy(NULL);
    ck_assert_ptr_null(clkv_cache_manager(NULL));
    ck_assert_ptr_null(clkv_cache_device(NULL));
    refused(INVALID, clkv_cache_fill(NULL, 0));
}
END_TEST

/* ---- operations ---- */

typedef struct scene {
    clkv_cache *cache, *other;
    clkv_manager *manager;
    clkv_batch *batch, *foreign;
    clkv_sequence *seq;
    cl_mem mem, out;
} scene;

static clkv_sequence *new_sequence(clkv_manager *manager)
{
    clkv_sequence_params params = CLKV_PARAMS_INIT(clkv_sequence_params);
    params.prefix = CLKV_PREFIX_OFF;
    clkv_sequence *seq = NULL;
    ck_ok(clkv_sequence_create(&seq, manager, &params, NULL));
    return seq;
}

static void begin(scene *s)
{
    const clkv_cache_params params = good_params();
    *s = (scene){.mem = make_buffer(BATCH * HEADS * DIM_V * sizeof(float)), .out = make_buffer(BATCH * HEADS * DIM_V * sizeof(float))};
    ck_ok(clkv_cache_create(&s->cache, device, &params));
    ck_ok(clkv_cache_create(&s->other, device, &params));
    warm_up_for(s->cache, 0, 0, 0);
    s->manager = clkv_cache_manager(s->cache);
    ck_ok(clkv_batch_create(&s->batch, s->manager));
    ck_ok(clkv_batch_create(&s->foreign, clkv_cache_manager(s->other)));
    s->seq = new_sequence(s->manager);
}

static void end(scene *s)
{
    ck_valid(clkv_manager_validate(s->manager));
    clkv_cache_destroy(&s->cache);
    clkv_batch_destroy(&s->batch);
    clkv_batch_destroy(&s->foreign);
    clkv_sequence_destroy(&s->seq);
    clkv_cache_destroy(&s->other);
    clReleaseMemObject(s->mem);
    clReleaseMemObject(s->out);
}

START_TEST(uploads)
{
    scene s;
    begin(&s);
    clkv_upload_params up = {.size = 1};
    clkv_plan_info info = CLKV_PARAMS_INIT(clkv_plan_info);
    ck_ok(clkv_batch_add(s.batch, s.seq, NULL, BATCH, NULL));
    refused(CLKV_ERROR_STATE, clkv_cache_upload(s.cache, s.batch, NULL, 0, NULL, NULL));
    ck_ok(clkv_batch_reserve(s.batch));
    refused(INVALID, clkv_cache_upload(NULL, s.batch, NULL, 0, NULL, NULL));
    refused(INVALID, clkv_cache_upload(s.cache, NULL, NULL, 0, NULL, NULL));
    refused(INVALID, clkv_cache_upload(s.cache, s.batch, &up, 0, NULL, NULL));
    refused(INVALID, clkv_cache_upload(s.cache, s.batch, NULL, 1, NULL, NULL));
    refused(INVALID, clkv_cache_upload(s.cache, s.foreign, NULL, 0, NULL, NULL));
    refused(INVALID, clkv_cache_get_plan_info(NULL, s.batch, &info));
    refused(INVALID, clkv_cache_get_plan_info(s.cache, NULL, &info));
    refused(INVALID, clkv_cache_get_plan_info(s.cache, s.batch, NULL));
    refused(CLKV_ERROR_STATE, clkv_cache_get_plan_info(s.cache, s.batch, &info));
    ck_ok(clkv_cache_upload(s.cache, s.batch, NULL, 0, NULL, NULL));
    ck_ok(clkv_cache_get_plan_info(s.cache, s.batch, &info));
    refused(INVALID, clkv_cache_get_plan_info(s.other, s.batch, &info));
    ck_ok(clkv_batch_commit(s.batch));

    refused(CLKV_ERROR_LIMIT, clkv_batch_add(s.batch, s.seq, NULL, BATCH + 1, NULL)); /* max_batch_tokens */
    ck_ok(clkv_batch_add(s.batch, s.seq, NULL, BATCH, NULL));
    ck_ok(clkv_batch_reserve(s.batch));
    up = (clkv_upload_params){.size = sizeof up, .visibility = (clkv_visibility)3};
    refused(INVALID, clkv_cache_upload(s.cache, s.batch, &up, 0, NULL, NULL));
    ck_ok(clkv_batch_rollback(s.batch));

    clkv_stats stats = {.size = offsetof(clkv_stats, device_bytes)}; /* of an older program */
    ck_ok(clkv_cache_get_stats(s.cache, &stats));
    ck_assert_uint_eq(stats.size, offsetof(clkv_stats, device_bytes));
    refused(INVALID, clkv_cache_get_stats(NULL, &stats));
    refused(INVALID, clkv_cache_get_stats(s.cache, NULL));
    end(&s);
}
END_TEST

START_TEST(operations)
{
    scene s;
    begin(&s);
    clkv_append_params a = CLKV_PARAMS_INIT(clkv_append_params), bad_a;
    clkv_attention_params t = CLKV_PARAMS_INIT(clkv_attention_params), bad_t;
    a.k.mem = a.v.mem = t.q.mem = s.mem;
    t.o.mem = s.out;
#define APPEND(field_, value_)                                                                                     \
    do {                                                                                                           \
        bad_a = a;                                                                                                 \
        bad_a.field_ = (value_);                                                                                   \
        refused(INVALID, clkv_append(s.cache, s.batch, &bad_a, 0, NULL, NULL));                                    \
    } while (0)
#define ATTEND(field_, value_)                                                                                     \
    do {                                                                                                           \
        bad_t = t;                                                                                                 \
        bad_t.field_ = (value_);                                                                                   \
        refused(INVALID, clkv_attention(s.cache, s.batch, &bad_t, 0, NULL, NULL));                                 \
    } while (0)
    ck_ok(clkv_batch_add(s.batch, s.seq, NULL, BATCH, NULL));
    ck_ok(clkv_batch_reserve(s.batch));
    refused(CLKV_ERROR_STATE, clkv_append(s.cache, s.batch, &a, 0, NULL, NULL));
    refused(CLKV_ERROR_STATE, clkv_attention(s.cache, s.batch, &t, 0, NULL, NULL));
    ck_ok(clkv_cache_upload(s.cache, s.batch, NULL, 0, NULL, NULL));
    refused(INVALID, clkv_append(s.other, s.batch, &a, 0, NULL, NULL));
    refused(INVALID, clkv_append(NULL, s.batch, &a, 0, NULL, NULL));
    refused(INVALID, clkv_append(s.cache, NULL, &a, 0, NULL, NULL));
    refused(INVALID, clkv_append(s.cache, s.batch, NULL, 0, NULL, NULL));
    APPEND(size, 0);
    APPEND(layer, 2);
    refused(INVALID, clkv_attention(NULL, s.batch, &t, 0, NULL, NULL));
    refused(INVALID, clkv_attention(s.cache, NULL, &t, 0, NULL, NULL));
    refused(INVALID, clkv_attention(s.cache, s.batch, NULL, 0, NULL, NULL));
    ATTEND(size, 1);
    ATTEND(layer, 2);
    ATTEND(scale, NAN);
    ATTEND(scale, INFINITY);
    ck_ok(clkv_append(s.cache, s.batch, &a, 0, NULL, NULL));
    ck_ok(clkv_attention(s.cache, s.batch, &t, 0, NULL, NULL));
    ck_ok(clkv_batch_commit(s.batch));
    refused(CLKV_ERROR_STATE, clkv_append(s.cache, s.batch, &a, 0, NULL, NULL)); /* its pass is over */
    end(&s);
}
END_TEST

START_TEST(gathers_and_copies)
{
    scene s;
    begin(&s);
    clkv_gather_params g = CLKV_PARAMS_INIT(clkv_gather_params), bad;
    g.k.mem = s.mem;
    g.v.mem = s.out;
#define GATHER(field_, value_)                                                                                     \
    do {                                                                                                           \
        bad = g;                                                                                                   \
        bad.field_ = (value_);                                                                                     \
        refused(INVALID, clkv_gather(s.cache, s.seq, &bad, 0, NULL, NULL));                                        \
    } while (0)
    ck_ok(clkv_gather(s.cache, s.seq, &g, 0, NULL, NULL)); /* of nothing, nothing */
    ck_ok(clkv_batch_add(s.batch, s.seq, NULL, 10, NULL));
    ck_ok(clkv_batch_reserve(s.batch));
    refused(CLKV_ERROR_BUSY, clkv_gather(s.cache, s.seq, &g, 0, NULL, NULL));
    ck_ok(clkv_cache_upload(s.cache, s.batch, NULL, 0, NULL, NULL));
    ck_ok(clkv_batch_commit(s.batch));
    refused(INVALID, clkv_gather(NULL, s.seq, &g, 0, NULL, NULL));
    refused(INVALID, clkv_gather(s.cache, NULL, &g, 0, NULL, NULL));
    refused(INVALID, clkv_gather(s.cache, s.seq, NULL, 0, NULL, NULL));
    refused(INVALID, clkv_gather(s.other, s.seq, &g, 0, NULL, NULL));
    GATHER(size, 2);
    GATHER(layer, 2);
    GATHER(first, 11);
    GATHER(count, 11);
    bad = g;
    bad.k.mem = bad.v.mem = NULL;
    refused(INVALID, clkv_gather(s.cache, s.seq, &bad, 0, NULL, NULL));
    ck_ok(clkv_gather(s.cache, s.seq, &g, 0, NULL, NULL));

    const clkv_block_copy good = {0, 1}, wrong[] = {{BLOCKS, 1}, {1, BLOCKS}, {3, 3}}, twice[] = {{0, 1}, {2, 1}};
    for (int i = 0; i < 3; i++) refused(INVALID, clkv_copy_blocks(s.cache, 0, &wrong[i], 1, 0, NULL, NULL));
    refused(INVALID, clkv_copy_blocks(s.cache, 0, twice, 2, 0, NULL, NULL));
    refused(INVALID, clkv_copy_blocks(s.cache, 1, &good, 1, 0, NULL, NULL));
    refused(INVALID, clkv_copy_blocks(NULL, 0, &good, 1, 0, NULL, NULL));
    refused(INVALID, clkv_copy_blocks(s.cache, 0, NULL, 1, 0, NULL, NULL));
    cl_event done = NULL;
    ck_ok(clkv_copy_blocks(s.cache, 0, NULL, 0, 0, NULL, &done)); /* nothing to copy: an event all the same */
    ck_assert_int_eq(clWaitForEvents(1, &done), CL_SUCCESS);
    clReleaseEvent(done);
    ck_ok(clkv_copy_blocks(s.cache, 0, &good, 1, 0, NULL, NULL));
    end(&s);
}
END_TEST

int main(void)
{
    const int skip = without_device();
    if (skip >= 0) return skip;
    device = open_device(NULL);
    Suite *suite = suite_create("refusals");
    TCase *tests = tcase_create("refusals");
    tcase_set_timeout(tests, 0);
    tcase_add_test(tests, shapes);
    tcase_add_test(tests, sizes);
    tcase_add_test(tests, uploads);
    tcase_add_test(tests, operations);
    tcase_add_test(tests, gathers_and_copies);
    suite_add_tcase(suite, tests);
    const int status = run_suite(suite);
    clkv_device_close(&device);
    return status;
}
