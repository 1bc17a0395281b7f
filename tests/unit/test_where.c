/* test_where.c: clkv_error.where is the public function that was called, whichever inner one noticed the mistake.
 * Every function of the host half's headers that can fail is called wrongly; the headers are read to see that none
 * is missing. SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <clkv/entries.h>
#include <clkv/ref.h>

#include <stdio.h>

static clkv_manager *m;
static clkv_sequence *seq, *reserved_seq, *none;
static clkv_batch *batch, *reserved, *no_batch;
static clkv_pool *pool, *no_pool;
static clkv_prefix *prefix, *no_prefix;
static uint32_t prompt[2048], list[8], n;
static size_t many;
static const clkv_key bad_key = {.kind = CLKV_KEY_SALT};
static void *slabs[1];
static const float floats[1];

static const clkv_pool_params no_blocks = {.size = sizeof no_blocks};
static const clkv_prefix_params bad_prefix = {.size = sizeof bad_prefix, .blocks = 4, .block_size = 3};
static const clkv_manager_params bad_manager = {.size = sizeof bad_manager, .blocks = 4, .block_size = 3};
static const clkv_sequence_params bad_sequence = {.size = sizeof bad_sequence, .keys = &bad_key, .n_keys = 1};
static const clkv_ref_layout bad_layout;
static const clkv_ref_attention_params bad_attention = {.size = sizeof bad_attention};
static clkv_stats no_size;

/* Each as deep inside as the function has an inside; once for each way in, where there are several. */
#define CALLS(CALL)                                                                                                \
    CALL(clkv_pool_create, (NULL, &no_blocks))                                                                     \
    CALL(clkv_pool_create, (&no_pool, NULL))                                                                       \
    CALL(clkv_pool_create, (&no_pool, &no_blocks))                                                                 \
    CALL(clkv_pool_allocate, (pool, 99, list))                                                                     \
    CALL(clkv_pool_acquire, (pool, 99))                                                                            \
    CALL(clkv_pool_release, (pool, 0))                                                                             \
    CALL(clkv_pool_retain, (pool, 0, 1))                                                                           \
    CALL(clkv_pool_set_priority, (pool, 0, 1))                                                                     \
    CALL(clkv_pool_force_free, (pool, 0))                                                                          \
    CALL(clkv_pool_open_slab, (pool, 99, NULL))                                                                    \
    CALL(clkv_pool_close_slab, (pool, 7))                                                                          \
    CALL(clkv_pool_get_slab, (pool, 7, NULL))                                                                      \
    CALL(clkv_pool_get_counts, (pool, NULL))                                                                       \
    CALL(clkv_pool_get_counts, (NULL, NULL))                                                                       \
    CALL(clkv_entries_create, (&(clkv_entries *){NULL}, NULL, NULL))                                               \
    CALL(clkv_entries_put_sequence, (NULL, NULL, NULL))                                                            \
    CALL(clkv_entries_get_sequence, (NULL, NULL, 0, NULL))                                                         \
    CALL(clkv_entries_put_data, (NULL, NULL, NULL, 0))                                                             \
    CALL(clkv_entries_get_data, (NULL, NULL, NULL, 0, &many))                                                      \
    CALL(clkv_entries_get_info, (NULL, NULL, NULL))                                                                \
    CALL(clkv_entries_remove, (NULL, NULL))                                                                        \
    CALL(clkv_entries_get_counts, (NULL, NULL))                                                                    \
    CALL(clkv_prefix_create, (&no_prefix, NULL))                                                                   \
    CALL(clkv_prefix_create, (&no_prefix, &bad_prefix))                                                            \
    CALL(clkv_prefix_get_counts, (prefix, NULL))                                                                   \
    CALL(clkv_prefix_get_counts, (NULL, NULL))                                                                     \
    CALL(clkv_prefix_root, (prefix, &bad_key, 1, list))                                                            \
    CALL(clkv_prefix_match, (prefix, 0, 1, NULL, 0, prompt, 16, list, &many, NULL))                                \
    CALL(clkv_prefix_match, (prefix, 0, 0, &bad_key, 1, prompt, 16, list, &many, NULL))                            \
    CALL(clkv_prefix_register, (prefix, 77, 0, NULL, 0, prompt, 0, list))                                          \
    CALL(clkv_prefix_register, (prefix, 0, 0, &bad_key, 1, prompt, 0, list))                                       \
    CALL(clkv_manager_create, (&(clkv_manager *){NULL}, NULL))                                                     \
    CALL(clkv_manager_create, (&(clkv_manager *){NULL}, &bad_manager))                                             \
    CALL(clkv_manager_lookup, (m, &bad_key, 1, prompt, 100, &many))                                                \
    CALL(clkv_manager_pin, (m, &bad_key, 1, prompt, 100, 1, 0, &many))                                             \
    CALL(clkv_manager_forget, (m, &bad_key, 1, prompt, 100, &many))                                                \
    CALL(clkv_manager_forget, (NULL, NULL, 0, NULL, 0, NULL))                                                      \
    CALL(clkv_manager_reset, (m))                                                                                  \
    CALL(clkv_manager_take_uncleared, (m, 0, list, 8, &n))                                                         \
    CALL(clkv_manager_take_uncleared, (m, 1, list, 8, &n))                                                         \
    CALL(clkv_manager_get_stats, (m, NULL))                                                                        \
    CALL(clkv_manager_get_stats, (m, &no_size))                                                                    \
    CALL(clkv_sequence_create, (&none, m, NULL, NULL))                                                             \
    CALL(clkv_sequence_create, (&none, m, &bad_sequence, NULL))                                                    \
    CALL(clkv_sequence_fork, (&none, reserved_seq, 0))                                                             \
    CALL(clkv_sequence_truncate, (seq, 999))                                                                       \
    CALL(clkv_sequence_truncate, (reserved_seq, 0))                                                                \
    CALL(clkv_sequence_preempt, (reserved_seq))                                                                    \
    CALL(clkv_sequence_resume, (reserved_seq, prompt, 20, NULL))                                                   \
    CALL(clkv_sequence_pending, (seq, NULL, 20, &many))                                                            \
    CALL(clkv_sequence_forget, (NULL, 0))                                                                          \
    CALL(clkv_sequence_locate, (seq, 0, 999, list, list))                                                          \
    CALL(clkv_sequence_locate, (seq, 1, 0, list, list))                                                            \
    CALL(clkv_sequence_get_table, (seq, 1, NULL, NULL))                                                            \
    CALL(clkv_batch_create, (&no_batch, NULL))                                                                     \
    CALL(clkv_batch_clear, (reserved))                                                                             \
    CALL(clkv_batch_add, (batch, seq, prompt, 2000, NULL))                                                         \
    CALL(clkv_batch_pop, (batch))                                                                                  \
    CALL(clkv_batch_reserve, (reserved))                                                                           \
    CALL(clkv_batch_accept, (batch, 0, 0))                                                                         \
    CALL(clkv_batch_commit, (batch))                                                                               \
    CALL(clkv_batch_rollback, (batch))                                                                             \
    CALL(clkv_batch_get_entries, (NULL, NULL, NULL))                                                               \
    CALL(clkv_batch_get_slots, (batch, 0, NULL, NULL))                                                             \
    CALL(clkv_batch_get_slots, (reserved, 1, NULL, NULL))                                                          \
    CALL(clkv_batch_get_copies, (batch, 0, NULL, NULL))                                                            \
    CALL(clkv_batch_get_evictions, (batch, NULL, NULL))                                                            \
    CALL(clkv_batch_get_positions, (batch, NULL, NULL))                                                            \
    CALL(clkv_ref_append, (&bad_layout, slabs, 0, floats, floats, list, 1))                                        \
    CALL(clkv_ref_copy, (&bad_layout, slabs, 0, 1))                                                                \
    CALL(clkv_ref_clear, (&bad_layout, slabs, 0))                                                                  \
    CALL(clkv_ref_gather, (&bad_layout, slabs, 0, list, 0, 1, NULL, NULL))                                         \
    CALL(clkv_ref_attention, (NULL))                                                                               \
    CALL(clkv_ref_attention, (&bad_attention))

static void set_up(void)
{
    const clkv_pool_params four = {.size = sizeof four, .blocks = 4};
    const clkv_prefix_params index = {.size = sizeof index, .blocks = 4};
    fill_tokens(prompt, 2048, 1);
    m = new_manager(20);
    ck_ok(clkv_pool_create(&pool, &four));
    ck_ok(clkv_prefix_create(&prefix, &index));
    seq = serve(m, prompt, 40, NULL);
    reserved_seq = serve(m, prompt, 50, NULL);
    ck_ok(clkv_batch_create(&batch, m));
    ck_ok(clkv_batch_create(&reserved, m));
    ck_ok(clkv_batch_add(reserved, reserved_seq, prompt, 5, NULL));
    ck_ok(clkv_batch_reserve(reserved));
}

static void tear_down(void)
{
    end_manager(&m);
    clkv_pool_destroy(&pool);
    clkv_prefix_destroy(&prefix);
}

START_TEST(a_failure_names_the_function_that_was_called)
{
    set_up();
#define CHECK(name, args)                                                                                          \
    ck_assert_msg(name args != CLKV_OK, "%s does not fail with %s", #name, #args);                                 \
    ck_assert_msg(!strcmp(clkv_last_error()->where, #name), "%s %s failed in %s: %s", #name, #args,                \
                  clkv_last_error()->where, clkv_last_error()->message);
    CALLS(CHECK)
    ck_valid(clkv_manager_validate(m));
    tear_down();
}
END_TEST

static const char *const called[] = {
#define NAME(name, args) #name,
    CALLS(NAME)};

static int is_called(const char *name)
{
    for (size_t i = 0; i < sizeof called / sizeof *called; i++)
        if (!strcmp(called[i], name)) return 1;
    return 0;
}

/* Functions of a header that return a status; how many. */
static int check_header(const char *file)
{
    char path[1024], line[1024], name[128];
    int found = 0;
    snprintf(path, sizeof path, "%s/clkv/%s", CLKV_TEST_INCLUDE, file);
    FILE *f = fopen(path, "r");
    ck_assert_msg(f != NULL, "%s cannot be read", path);
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "CLKV_API clkv_status %127[a-z0-9_](", name) != 1) continue;
        ck_assert_msg(is_called(name), "%s of %s is not among the calls above", name, file);
        found++;
    }
    fclose(f);
    return found;
}

START_TEST(no_function_is_missing_above)
{
    static const char *const headers[] = {"batch.h", "manager.h", "pool.h", "prefix.h", "ref.h", "sequence.h"};
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) ck_assert_int_gt(check_header(headers[i]), 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("where");
    TCase *tests = tcase_create("where");
    tcase_add_test(tests, a_failure_names_the_function_that_was_called);
    tcase_add_test(tests, no_function_is_missing_above);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
