/* test_marks.c: a workload of marked tokens and keys on a device, with failures of every kind, leaves no mark in
 * log lines (down to the compiler's output), errors, events, statistics, nor in the names and contents of the
 * program cache's files. SPDX-License-Identifier: Apache-2.0 */
#define _XOPEN_SOURCE 700 /* mkdtemp, nftw */
#include "../unit/marks.h"
#include "cache_dir.h"
#include "open.h"

#include <clkv/clkv.h>

enum { HEADS = 2, DIM = 8, BLOCKS = 12, TOKENS = 40 };

static clkv_device *device;
static clkv_cache *kv;

static cl_mem make_buffer(size_t floats)
{
    cl_int err = CL_SUCCESS;
    cl_mem mem = clCreateBuffer(clkv_device_context(device), CL_MEM_READ_WRITE, floats * sizeof(float), NULL, &err);
    ck_assert_int_eq(err, CL_SUCCESS);
    return mem;
}

/* One pass of a reserved batch: every operation, right and wrong. */
static void pass(clkv_batch *batch, cl_mem mem, cl_mem o, cl_mem small)
{
    clkv_append_params append = CLKV_PARAMS_INIT(clkv_append_params);
    clkv_attention_params attention = CLKV_PARAMS_INIT(clkv_attention_params);
    append.k.mem = append.v.mem = attention.q.mem = mem;
    attention.o.mem = o;
    say_error(clkv_append(kv, batch, &append, 0, NULL, NULL)); /* not uploaded yet */
    ck_ok(clkv_cache_upload(kv, batch, NULL, 0, NULL, NULL));
    ck_ok(clkv_append(kv, batch, &append, 0, NULL, NULL));
    ck_ok(clkv_attention(kv, batch, &attention, 0, NULL, NULL));
    append.layer = 9;
    say_error(clkv_append(kv, batch, &append, 0, NULL, NULL));
    attention.o.mem = small;
    say_error(clkv_attention(kv, batch, &attention, 0, NULL, NULL));
}

static void work(void)
{
    uint32_t prompt[TOKENS * 8];
    for (uint32_t i = 0; i < TOKENS * 8; i++) prompt[i] = MARK + i;
    const clkv_key keys[] = {{CLKV_KEY_SALT, 0, 0, KEY_TEXT, sizeof KEY_TEXT - 1},
                             {CLKV_KEY_CONTENT, 5, 3, KEY_TEXT "-image", sizeof KEY_TEXT + 5}};
    clkv_manager *manager = clkv_cache_manager(kv);
    cl_mem mem = make_buffer(TOKENS * HEADS * DIM), o = make_buffer(TOKENS * HEADS * DIM), small = make_buffer(1);
    clkv_batch *batch = NULL;
    ck_ok(clkv_batch_create(&batch, manager));
    for (uint32_t i = 0; i < 6; i++) {
        clkv_sequence_params params = CLKV_PARAMS_INIT(clkv_sequence_params);
        params.tokens = prompt + TOKENS * i;
        params.n_tokens = TOKENS;
        params.keys = keys;
        params.n_keys = 2;
        clkv_sequence *seq = NULL;
        ck_ok(clkv_sequence_create(&seq, manager, &params, NULL));
        ck_ok(clkv_batch_add(batch, seq, params.tokens, TOKENS, NULL));
        say_error(clkv_cache_upload(kv, batch, NULL, 0, NULL, NULL)); /* not reserved */
        ck_ok(clkv_batch_reserve(batch));
        pass(batch, mem, o, small);
        ck_ok(clkv_batch_commit(batch));
        clkv_gather_params gather = CLKV_PARAMS_INIT(clkv_gather_params);
        gather.k.mem = mem;
        ck_ok(clkv_gather(kv, seq, &gather, 0, NULL, NULL));
        gather.first = TOKENS + 1;
        say_error(clkv_gather(kv, seq, &gather, 0, NULL, NULL));
        clkv_sequence_destroy(&seq);
    }
    char json[4096];
    clkv_stats stats = CLKV_PARAMS_INIT(clkv_stats);
    ck_ok(clkv_cache_get_stats(kv, &stats));
    ck_assert_uint_gt(stats.evictions, 0);
    say(json, clkv_stats_json(&stats, json, sizeof json));
    clkv_batch_destroy(&batch);
    clReleaseMemObject(mem);
    clReleaseMemObject(o);
    clReleaseMemObject(small);
}

/* Names and contents of all files of the program cache. */
static int say_files(void)
{
    int n = 0;
    DIR *d = opendir(cache);
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[512];
        if (e->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", cache, e->d_name);
        say(path, strlen(path) + 1);
        size_t bytes = 0;
        char *content = read_file(path, &bytes);
        say(content, bytes);
        free(content);
        n++;
    }
    if (d) closedir(d);
    return n;
}

START_TEST(nothing_that_is_said_has_a_mark)
{
    begin();
    n_said = 0;
    clkv_set_log(say_line, NULL, CLKV_LOG_DEBUG);
    device = open_device(cache);
    const int has_files = *info_of(device).cache_dir != 0;
    clkv_cache_params params = CLKV_PARAMS_INIT(clkv_cache_params);
    params.layers = 1;
    params.heads = params.kv_heads = HEADS;
    params.head_dim = DIM;
    params.block_size = 4;
    params.blocks = BLOCKS;
    params.hash_seed = 1; /* a hash that looks like a mark by chance: never, or always */
    params.clear_freed = 1;
    params.on_event = say_event;
    ck_ok(clkv_cache_create(&kv, device, &params));
    work();
    clkv_cache_destroy(&kv);
    clkv_device_close(&device);
    clkv_set_log(NULL, NULL, CLKV_LOG_ERROR);
    ck_assert_uint_gt(n_said, 2000);
    const char *mark = find_mark(1);
    ck_assert_msg(!mark, "%s", mark);
    n_said = 0;
    ck_assert_int_eq(say_files() > 0, has_files);
    mark = find_mark(0);
    ck_assert_msg(!mark, "%s", mark);
    end();
}
END_TEST

int main(void)
{
    const int skip = without_device();
    if (skip >= 0) return skip;
    Suite *suite = suite_create("marks");
    TCase *tests = tcase_create("marks");
    tcase_set_timeout(tests, 600);
    tcase_add_test(tests, nothing_that_is_said_has_a_mark);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
