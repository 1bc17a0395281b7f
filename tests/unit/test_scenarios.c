/* test_scenarios.c: what the field tests of an allocator and prefix cache, one test each. The pool has
 * blocks of 16 tokens; "hit" is the number of blocks taken from the cache. SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

static uint32_t prompt[4096], other[4096];

static void setup(void)
{
    fill_tokens(prompt, 4096, 1);
    fill_tokens(other, 4096, 2);
}

START_TEST(full_blocks_become_findable_and_the_partial_one_does_not)
{
    clkv_manager *m = new_manager(10);
    size_t hit = 99;
    clkv_sequence *a = serve(m, prompt, 55, &hit);
    ck_assert_uint_eq(hit, 0);
    ck_assert_uint_eq(counts_of(m).used, 4);
    for (uint32_t i = 0; i < 4; i++) {
        ck_assert_int_eq(clkv_prefix_has(m->prefix, block_at(a, i)), i < 3);
        ck_assert_uint_eq(refs_of(m, a, i), 1);
    }
    clkv_sequence *b = serve(m, prompt, 55, &hit);
    ck_assert_uint_eq(hit, 48);
    ck_assert_uint_eq(counts_of(m).used, 5);
    for (uint32_t i = 0; i < 3; i++) {
        ck_assert_uint_eq(block_at(a, i), block_at(b, i));
        ck_assert_uint_eq(refs_of(m, b, i), 2);
    }
    ck_assert_uint_ne(block_at(a, 3), block_at(b, 3));
    ck_assert_uint_eq(refs_of(m, b, 3), 1);
    end_manager(&m);
}
END_TEST

START_TEST(freed_blocks_are_found_again_and_reused_least_recently_freed_first_tail_before_head)
{
    clkv_manager *m = new_manager(10);
    clkv_sequence *a = serve(m, prompt, 64, NULL), *b = serve(m, other, 48, NULL);
    uint32_t order[7];
    for (uint32_t i = 0; i < 4; i++) order[i] = block_at(a, 3 - i);
    for (uint32_t i = 0; i < 3; i++) order[4 + i] = block_at(b, 2 - i);
    clkv_sequence_destroy(&a);
    clkv_sequence_destroy(&b);
    ck_assert_uint_eq(counts_of(m).cached, 7);
    ck_assert_uint_eq(lookup(m, prompt, 65), 64);
    ck_assert_uint_eq(lookup(m, other, 49), 48);

    /* Three blocks were never used; after them the cached ones go in the order in which they were freed. */
    uint32_t text[16];
    clkv_sequence *eaters[10];
    for (uint32_t i = 0; i < 10; i++) {
        fill_tokens(text, 16, 50 + i);
        eaters[i] = serve(m, text, 15, NULL);
        if (i >= 3) ck_assert_uint_eq(block_at(eaters[i], 0), order[i - 3]);
        if (i == 4) ck_assert_uint_eq(lookup(m, prompt, 65), 32);
    }
    ck_assert_uint_eq(lookup(m, prompt, 65), 0);
    ck_assert_uint_eq(lookup(m, other, 49), 0);
    ck_assert_uint_eq(stats_of(m).evictions, 7);
    end_manager(&m);
}
END_TEST

START_TEST(a_hit_takes_a_cached_block_out_of_the_middle_of_the_list)
{
    clkv_manager *m = new_manager(8);
    clkv_sequence *a = serve(m, prompt, 32, NULL), *b = serve(m, other, 32, NULL);
    const uint32_t last = block_at(a, 1), next = block_at(b, 1);
    clkv_sequence_destroy(&a);
    clkv_sequence_destroy(&b);
    /* The list is a1 a0 b1 b0: this takes a0. */
    size_t hit = 0;
    clkv_sequence *c = new_sequence(m, prompt, 17, &hit);
    ck_assert_uint_eq(hit, 16);
    ck_assert_uint_eq(refs_of(m, c, 0), 1);
    ck_assert_uint_eq(counts_of(m).cached, 3);
    ck_valid(clkv_manager_validate(m));
    uint32_t text[96];
    fill_tokens(text, 96, 9);
    clkv_sequence *d = serve(m, text, 96, NULL);
    ck_assert_uint_eq(block_at(d, 4), last);
    ck_assert_uint_eq(block_at(d, 5), next);
    end_manager(&m);
}
END_TEST

START_TEST(a_fully_cached_prompt_still_computes_its_last_token)
{
    clkv_manager *m = new_manager(10);
    clkv_sequence *a = serve(m, prompt, 48, NULL);
    size_t hit = 0;
    clkv_sequence *b = new_sequence(m, prompt, 48, &hit);
    ck_assert_uint_eq(hit, 32);
    clkv_sequence *c = new_sequence(m, prompt, 49, &hit);
    ck_assert_uint_eq(hit, 48);
    clkv_sequence *d = new_sequence(m, prompt, 1, &hit);
    ck_assert_uint_eq(hit, 0);
    ck_assert(a && b && c && d);
    end_manager(&m);
}
END_TEST

START_TEST(the_same_block_computed_twice_stays_valid_for_both)
{
    clkv_manager *m = new_manager(10);
    clkv_sequence *a = new_sequence(m, prompt, 33, NULL), *b = new_sequence(m, prompt, 33, NULL);
    append(m, a, prompt, 33);
    append(m, b, prompt, 33);
    ck_assert_uint_ne(block_at(a, 0), block_at(b, 0));
    ck_assert(clkv_prefix_has(m->prefix, block_at(a, 0)) && clkv_prefix_has(m->prefix, block_at(b, 0)));
    clkv_sequence_destroy(&a);
    ck_valid(clkv_manager_validate(m));
    ck_assert_uint_eq(lookup(m, prompt, 33), 32);
    /* Push everything that nobody holds out: b's blocks still serve. */
    clkv_sequence *c = serve(m, other, 7 * 16, NULL);
    size_t hit = 0;
    clkv_sequence_destroy(&c);
    clkv_sequence *d = new_sequence(m, prompt, 33, &hit);
    ck_assert_uint_eq(hit, 32);
    ck_assert_uint_eq(block_at(d, 0), block_at(b, 0));
    end_manager(&m);
}
END_TEST

START_TEST(an_allocation_that_does_not_fit_changes_nothing)
{
    clkv_manager *m = new_manager(8);
    clkv_sequence *a = serve(m, prompt, 48, NULL);
    serve(m, other, 40, NULL); /* stays */
    const uint32_t order[3] = {block_at(a, 2), block_at(a, 1), block_at(a, 0)};
    clkv_sequence_destroy(&a);
    uint32_t text[96];
    fill_tokens(text, 96, 5);
    clkv_sequence *c = new_sequence(m, text, 96, NULL);
    clkv_pool_counts before = counts_of(m);
    ck_assert_int_eq(try_append(m, c, text, 96), CLKV_ERROR_NO_BLOCKS);
    ck_valid(clkv_manager_validate(m));
    clkv_pool_counts after = counts_of(m);
    ck_assert_mem_eq(&before, &after, sizeof before);
    ck_assert_uint_eq(clkv_sequence_length(c), 0);
    ck_assert_uint_eq(lookup(m, prompt, 49), 48);
    ck_assert_uint_eq(lookup(m, other, 41), 32);
    ck_assert_uint_eq(stats_of(m).reservations_refused, 1);
    /* The list too: two blocks never used, then a's tail first. */
    append(m, c, text, 5 * 16);
    for (uint32_t i = 0; i < 3; i++) ck_assert_uint_eq(block_at(c, 2 + i), order[i]);
    end_manager(&m);
}
END_TEST

START_TEST(a_block_reused_as_a_partial_one_loses_its_old_entry)
{
    clkv_manager *m = new_manager(1);
    clkv_sequence *a = serve(m, prompt, 16, NULL);
    clkv_sequence_destroy(&a);
    ck_assert_uint_eq(lookup(m, prompt, 17), 16);
    clkv_sequence *b = serve(m, other, 5, NULL);
    ck_assert_uint_eq(lookup(m, prompt, 17), 0);
    ck_assert_int_eq(clkv_prefix_has(m->prefix, block_at(b, 0)), 0);
    clkv_sequence_destroy(&b);
    ck_assert_uint_eq(counts_of(m).free, 1);
    ck_valid(clkv_manager_validate(m));
    end_manager(&m);
}
END_TEST

static size_t create_with_keys(clkv_manager *m, const clkv_key *keys, size_t n_keys, const uint32_t *tokens,
                               size_t n)
{
    clkv_sequence *seq = NULL;
    size_t hit = 0;
    const clkv_sequence_params params = {
        .size = sizeof params, .tokens = tokens, .n_tokens = n, .keys = keys, .n_keys = n_keys};
    ck_ok(clkv_sequence_create(&seq, m, &params, &hit));
    append(m, seq, tokens + hit, (uint32_t)(n - hit));
    clkv_sequence_destroy(&seq);
    return hit;
}

START_TEST(other_keys_never_hit)
{
    clkv_manager *m = new_manager(200);
    const clkv_key salt_a = {CLKV_KEY_SALT, 0, 0, "a", 1}, salt_ab = {CLKV_KEY_SALT, 0, 0, "ab", 2};
    const clkv_key adapter_a = {CLKV_KEY_ADAPTER, 0, 0, "a", 1}, adapter_b = {CLKV_KEY_ADAPTER, 0, 0, "b", 1};
    const clkv_key image = {CLKV_KEY_CONTENT, 20, 20, "a", 1}, moved = {CLKV_KEY_CONTENT, 20, 21, "a", 1};
    const clkv_key both[2] = {salt_a, adapter_b}, swapped[2] = {adapter_b, salt_a};
    const struct {
        const clkv_key *keys;
        size_t n;
    } wishes[] = {{NULL, 0}, {&salt_a, 1}, {&salt_ab, 1}, {&adapter_a, 1}, {&adapter_b, 1}, {both, 2}};
    for (size_t i = 0; i < sizeof wishes / sizeof *wishes; i++)
        ck_assert_uint_eq(create_with_keys(m, wishes[i].keys, wishes[i].n, prompt, 80), 0);
    for (size_t i = 0; i < sizeof wishes / sizeof *wishes; i++)
        ck_assert_uint_eq(create_with_keys(m, wishes[i].keys, wishes[i].n, prompt, 80), 64);
    ck_assert_uint_eq(create_with_keys(m, swapped, 2, prompt, 80), 64);
    /* A content key begins to matter with the first block that it touches. */
    ck_assert_uint_eq(create_with_keys(m, &image, 1, prompt, 80), 16);
    ck_assert_uint_eq(create_with_keys(m, &image, 1, prompt, 80), 64);
    ck_assert_uint_eq(create_with_keys(m, &moved, 1, prompt, 80), 16);
    end_manager(&m);
}
END_TEST

START_TEST(colliding_hashes_never_share)
{
    clkv_manager *m = NULL;
    const clkv_manager_params params = {.size = sizeof params, .blocks = 4096, .hash_bits = 1};
    ck_ok(clkv_manager_create(&m, &params));
    uint32_t text[64];
    for (uint32_t i = 0; i < 300; i++) {
        fill_tokens(text, 64, i);
        ck_assert_uint_eq(create_with_keys(m, NULL, 0, text, 64), 0);
    }
    for (uint32_t i = 0; i < 300; i++) {
        fill_tokens(text, 64, i);
        ck_assert_uint_eq(create_with_keys(m, NULL, 0, text, 64), 48);
    }
    ck_assert_uint_gt(stats_of(m).hash_collisions, 0);
    end_manager(&m);
}
END_TEST

START_TEST(extending_inside_a_block_allocates_nothing_and_crossing_takes_one)
{
    clkv_manager *m = new_manager(10);
    clkv_sequence *a = serve(m, prompt, 8, NULL);
    ck_assert_uint_eq(counts_of(m).used, 1);
    append(m, a, prompt + 8, 4);
    ck_assert_uint_eq(counts_of(m).used, 1);
    ck_assert_uint_eq(lookup(m, prompt, 17), 0);
    append(m, a, prompt + 12, 4);
    ck_assert_uint_eq(counts_of(m).used, 1);
    ck_assert_uint_eq(lookup(m, prompt, 17), 16);
    append(m, a, prompt + 16, 1);
    ck_assert_uint_eq(counts_of(m).used, 2);
    ck_assert_int_eq(clkv_prefix_has(m->prefix, block_at(a, 1)), 0);
    end_manager(&m);
}
END_TEST

START_TEST(a_fork_copies_the_shared_partial_block_and_nothing_else)
{
    clkv_manager *m = new_manager(10);
    clkv_sequence *a = serve(m, prompt, 40, NULL), *b = NULL;
    ck_ok(clkv_sequence_fork(&b, a, 0));
    ck_valid(clkv_manager_validate(m));
    ck_assert_uint_eq(counts_of(m).used, 3);
    for (uint32_t i = 0; i < 3; i++) ck_assert_uint_eq(refs_of(m, a, i), 2);
    const uint32_t shared = block_at(a, 2);

    clkv_batch *batch = NULL;
    const clkv_block_copy *copies = NULL;
    uint32_t n = 0;
    ck_ok(clkv_batch_create(&batch, m));
    ck_ok(clkv_batch_add(batch, b, other, 1, NULL));
    ck_ok(clkv_batch_reserve(batch));
    clkv_batch_get_copies(batch, 0, &copies, &n);
    ck_assert_uint_eq(n, 1);
    ck_assert_uint_eq(copies[0].from, shared);
    const uint32_t copy = copies[0].to;
    ck_assert_uint_eq(clkv_pool_refs(m->pool, shared), 2);
    ck_ok(clkv_batch_commit(batch));
    ck_valid(clkv_manager_validate(m));
    ck_assert_uint_eq(block_at(b, 2), copy);
    ck_assert_uint_eq(block_at(a, 2), shared);
    ck_assert_uint_eq(refs_of(m, a, 2), 1);
    ck_assert_uint_eq(stats_of(m).copies_on_write, 1);

    /* The first one is alone with its tail now: it writes in place. */
    ck_ok(clkv_batch_add(batch, a, prompt, 1, NULL));
    ck_ok(clkv_batch_reserve(batch));
    clkv_batch_get_copies(batch, 0, &copies, &n);
    ck_assert_uint_eq(n, 0);
    ck_ok(clkv_batch_commit(batch));
    ck_assert_uint_eq(block_at(a, 2), shared);
    ck_assert_uint_eq(counts_of(m).used, 4);
    clkv_batch_destroy(&batch);
    end_manager(&m);
}
END_TEST

START_TEST(taking_back_speculative_tokens_returns_whole_blocks_and_never_drops_a_shared_one)
{
    clkv_manager *m = new_manager(10);
    clkv_sequence *a = serve(m, prompt, 20, NULL), *b = NULL;
    append(m, a, other, 40);
    ck_assert_uint_eq(counts_of(m).used, 4);
    ck_ok(clkv_sequence_fork(&b, a, 0));
    ck_ok(clkv_sequence_truncate(a, 20));
    ck_valid(clkv_manager_validate(m));
    ck_assert_uint_eq(counts_of(m).used, 4);
    ck_assert_uint_eq(refs_of(m, b, 3), 1);
    ck_assert_uint_eq(refs_of(m, b, 1), 2);
    ck_ok(clkv_sequence_truncate(b, 20));
    ck_valid(clkv_manager_validate(m));
    ck_assert_uint_eq(counts_of(m).used, 2);
    /* The tail is full in the index, so whoever goes on there gets a copy. */
    const uint32_t tail = block_at(a, 1);
    ck_assert(clkv_prefix_has(m->prefix, tail));
    append(m, a, prompt + 20, 1);
    ck_assert_uint_ne(block_at(a, 1), tail);
    ck_assert_uint_eq(block_at(b, 1), tail);
    end_manager(&m);
}
END_TEST

START_TEST(a_reset_is_refused_while_anything_is_in_use)
{
    clkv_manager *m = new_manager(10);
    clkv_sequence *a = serve(m, prompt, 40, NULL);
    ck_assert_int_eq(clkv_manager_reset(m), CLKV_ERROR_BUSY);
    ck_assert_uint_eq(lookup(m, prompt, 40), 32);
    clkv_sequence_destroy(&a);
    ck_ok(clkv_manager_reset(m));
    ck_valid(clkv_manager_validate(m));
    ck_assert_uint_eq(lookup(m, prompt, 40), 0);
    ck_assert_uint_eq(counts_of(m).free, 10);
    end_manager(&m);
}
END_TEST

/* A follower that knows the index by its events alone. */
typedef struct follower {
    uint64_t hash[512], parent[512];
    uint32_t tokens[512][16];
    size_t n;
    int cleared;
} follower;

static void follow(void *user, const clkv_cache_event *event)
{
    follower *f = user;
    if (event->kind == CLKV_EVENT_CLEARED) {
        f->n = 0;
        f->cleared++;
        return;
    }
    size_t i = 0;
    while (i < f->n && f->hash[i] != event->hash) i++;
    if (event->kind == CLKV_EVENT_STORED) {
        ck_assert_uint_eq(i, f->n);
        ck_assert_uint_lt(i, 512);
        f->hash[i] = event->hash;
        f->parent[i] = event->parent_hash;
        memcpy(f->tokens[i], event->tokens, sizeof f->tokens[i]);
        f->n++;
    } else {
        ck_assert_uint_lt(i, f->n);
        f->n--;
        f->hash[i] = f->hash[f->n];
        f->parent[i] = f->parent[f->n];
        memcpy(f->tokens[i], f->tokens[f->n], sizeof f->tokens[i]);
    }
}

/* Tokens of a prompt that the follower would find, walking from the root of no keys. */
static size_t follower_match(const follower *f, uint64_t root, const uint32_t *tokens, size_t n)
{
    uint64_t at = root;
    size_t found = 0;
    for (size_t i = 0; found + 16 <= n && i < f->n; i++) {
        if (f->parent[i] != at || memcmp(f->tokens[i], tokens + found, 64)) continue;
        at = f->hash[i];
        found += 16;
        i = (size_t)-1;
    }
    return found;
}

START_TEST(events_are_enough_to_rebuild_the_index_elsewhere)
{
    static follower f;
    memset(&f, 0, sizeof f);
    clkv_manager *m = NULL;
    const clkv_manager_params params = {.size = sizeof params, .blocks = 24, .event_content = 1,
                                         .on_event = follow, .user = &f};
    ck_ok(clkv_manager_create(&m, &params));
    uint64_t rng = 7, root = 0;
    uint32_t text[128];
    for (int round = 0; round < 400; round++) {
        const size_t n = 17 + rng_below(&rng, 100);
        fill_tokens(text, n, rng_below(&rng, 9));
        if (rng_below(&rng, 2)) fill_tokens(text + 32, n > 32 ? n - 32 : 0, 20 + rng_below(&rng, 4));
        clkv_sequence *seq = serve(m, text, n, NULL);
        if (round == 0) root = f.parent[0];
        clkv_sequence_destroy(&seq);
        clkv_prefix_counts counts = CLKV_PARAMS_INIT(clkv_prefix_counts);
        clkv_prefix_get_counts(m->prefix, &counts);
        for (uint32_t k = 0; k < 9; k++) {
            fill_tokens(text, 100, k);
            ck_assert_uint_eq(follower_match(&f, root, text, 99), lookup(m, text, 100));
        }
    }
    ck_ok(clkv_manager_reset(m));
    ck_assert_int_eq(f.cleared, 1);
    ck_assert_uint_eq(f.n, 0);
    end_manager(&m);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scenarios");
    TCase *tests = tcase_create("scenarios");
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, full_blocks_become_findable_and_the_partial_one_does_not);
    tcase_add_test(tests, freed_blocks_are_found_again_and_reused_least_recently_freed_first_tail_before_head);
    tcase_add_test(tests, a_hit_takes_a_cached_block_out_of_the_middle_of_the_list);
    tcase_add_test(tests, a_fully_cached_prompt_still_computes_its_last_token);
    tcase_add_test(tests, the_same_block_computed_twice_stays_valid_for_both);
    tcase_add_test(tests, an_allocation_that_does_not_fit_changes_nothing);
    tcase_add_test(tests, a_block_reused_as_a_partial_one_loses_its_old_entry);
    tcase_add_test(tests, other_keys_never_hit);
    tcase_add_test(tests, colliding_hashes_never_share);
    tcase_add_test(tests, extending_inside_a_block_allocates_nothing_and_crossing_takes_one);
    tcase_add_test(tests, a_fork_copies_the_shared_partial_block_and_nothing_else);
    tcase_add_test(tests, taking_back_speculative_tokens_returns_whole_blocks_and_never_drops_a_shared_one);
    tcase_add_test(tests, a_reset_is_refused_while_anything_is_in_use);
    tcase_add_test(tests, events_are_enough_to_rebuild_the_index_elsewhere);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
