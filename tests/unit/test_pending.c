/* test_pending.c: equal prompts that are given at once are computed once; what a resume finds beyond a sequence's
 * length. SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#define B 16u /* block_size */

static size_t pending(const clkv_sequence *seq, const uint32_t *tokens, size_t n)
{
    size_t more = 99;
    ck_ok(clkv_sequence_pending(seq, tokens, n, &more));
    return more;
}

static size_t resume(clkv_manager *m, clkv_sequence *seq, const uint32_t *tokens, size_t n)
{
    size_t matched = 0;
    ck_ok(clkv_sequence_resume(seq, tokens, n, &matched));
    ck_valid(clkv_manager_validate(m));
    return matched;
}

/* 16 prompts with a common prefix of 2,000 tokens, a scheduler with chunks of 512: the prefix is computed once. */
START_TEST(sixteen_prompts_compute_their_prefix_once)
{
    enum { PROMPTS = 16, COMMON = 2000, OWN = 40, N = COMMON + OWN };
    static uint32_t texts[PROMPTS][N];
    clkv_manager *m = new_manager(1024);
    clkv_sequence *seqs[PROMPTS];
    clkv_batch *batch = NULL;
    ck_ok(clkv_batch_create(&batch, m));
    for (uint32_t i = 0; i < PROMPTS; i++) {
        fill_tokens(texts[i], COMMON, 1);
        fill_tokens(texts[i] + COMMON, OWN, 10 + i);
        seqs[i] = new_sequence(m, texts[i], N, NULL);
    }
    uint64_t computed = 0;
    for (uint32_t step = 0, done = 0; done < PROMPTS; step++) {
        ck_assert_uint_lt(step, 100);
        done = 0;
        for (uint32_t i = 0; i < PROMPTS; i++) {
            size_t length = clkv_sequence_length(seqs[i]);
            if (length == N) {
                done++;
                continue;
            }
            if (pending(seqs[i], texts[i], N) > 0) continue;
            if (length % B == 0) length = resume(m, seqs[i], texts[i], N);
            const uint32_t n = (uint32_t)(N - length < 512 ? N - length : 512);
            ck_ok(clkv_batch_add(batch, seqs[i], texts[i] + length, n, NULL));
        }
        if (clkv_batch_tokens(batch) == 0) continue;
        computed += clkv_batch_tokens(batch);
        ck_ok(clkv_batch_reserve(batch));
        ck_ok(clkv_batch_commit(batch));
        ck_valid(clkv_manager_validate(m));
    }
    /* 2,000 tokens are 125 whole blocks: each other prompt computes its own tokens only. */
    ck_assert_uint_eq(computed, COMMON + PROMPTS * OWN);
    const clkv_stats stats = stats_of(m);
    ck_assert_uint_eq(stats.lookups, PROMPTS);
    ck_assert_uint_eq(stats.hit_tokens, (PROMPTS - 1) * COMMON);
    ck_assert_uint_eq(stats.hit_tokens + stats.miss_tokens, PROMPTS * N);
    for (uint32_t i = 0; i < PROMPTS; i++) clkv_sequence_destroy(&seqs[i]);
    clkv_batch_destroy(&batch);
    clkv_manager_destroy(&m);
}
END_TEST

START_TEST(what_open_batches_will_have)
{
    clkv_manager *m = new_manager(64);
    uint32_t a[6 * B], b[6 * B];
    fill_tokens(a, 6 * B, 1);
    memcpy(b, a, sizeof b);
    b[3 * B + 5]++; /* differs in the fourth block */
    clkv_sequence *sa = new_sequence(m, a, 6 * B, NULL), *sb = new_sequence(m, b, 6 * B, NULL);
    clkv_batch *batch = NULL;
    ck_ok(clkv_batch_create(&batch, m));
    ck_assert_uint_eq(pending(sb, b, 6 * B), 0);
    ck_ok(clkv_batch_add(batch, sa, a, 2 * B + 9, NULL));
    ck_assert_uint_eq(pending(sb, b, 6 * B), 2 * B);      /* whole blocks, also before the reservation */
    ck_assert_uint_eq(pending(sb, b, 2 * B), B);          /* never the last token */
    ck_assert_uint_eq(pending(sb, b, B), 0);
    ck_assert_uint_eq(pending(sa, a, 6 * B), 0);          /* it is in the batch itself */
    ck_ok(clkv_batch_reserve(batch));
    ck_assert_uint_eq(pending(sb, b, 6 * B), 2 * B);
    ck_ok(clkv_batch_accept(batch, 0, B + 3));            /* some were wrong */
    ck_assert_uint_eq(pending(sb, b, 6 * B), B);
    ck_ok(clkv_batch_accept(batch, 0, 2 * B + 9));
    ck_ok(clkv_batch_commit(batch));
    ck_assert_uint_eq(pending(sb, b, 6 * B), 0);          /* that is found now, not pending */
    ck_assert_uint_eq(resume(m, sb, b, 6 * B), 2 * B);
    /* The next chunk continues a partial block: nine of its tokens are in the tail already. */
    ck_ok(clkv_batch_add(batch, sa, a + 2 * B + 9, 3 * B, NULL));
    ck_assert_uint_eq(pending(sb, b, 6 * B), B);          /* the fourth block differs */
    ck_ok(clkv_batch_reserve(batch));
    ck_ok(clkv_batch_rollback(batch));
    ck_ok(clkv_batch_clear(batch));
    ck_assert_uint_eq(pending(sb, b, 6 * B), 0);
    clkv_batch_destroy(&batch);
    clkv_sequence_destroy(&sa);
    clkv_sequence_destroy(&sb);
    clkv_manager_destroy(&m);
}
END_TEST

/* One that computes from further back than what is found already counts from where it ends. */
START_TEST(one_that_began_earlier)
{
    clkv_manager *m = new_manager(64);
    uint32_t text[8 * B];
    fill_tokens(text, 8 * B, 1);
    clkv_sequence *slow = new_sequence(m, text, 8 * B, NULL); /* found nothing */
    clkv_sequence *fast = serve(m, text, 3 * B, NULL);
    clkv_sequence *late = new_sequence(m, text, 8 * B, NULL);
    ck_assert_uint_eq(clkv_sequence_length(late), 3 * B);
    clkv_batch *batch = NULL;
    ck_ok(clkv_batch_create(&batch, m));
    ck_ok(clkv_batch_add(batch, slow, text, 5 * B, NULL));
    ck_assert_uint_eq(pending(late, text, 8 * B), 2 * B);
    ck_ok(clkv_batch_clear(batch));
    ck_ok(clkv_batch_add(batch, slow, text, 2 * B, NULL)); /* less than is there */
    ck_assert_uint_eq(pending(late, text, 8 * B), 0);
    clkv_batch_destroy(&batch);
    clkv_sequence_destroy(&slow);
    clkv_sequence_destroy(&fast);
    clkv_sequence_destroy(&late);
    clkv_manager_destroy(&m);
}
END_TEST

/* Salts and contents tell equal tokens apart. */
/* A destroyed sequence stays in a batch that is being built, but such a batch can only be cleared. */
START_TEST(a_destroyed_sequence_computes_nothing)
{
    clkv_manager *m = new_manager(32);
    uint32_t text[4 * B];
    fill_tokens(text, 4 * B, 1);
    clkv_sequence *a = new_sequence(m, NULL, 0, NULL), *b = new_sequence(m, NULL, 0, NULL);
    clkv_batch *batch = NULL;
    ck_ok(clkv_batch_create(&batch, m));
    ck_ok(clkv_batch_add(batch, a, text, 3 * B, NULL));
    ck_assert_uint_eq(pending(b, text, 4 * B), 3 * B);
    clkv_sequence_destroy(&a);
    ck_assert_uint_eq(pending(b, text, 4 * B), 0);
    ck_ok(clkv_batch_clear(batch));
    /* One in a reserved batch still does. */
    a = new_sequence(m, NULL, 0, NULL);
    ck_ok(clkv_batch_add(batch, a, text, 3 * B, NULL));
    ck_ok(clkv_batch_reserve(batch));
    clkv_sequence_destroy(&a);
    ck_assert_uint_eq(pending(b, text, 4 * B), 3 * B);
    ck_ok(clkv_batch_commit(batch));
    ck_assert_uint_eq(resume(m, b, text, 4 * B), 3 * B);
    clkv_batch_destroy(&batch);
    clkv_sequence_destroy(&b);
    ck_valid(clkv_manager_validate(m));
    clkv_manager_destroy(&m);
}
END_TEST

START_TEST(keys_are_compared)
{
    clkv_manager *m = new_manager(64);
    uint32_t text[4 * B];
    fill_tokens(text, 4 * B, 1);
    const clkv_key cat = {.kind = CLKV_KEY_CONTENT, .offset = B, .length = 4, .data = "cat", .bytes = 3};
    const clkv_key dog = {.kind = CLKV_KEY_CONTENT, .offset = B, .length = 4, .data = "dog", .bytes = 3};
    const clkv_key salt = {.kind = CLKV_KEY_SALT, .data = "s", .bytes = 1};
    clkv_sequence *seqs[4];
    const clkv_key *keys[4] = {&cat, &cat, &dog, &salt};
    for (int i = 0; i < 4; i++) {
        const clkv_sequence_params params = {
            .size = sizeof params, .tokens = text, .n_tokens = 4 * B, .keys = keys[i], .n_keys = 1};
        ck_ok(clkv_sequence_create(&seqs[i], m, &params, NULL));
    }
    clkv_batch *batch = NULL;
    ck_ok(clkv_batch_create(&batch, m));
    ck_ok(clkv_batch_add(batch, seqs[0], text, 4 * B, NULL));
    ck_assert_uint_eq(pending(seqs[1], text, 4 * B), 3 * B);
    ck_assert_uint_eq(pending(seqs[2], text, 4 * B), B); /* the picture is in the second block */
    ck_assert_uint_eq(pending(seqs[3], text, 4 * B), 0);
    clkv_batch_destroy(&batch);
    for (int i = 0; i < 4; i++) clkv_sequence_destroy(&seqs[i]);
    clkv_manager_destroy(&m);
}
END_TEST

START_TEST(resume_beyond_the_length)
{
    clkv_manager *m = new_manager(64);
    uint32_t text[6 * B];
    fill_tokens(text, 6 * B, 1);
    clkv_sequence *late = new_sequence(m, text, 6 * B, NULL);
    append(m, late, text, 2 * B); /* its own blocks */
    clkv_sequence *first = serve(m, text, 5 * B, NULL);
    ck_assert_uint_eq(resume(m, late, text, 6 * B), 5 * B);
    ck_assert_uint_eq(block_at(late, 4), block_at(first, 4));
    ck_assert_uint_eq(resume(m, late, text, 6 * B), 5 * B); /* nothing more */
    append(m, late, text + 5 * B, B);
    size_t matched = 0;
    clkv_sequence *again = new_sequence(m, text, 6 * B, &matched);
    ck_assert_uint_eq(matched, 5 * B);
    /* Refusals change nothing. */
    append(m, again, text + 5 * B, 3);
    ck_assert_int_eq(clkv_sequence_resume(again, text, 6 * B, &matched), CLKV_ERROR_STATE);
    clkv_batch *batch = NULL;
    ck_ok(clkv_batch_create(&batch, m));
    ck_ok(clkv_batch_add(batch, late, text, 1, NULL));
    ck_assert_int_eq(clkv_sequence_resume(late, text, 6 * B, &matched), CLKV_ERROR_BUSY);
    ck_assert_uint_eq(pending(late, text, 6 * B), 0);
    clkv_batch_destroy(&batch);
    clkv_sequence_destroy(&again);
    clkv_sequence_destroy(&first);
    clkv_sequence_destroy(&late);
    ck_valid(clkv_manager_validate(m));
    clkv_manager_destroy(&m);
}
END_TEST

START_TEST(available_is_what_a_reservation_may_take)
{
    clkv_manager *m = NULL;
    const clkv_manager_params params = {.size = sizeof params, .blocks = 10, .watermark = 2};
    ck_ok(clkv_manager_create(&m, &params));
    ck_assert_uint_eq(clkv_manager_available(m), 8);
    uint32_t text[4 * B];
    fill_tokens(text, 4 * B, 1);
    clkv_sequence *seq = serve(m, text, 3 * B + 1, NULL);
    ck_assert_uint_eq(clkv_manager_available(m), 4);
    clkv_sequence_destroy(&seq); /* three cached, one free */
    ck_assert_uint_eq(clkv_manager_available(m), 8);
    ck_assert_uint_eq(clkv_manager_available(NULL), 0);
    clkv_manager_destroy(&m);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pending");
    TCase *t = tcase_create("pending");
    tcase_add_test(t, sixteen_prompts_compute_their_prefix_once);
    tcase_add_test(t, what_open_batches_will_have);
    tcase_add_test(t, one_that_began_earlier);
    tcase_add_test(t, a_destroyed_sequence_computes_nothing);
    tcase_add_test(t, keys_are_compared);
    tcase_add_test(t, resume_beyond_the_length);
    tcase_add_test(t, available_is_what_a_reservation_may_take);
    suite_add_tcase(suite, t);
    return run_suite(suite);
}
