/* test_forget.c: prefixes that are taken out of the index while their blocks are used, cached or reserved; and the list
 * of blocks that a reservation evicts. SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#define B 16u /* block_size */

static clkv_key salt_of(const char *name)
{
    return (clkv_key){.kind = CLKV_KEY_SALT, .data = name, .bytes = strlen(name)};
}

/* A sequence under a salt with this prompt computed. */
static clkv_sequence *serve_salted(clkv_manager *m, const clkv_key *salt, const uint32_t *tokens, size_t n)
{
    clkv_sequence *seq = NULL;
    size_t hit = 0;
    const clkv_sequence_params params = {
        .size = sizeof params, .tokens = tokens, .n_tokens = n, .keys = salt, .n_keys = 1};
    ck_ok(clkv_sequence_create(&seq, m, &params, &hit));
    append(m, seq, tokens + hit, (uint32_t)(n - hit));
    return seq;
}

static size_t lookup_salted(clkv_manager *m, const clkv_key *salt, const uint32_t *tokens, size_t n)
{
    size_t found = 0;
    ck_ok(clkv_manager_lookup(m, salt, 1, tokens, n, &found));
    return found;
}

static size_t forget(clkv_manager *m, const uint32_t *tokens, size_t n)
{
    size_t blocks = 99;
    ck_ok(clkv_manager_forget(m, NULL, 0, tokens, n, &blocks));
    ck_valid(clkv_manager_validate(m));
    return blocks;
}

/* What r6 of the public trials asked for: a pass has failed after its commit. */
START_TEST(a_sequence_whose_pass_failed)
{
    clkv_manager *m = new_manager(32);
    uint32_t text[6 * B];
    fill_tokens(text, 6 * B, 1);
    clkv_sequence *bad = serve(m, text, 4 * B + 3, NULL);
    ck_assert_uint_eq(lookup(m, text, 6 * B), 4 * B);
    ck_ok(clkv_sequence_forget(bad, 2 * B + 5));
    ck_valid(clkv_manager_validate(m));
    ck_assert_uint_eq(lookup(m, text, 6 * B), 2 * B);
    /* What it computes on top is not found either. */
    append(m, bad, text + 4 * B + 3, B + 13);
    ck_assert_uint_eq(lookup(m, text, 6 * B), 2 * B);
    const uint32_t used = counts_of(m).used;
    clkv_sequence_destroy(&bad);
    ck_valid(clkv_manager_validate(m));
    ck_assert_uint_eq(counts_of(m).cached, 2);
    ck_assert_uint_eq(used, 6);
    /* Computed again, it is found again. */
    size_t matched = 0;
    clkv_sequence *good = serve(m, text, 6 * B, &matched);
    ck_assert_uint_eq(matched, 2 * B);
    ck_assert_uint_eq(lookup(m, text, 6 * B), 5 * B);
    clkv_sequence_destroy(&good);
    clkv_manager_destroy(&m);
}
END_TEST

START_TEST(a_tail_that_was_not_full_yet)
{
    clkv_manager *m = new_manager(8);
    uint32_t text[3 * B];
    fill_tokens(text, 3 * B, 1);
    clkv_sequence *seq = serve(m, text, B + 3, NULL);
    ck_ok(clkv_sequence_forget(seq, B)); /* the three tokens of the tail may hold anything */
    append(m, seq, text + B + 3, 2 * B - 3);
    ck_assert_uint_eq(lookup(m, text, 3 * B), B);
    /* A truncation to what is still right mends the sequence. */
    ck_ok(clkv_sequence_truncate(seq, B));
    append(m, seq, text + B, 2 * B);
    ck_assert_uint_eq(lookup(m, text, 3 * B), 2 * B);
    /* Forgetting behind the end changes nothing. */
    ck_ok(clkv_sequence_forget(seq, 3 * B));
    ck_assert_uint_eq(lookup(m, text, 3 * B), 2 * B);
    clkv_sequence_destroy(&seq);
    clkv_manager_destroy(&m);
}
END_TEST

START_TEST(one_prefix_and_all_that_continues_it)
{
    clkv_manager *m = new_manager(64);
    uint32_t a[4 * B], b[4 * B], c[4 * B];
    fill_tokens(a, 4 * B, 1);
    memcpy(b, a, sizeof b);
    fill_tokens(b + 2 * B, 2 * B, 2); /* shares two blocks with a */
    fill_tokens(c, 4 * B, 3);
    clkv_sequence *sa = serve(m, a, 4 * B, NULL), *sb = serve(m, b, 4 * B, NULL), *sc = serve(m, c, 4 * B, NULL);
    clkv_sequence *twin = NULL; /* the same prefix in blocks of its own */
    clkv_sequence_params none = {.size = sizeof none};
    ck_ok(clkv_sequence_create(&twin, m, &none, NULL));
    append(m, twin, a, 4 * B);
    clkv_sequence_destroy(&sa);
    /* Second block of a and b: a's three blocks from there, two more of the twin's first ... and b's. */
    ck_assert_uint_eq(forget(m, a, 2 * B + 7), 3 + 3 + 2);
    ck_assert_uint_eq(lookup(m, a, 4 * B), B);
    ck_assert_uint_eq(lookup(m, b, 4 * B), B);
    ck_assert_uint_eq(lookup(m, c, 4 * B), 3 * B);
    ck_assert_uint_eq(forget(m, a, 2 * B), 0);
    ck_assert_uint_eq(forget(m, a, B - 1), 0); /* no full block */
    uint32_t other[B];
    fill_tokens(other, B, 9);
    ck_assert_uint_eq(forget(m, other, B), 0);
    /* Both go on with their own tokens. */
    append(m, sb, c, 2 * B);
    append(m, twin, c, 2 * B);
    ck_assert_uint_eq(lookup(m, b, 4 * B), B);
    ck_assert_uint_eq(clkv_sequence_length(sb), 6 * B);
    clkv_sequence_destroy(&sb);
    clkv_sequence_destroy(&twin);
    ck_valid(clkv_manager_validate(m));
    clkv_sequence_destroy(&sc);
    clkv_manager_destroy(&m);
}
END_TEST

/* A first block that was evicted leaves a node without a block: what continues it must be forgotten all the same, or it
 * would be found again as soon as the first block is computed again. */
START_TEST(a_prefix_whose_own_block_is_gone)
{
    clkv_manager *m = new_manager(4);
    uint32_t text[4 * B], other[B];
    fill_tokens(text, 4 * B, 1);
    fill_tokens(other, B, 2);
    clkv_sequence *seq = serve(m, text, 3 * B, NULL), *rest = NULL;
    /* The blocks go back in the order 2, 1, 0; a pin on all but the first makes the first go first. */
    clkv_sequence_destroy(&seq);
    ck_ok(clkv_manager_pin(m, NULL, 0, text, 3 * B, 3, 0, NULL));
    ck_ok(clkv_manager_pin(m, NULL, 0, text, B, 0, 0, NULL));
    rest = serve(m, other, B, NULL);
    seq = serve(m, other, 2, NULL); /* the free blocks are used up now, and the first one of text 1 is taken */
    ck_assert_uint_eq(lookup(m, text, 4 * B), 0);
    ck_assert_uint_eq(stats_of(m).evictions, 1);
    ck_assert_uint_eq(forget(m, text, B), 2);
    clkv_sequence_destroy(&seq);
    seq = serve(m, text, B + 1, NULL);
    ck_assert_uint_eq(lookup(m, text, 4 * B), B);
    clkv_sequence_destroy(&seq);
    clkv_sequence_destroy(&rest);
    ck_valid(clkv_manager_validate(m));
    clkv_manager_destroy(&m);
}
END_TEST

START_TEST(one_salt)
{
    clkv_manager *m = new_manager(32);
    uint32_t text[3 * B];
    fill_tokens(text, 3 * B, 1);
    const clkv_key anna = salt_of("anna"), ben = salt_of("ben");
    clkv_sequence *sa = serve_salted(m, &anna, text, 3 * B), *sb = serve_salted(m, &ben, text, 3 * B);
    clkv_sequence *plain = serve(m, text, 3 * B, NULL);
    size_t blocks = 0;
    ck_ok(clkv_manager_forget(m, &anna, 1, NULL, 0, &blocks));
    ck_valid(clkv_manager_validate(m));
    ck_assert_uint_eq(blocks, 3);
    ck_assert_uint_eq(lookup_salted(m, &anna, text, 3 * B), 0);
    ck_assert_uint_eq(lookup_salted(m, &ben, text, 3 * B), 2 * B);
    ck_assert_uint_eq(lookup(m, text, 3 * B), 2 * B);
    append(m, sa, text, B);
    ck_assert_uint_eq(lookup_salted(m, &anna, text, 3 * B), 0);
    ck_ok(clkv_manager_forget(m, NULL, 0, NULL, 0, &blocks)); /* what has no salt */
    ck_assert_uint_eq(blocks, 3);
    ck_assert_uint_eq(lookup(m, text, 3 * B), 0);
    ck_assert_uint_eq(lookup_salted(m, &ben, text, 3 * B), 2 * B);
    const clkv_key nobody = salt_of("nobody");
    ck_ok(clkv_manager_forget(m, &nobody, 1, NULL, 0, &blocks));
    ck_assert_uint_eq(blocks, 0);
    clkv_sequence_destroy(&sa);
    clkv_sequence_destroy(&sb);
    clkv_sequence_destroy(&plain);
    ck_valid(clkv_manager_validate(m));
    clkv_manager_destroy(&m);
}
END_TEST

/* Text 1 is cached in all four blocks of a pool; a batch reserves two of them for text 2. */
static void reserve_over_cached(clkv_manager *m, uint32_t *text, clkv_sequence **seq, clkv_batch **batch)
{
    uint32_t other[2 * B];
    fill_tokens(text, 5 * B, 1);
    fill_tokens(other, 2 * B, 2);
    clkv_sequence *first = serve(m, text, 4 * B, NULL);
    clkv_sequence_destroy(&first);
    ck_assert_uint_eq(counts_of(m).cached, 4);
    *seq = new_sequence(m, NULL, 0, NULL);
    ck_ok(clkv_batch_create(batch, m));
    ck_ok(clkv_batch_add(*batch, *seq, other, 2 * B, NULL));
    ck_ok(clkv_batch_reserve(*batch));
}

START_TEST(blocks_of_a_reserved_batch)
{
    for (int commit = 0; commit < 2; commit++) {
        clkv_manager *m = new_manager(4);
        uint32_t text[5 * B];
        clkv_sequence *seq;
        clkv_batch *batch;
        reserve_over_cached(m, text, &seq, &batch);
        ck_assert_uint_eq(forget(m, text, B), 4); /* two cached, and two that the batch has */
        if (commit) {
            ck_ok(clkv_batch_commit(batch));
        } else {
            ck_ok(clkv_batch_rollback(batch));
        }
        ck_valid(clkv_manager_validate(m));
        ck_assert_uint_eq(lookup(m, text, 5 * B), 0);
        ck_assert_uint_eq(counts_of(m).free, commit ? 2 : 4);
        clkv_batch_destroy(&batch);
        clkv_sequence_destroy(&seq);
        ck_valid(clkv_manager_validate(m));
        clkv_manager_destroy(&m);
    }
}
END_TEST

START_TEST(evictions_are_listed_before_they_are_lost)
{
    clkv_manager *m = new_manager(4);
    uint32_t text[5 * B];
    clkv_sequence *seq;
    clkv_batch *batch;
    reserve_over_cached(m, text, &seq, &batch);
    const clkv_eviction *list = NULL;
    uint32_t n = 0;
    ck_ok(clkv_batch_get_evictions(batch, &list, &n));
    ck_assert_uint_eq(n, 2);
    /* The tail was released first, so the deepest blocks go first. */
    ck_assert_uint_eq(list[0].depth, 3);
    ck_assert_uint_eq(list[1].depth, 2);
    ck_assert_uint_eq(list[0].parent_hash, list[1].hash);
    ck_assert_uint_eq(list[0].group, 0);
    ck_assert_uint_ne(list[0].block, list[1].block);
    /* Asking is no writing: a rollback gives them back, findable. */
    ck_ok(clkv_batch_rollback(batch));
    ck_assert_uint_eq(lookup(m, text, 5 * B), 4 * B);
    ck_assert_int_eq(clkv_batch_get_evictions(batch, &list, &n), CLKV_ERROR_STATE);
    /* A forgotten block is on no list. */
    ck_ok(clkv_batch_reserve(batch));
    ck_assert_uint_eq(forget(m, text, 4 * B), 1);
    ck_ok(clkv_batch_get_evictions(batch, &list, &n));
    ck_assert_uint_eq(n, 1);
    ck_assert_uint_eq(list[0].depth, 2);
    ck_ok(clkv_batch_rollback(batch));
    ck_valid(clkv_manager_validate(m));
    ck_assert_uint_eq(lookup(m, text, 5 * B), 3 * B);
    clkv_batch_destroy(&batch);
    clkv_sequence_destroy(&seq);
    clkv_manager_destroy(&m);
}
END_TEST

/* With clear_freed a forgotten block of a reserved batch is to be cleared, though the batch did not take it as an
 * evicted one in the end. */
START_TEST(forgotten_blocks_are_cleared)
{
    clkv_manager *m = NULL;
    const clkv_manager_params params = {.size = sizeof params, .blocks = 4, .clear_freed = 1};
    ck_ok(clkv_manager_create(&m, &params));
    uint32_t text[5 * B], blocks[8], n = 0;
    clkv_sequence *seq;
    clkv_batch *batch;
    reserve_over_cached(m, text, &seq, &batch);
    ck_assert_uint_eq(forget(m, text, B), 4);
    ck_ok(clkv_manager_take_uncleared(m, 0, blocks, 8, &n));
    ck_assert_uint_eq(n, 4);
    ck_ok(clkv_batch_rollback(batch));
    ck_valid(clkv_manager_validate(m));
    clkv_batch_destroy(&batch);
    clkv_sequence_destroy(&seq);
    clkv_manager_destroy(&m);
}
END_TEST

/* A batch that has written into its blocks had them cleared before: they hold new tokens now. */
START_TEST(written_blocks_are_not_cleared_again)
{
    clkv_manager *m = NULL;
    const clkv_manager_params params = {.size = sizeof params, .blocks = 4, .clear_freed = 1};
    ck_ok(clkv_manager_create(&m, &params));
    uint32_t text[5 * B], blocks[8], n = 0;
    clkv_sequence *seq;
    clkv_batch *batch;
    reserve_over_cached(m, text, &seq, &batch);
    ck_ok(clkv_batch_get_slots(batch, 0, NULL, NULL));
    ck_ok(clkv_manager_take_uncleared(m, 0, blocks, 8, &n));
    ck_assert_uint_eq(n, 2);
    ck_assert_uint_eq(forget(m, text, B), 4);
    ck_ok(clkv_batch_commit(batch));
    ck_ok(clkv_manager_take_uncleared(m, 0, blocks, 8, &n));
    ck_assert_uint_eq(n, 2); /* the two that were only cached */
    const uint32_t *table;
    ck_ok(clkv_sequence_get_table(seq, 0, &table, NULL));
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < 2; k++) ck_assert_uint_ne(blocks[i], table[k]);
    clkv_batch_destroy(&batch);
    clkv_sequence_destroy(&seq);
    clkv_manager_destroy(&m);
}
END_TEST

static uint32_t removed, order[64];

static void count_removed(void *user, const clkv_cache_event *event)
{
    const uint32_t *first = user;
    if (event->kind != CLKV_EVENT_REMOVED) return;
    order[removed++] = event->tokens[0] - *first;
}

START_TEST(events_say_what_is_forgotten_deepest_first)
{
    clkv_manager *m = NULL;
    uint32_t text[4 * B];
    fill_tokens(text, 4 * B, 1);
    const clkv_manager_params params = {
        .size = sizeof params, .blocks = 8, .event_content = 1, .on_event = count_removed, .user = text};
    ck_ok(clkv_manager_create(&m, &params));
    clkv_sequence *seq = serve(m, text, 4 * B, NULL);
    removed = 0;
    ck_assert_uint_eq(forget(m, text, 2 * B), 3);
    ck_assert_uint_eq(removed, 3);
    ck_assert_uint_gt(order[0], order[1]);
    ck_assert_uint_gt(order[1], order[2]);
    clkv_sequence_destroy(&seq);
    clkv_manager_destroy(&m);
}
END_TEST

START_TEST(no_memory_changes_nothing)
{
    fail_allocator failing = {0};
    const clkv_allocator allocator = {.resize = fail_resize, .user = &failing};
    clkv_set_allocator(&allocator);
    clkv_manager *m = new_manager(32);
    uint32_t text[4 * B];
    fill_tokens(text, 4 * B, 1);
    clkv_sequence *seq = serve(m, text, 4 * B, NULL);
    for (long at = 1; at <= 3; at++) {
        failing.fail_at = failing.requests + at;
        ck_assert_int_eq(clkv_sequence_forget(seq, 0), CLKV_ERROR_NO_MEMORY);
        failing.fail_at = 0;
        ck_valid(clkv_manager_validate(m));
        ck_assert_uint_eq(lookup(m, text, 4 * B), 3 * B);
    }
    ck_ok(clkv_sequence_forget(seq, 0));
    ck_assert_uint_eq(lookup(m, text, 4 * B), 0);
    clkv_sequence_destroy(&seq);
    clkv_manager_destroy(&m);
    ck_assert_uint_eq(failing.live_bytes, 0);
    clkv_set_allocator(NULL);
}
END_TEST

/* Random texts over few letters, so that prefixes branch and meet: whatever is forgotten is not found, what is not
 * forgotten is. */
START_TEST(random_forgetting)
{
    uint64_t rng = 77;
    for (uint32_t round = 0; round < random_steps(400); round++) {
        clkv_manager *m = new_manager(40);
        clkv_sequence *seqs[6];
        uint32_t texts[6][4 * B];
        for (uint32_t i = 0; i < 6; i++) {
            for (uint32_t b = 0; b < 4; b++) fill_tokens(texts[i] + b * B, B, rng_below(&rng, 2));
            seqs[i] = serve(m, texts[i], 4 * B, NULL);
            if (rng_below(&rng, 3) == 0) clkv_sequence_destroy(&seqs[i]);
        }
        const uint32_t victim = rng_below(&rng, 6), depth = 1 + rng_below(&rng, 4);
        forget(m, texts[victim], depth * B);
        for (uint32_t i = 0; i < 6; i++) {
            const int gone = memcmp(texts[i], texts[victim], depth * B * sizeof(uint32_t)) == 0;
            must(lookup(m, texts[i], 4 * B) == (gone ? depth - 1 : 3) * B);
        }
        for (uint32_t i = 0; i < 6; i++) clkv_sequence_destroy(&seqs[i]);
        ck_valid(clkv_manager_validate(m));
        must(counts_of(m).used == 0);
        clkv_manager_destroy(&m);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("forget");
    TCase *t = tcase_create("forget");
    tcase_set_timeout(t, 600);
    tcase_add_test(t, a_sequence_whose_pass_failed);
    tcase_add_test(t, a_tail_that_was_not_full_yet);
    tcase_add_test(t, one_prefix_and_all_that_continues_it);
    tcase_add_test(t, a_prefix_whose_own_block_is_gone);
    tcase_add_test(t, one_salt);
    tcase_add_test(t, blocks_of_a_reserved_batch);
    tcase_add_test(t, evictions_are_listed_before_they_are_lost);
    tcase_add_test(t, forgotten_blocks_are_cleared);
    tcase_add_test(t, written_blocks_are_not_cleared_again);
    tcase_add_test(t, events_say_what_is_forgotten_deepest_first);
    tcase_add_test(t, no_memory_changes_nothing);
    tcase_add_test(t, random_forgetting);
    suite_add_tcase(suite, t);
    return run_suite(suite);
}
