/* test_secrets.c: what of one tenant another one, or a reader of logs and events, can see: nothing. Hashes
 * are seeded, events carry no content unless asked to, salts separate, and a workload of marked tokens and
 * keys leaves no mark in anything that the library says. SPDX-License-Identifier: Apache-2.0 */
#include "marks.h"
#include "world.h"

enum { B = 16, EVENTS = 64 };

/* ---- hashes and events ---- */

typedef struct recorder {
    clkv_cache_event list[EVENTS];
    uint32_t n;
} recorder;

static void record(void *user, const clkv_cache_event *event)
{
    recorder *r = user;
    ck_assert_uint_lt(r->n, EVENTS);
    r->list[r->n++] = *event;
}

/* The events of registering two blocks without keys and one with a salt. */
static void register_some(recorder *r, uint64_t seed, int content)
{
    static const clkv_key salt = {CLKV_KEY_SALT, 0, 0, "tenant", 6};
    clkv_prefix_params params = CLKV_PARAMS_INIT(clkv_prefix_params);
    params.blocks = 8;
    params.hash_seed = seed;
    params.event_content = content;
    params.on_event = record;
    params.user = r;
    r->n = 0;
    clkv_prefix *prefix = NULL;
    uint32_t tokens[2 * B];
    fill_tokens(tokens, 2 * B, 3);
    ck_ok(clkv_prefix_create(&prefix, &params));
    clkv_prefix_node node, root;
    ck_ok(clkv_prefix_register(prefix, CLKV_PREFIX_ROOT, 0, NULL, 0, tokens, 0, &node));
    ck_ok(clkv_prefix_register(prefix, node, B, NULL, 0, tokens + B, 1, NULL));
    ck_ok(clkv_prefix_root(prefix, &salt, 1, &root));
    ck_ok(clkv_prefix_register(prefix, root, 0, &salt, 1, tokens, 2, NULL));
    clkv_prefix_unref(prefix, root);
    ck_valid(clkv_prefix_validate(prefix));
    clkv_prefix_destroy(&prefix);
    ck_assert_uint_eq(r->n, 3);
}

START_TEST(hashes_begin_with_a_seed)
{
    recorder fixed, again, other, random, unlike;
    register_some(&fixed, 77, 0);
    register_some(&again, 77, 0);
    register_some(&other, 78, 0);
    register_some(&random, 0, 0);
    register_some(&unlike, 0, 0);
    for (uint32_t i = 0; i < 3; i++) {
        const uint64_t hash = fixed.list[i].hash;
        ck_assert_uint_eq(hash, again.list[i].hash);
        ck_assert_uint_ne(hash, other.list[i].hash);
        ck_assert_uint_ne(hash, random.list[i].hash);
        ck_assert_uint_ne(random.list[i].hash, unlike.list[i].hash);
        ck_assert_uint_ne(hash, 77); /* the seed itself is told to nobody, */
        ck_assert_uint_ne(fixed.list[i].parent_hash, 77);
    }
    ck_assert_uint_eq(fixed.list[0].parent_hash, 0); /* also not as the hash of the root */
    ck_assert_uint_eq(fixed.list[1].parent_hash, fixed.list[0].hash);
    ck_assert_uint_ne(fixed.list[2].parent_hash, other.list[2].parent_hash); /* that of a salt has it too */
    ck_assert_uint_ne(fixed.list[0].hash, fixed.list[2].hash);
}
END_TEST

START_TEST(events_carry_content_only_when_asked)
{
    recorder bare, full;
    register_some(&bare, 5, 0);
    register_some(&full, 5, 1);
    for (uint32_t i = 0; i < 3; i++) {
        ck_assert_ptr_null(bare.list[i].tokens);
        ck_assert_ptr_null(bare.list[i].keys);
        ck_assert_uint_eq(bare.list[i].keys_bytes, 0);
        ck_assert_uint_eq(bare.list[i].token_count, B);
        ck_assert_ptr_nonnull(full.list[i].tokens);
        ck_assert_uint_eq(full.list[i].keys_bytes, i == 2 ? 26 : 0);
        ck_assert_uint_eq(bare.list[i].hash, full.list[i].hash);
    }
}
END_TEST

/* ---- tenants ---- */

/* Prompts of one tenant are not found by another, by none without a salt, nor by a longer or shorter salt;
 * neither in a look-up, nor by a sequence, nor by a pin, and nothing of it can be counted. */
START_TEST(salts_separate)
{
    static const clkv_key alice = {CLKV_KEY_SALT, 0, 0, "alice", 5}, others[] = {
                                                                         {CLKV_KEY_SALT, 0, 0, "bob", 3},
                                                                         {CLKV_KEY_SALT, 0, 0, "alic", 4},
                                                                         {CLKV_KEY_SALT, 0, 0, "alice\0", 6},
                                                                         {CLKV_KEY_ADAPTER, 0, 0, "alice", 5},
                                                                     };
    clkv_manager *m = new_manager(64);
    uint32_t text[100];
    fill_tokens(text, 100, 1);
    clkv_sequence_params params = {
        .size = sizeof params, .tokens = text, .n_tokens = 100, .keys = &alice, .n_keys = 1};
    clkv_sequence *seq = NULL;
    ck_ok(clkv_sequence_create(&seq, m, &params, NULL));
    append(m, seq, text, 100);
    size_t found = 99;
    ck_ok(clkv_manager_lookup(m, &alice, 1, text, 100, &found));
    ck_assert_uint_eq(found, 96);
    for (size_t i = 0; i <= sizeof others / sizeof *others; i++) {
        const int none = i == sizeof others / sizeof *others;
        const clkv_key *keys = none ? NULL : &others[i];
        const clkv_stats before = stats_of(m);
        ck_ok(clkv_manager_lookup(m, keys, !none, text, 100, &found));
        ck_assert_uint_eq(found, 0);
        ck_ok(clkv_manager_pin(m, keys, !none, text, 100, 1, 0, &found));
        ck_assert_uint_eq(found, 0);
        clkv_sequence *stranger = NULL;
        params.keys = keys;
        params.n_keys = !none;
        ck_ok(clkv_sequence_create(&stranger, m, &params, &found));
        ck_assert_uint_eq(found, 0);
        ck_assert_uint_eq(stats_of(m).hit_blocks, before.hit_blocks);
        ck_assert_uint_eq(stats_of(m).hash_collisions, before.hash_collisions);
        clkv_sequence_destroy(&stranger);
        ck_valid(clkv_manager_validate(m));
    }
    end_manager(&m);
}
END_TEST

/* ---- marks ---- */

static uint32_t prompt[MARKS];

/* A workload of every kind, with failures: of a caller that hands in nonsense, and of full pools. */
static void work(clkv_manager *m)
{
    const clkv_key keys[] = {{CLKV_KEY_SALT, 0, 0, KEY_TEXT, sizeof KEY_TEXT - 1},
                             {CLKV_KEY_CONTENT, 20, 10, KEY_TEXT "-image", sizeof KEY_TEXT + 5}};
    clkv_sequence_params params = {
        .size = sizeof params, .tokens = prompt, .n_tokens = 300, .keys = keys, .n_keys = 2};
    clkv_sequence *seq = NULL, *fork = NULL, *more = NULL;
    clkv_batch *batch = NULL;
    size_t have = 0;
    ck_ok(clkv_sequence_create(&seq, m, &params, &have));
    append(m, seq, prompt + have, (uint32_t)(300 - have));
    ck_ok(clkv_sequence_fork(&fork, seq, 0));
    append(m, fork, prompt + 500, 7);
    ck_ok(clkv_manager_pin(m, keys, 2, prompt, 300, 3, 0, NULL));
    ck_ok(clkv_batch_create(&batch, m));
    ck_ok(clkv_batch_add(batch, seq, prompt + 300, 720, NULL));
    say_error(clkv_batch_reserve(batch));
    say_error(clkv_batch_add(batch, seq, prompt, 4, NULL));
    say_error(clkv_batch_add(batch, fork, prompt, UINT32_MAX, NULL));
    say_error(clkv_batch_commit(batch));
    say_error(clkv_batch_rollback(batch));
    ck_ok(clkv_batch_clear(batch));
    ck_ok(clkv_batch_add(batch, seq, prompt + 300, 20, NULL));
    ck_ok(clkv_batch_reserve(batch));
    say_error(clkv_sequence_truncate(seq, 5));
    say_error(clkv_sequence_fork(&more, seq, 0));
    say_error(clkv_batch_accept(batch, 0, 21));
    ck_ok(clkv_batch_rollback(batch));
    clkv_batch_destroy(&batch);
    say_error(clkv_sequence_truncate(seq, 4000));
    say_error(clkv_sequence_resume(seq, prompt, 100, &have));
    ck_ok(clkv_sequence_truncate(seq, 33));
    append(m, seq, prompt + 900, 100);
    ck_ok(clkv_sequence_preempt(fork));
    ck_ok(clkv_sequence_resume(fork, prompt, 300, &have));
    say_error(clkv_manager_reset(m));
    const clkv_key bad[] = {{CLKV_KEY_SALT, 3, 0, KEY_TEXT, sizeof KEY_TEXT - 1},
                            {(clkv_key_kind)9, 0, 0, KEY_TEXT, sizeof KEY_TEXT - 1},
                            {CLKV_KEY_CONTENT, 0, 5, KEY_TEXT, sizeof KEY_TEXT - 1},
                            {CLKV_KEY_CONTENT, 5, UINT64_MAX, KEY_TEXT, sizeof KEY_TEXT - 1},
                            {CLKV_KEY_ADAPTER, 0, 0, KEY_TEXT, 5000}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        say_error(clkv_manager_lookup(m, &bad[i], 1, prompt, 100, &have));
    clkv_sequence_destroy(&fork);
    clkv_sequence_destroy(&seq);
    params.n_tokens = MARKS; /* other prompts drive the first ones out */
    params.keys = NULL;
    params.n_keys = 0;
    for (uint32_t i = 0; i < 3; i++) {
        params.tokens = prompt + 1000 * i;
        params.n_tokens = 600;
        ck_ok(clkv_sequence_create(&seq, m, &params, &have));
        append(m, seq, params.tokens + have, (uint32_t)(600 - have));
        clkv_sequence_destroy(&seq);
    }
    char json[4096];
    const clkv_stats stats = stats_of(m);
    ck_assert_uint_gt(stats.evictions, 0);
    say(json, clkv_stats_json(&stats, json, sizeof json));
    ck_ok(clkv_manager_reset(m));
}

START_TEST(nothing_that_is_said_has_a_mark)
{
    for (uint32_t i = 0; i < MARKS; i++) prompt[i] = MARK + i;
    n_said = 0;
    clkv_set_log(say_line, NULL, CLKV_LOG_DEBUG);
    clkv_manager_params params = {.size = sizeof params,
                                  .blocks = 64,
                                  .hash_seed = 1 /* a hash that looks like a mark by chance: never, or always */,
                                  .on_event = say_event,
                                  .event_content = _i};
    clkv_manager *m = NULL;
    ck_ok(clkv_manager_create(&m, &params));
    work(m);
    end_manager(&m);
    clkv_set_log(NULL, NULL, CLKV_LOG_ERROR);
    ck_assert_uint_gt(n_said, 3000);
    /* With content there are marks: so they would be seen. */
    const char *mark = find_mark(1);
    if (_i)
        ck_assert_ptr_nonnull(mark);
    else
        ck_assert_msg(!mark, "%s", mark);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("secrets");
    TCase *tests = tcase_create("secrets");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, hashes_begin_with_a_seed);
    tcase_add_test(tests, events_carry_content_only_when_asked);
    tcase_add_test(tests, salts_separate);
    tcase_add_loop_test(tests, nothing_that_is_said_has_a_mark, 0, 2);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
