/* test_batch.c: reserve, commit, roll back, accept, victims and progress. SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

static uint32_t prompt[4096], other[4096];

static void setup(void)
{
    fill_tokens(prompt, 4096, 1);
    fill_tokens(other, 4096, 2);
}

static clkv_batch *new_batch(clkv_manager *m)
{
    clkv_batch *batch = NULL;
    ck_ok(clkv_batch_create(&batch, m));
    return batch;
}

START_TEST(a_batch_tells_where_every_token_goes)
{
    clkv_manager *m = new_manager(20);
    clkv_sequence *a = serve(m, prompt, 20, NULL), *b = new_sequence(m, other, 37, NULL);
    clkv_batch *batch = new_batch(m);
    uint32_t entry = 9, n = 0;
    ck_ok(clkv_batch_add(batch, a, prompt + 20, 1, &entry));
    ck_assert_uint_eq(entry, 0);
    ck_ok(clkv_batch_add(batch, b, other, 37, &entry));
    ck_assert_uint_eq(entry, 1);
    const clkv_batch_entry *entries = NULL;
    const uint32_t *slots = NULL;
    clkv_batch_get_slots(batch, 0, &slots, &n);
    ck_assert_uint_eq(n, 0);
    ck_ok(clkv_batch_reserve(batch));
    ck_valid(clkv_manager_validate(m));
    clkv_batch_get_entries(batch, &entries, &n);
    ck_assert_uint_eq(n, 2);
    ck_assert_uint_eq(entries[0].context, 21);
    ck_assert_uint_eq(entries[1].context, 37);
    ck_assert_uint_eq(entries[1].first, 1);
    ck_assert_uint_eq(entries[1].row, b->row);
    ck_assert_uint_eq(clkv_batch_tokens(batch), 38);
    clkv_batch_get_slots(batch, 0, &slots, &n);
    ck_assert_uint_eq(n, 38);
    ck_assert_uint_eq(slots[0], block_at(a, 1) * 16 + 4);
    ck_assert_uint_eq(clkv_sequence_length(b), 0);
    ck_ok(clkv_batch_commit(batch));
    ck_assert_uint_eq(clkv_sequence_length(b), 37);
    ck_assert_uint_eq(clkv_batch_tokens(batch), 0);
    end_manager(&m);
}
END_TEST

/* Fills the pool of 8 with cached content: prompt[0 … 48), then other[0 … 48), two blocks free. */
static clkv_manager *cached_world(void)
{
    clkv_manager *m = new_manager(8);
    clkv_sequence *a = serve(m, prompt, 48, NULL), *b = serve(m, other, 48, NULL);
    clkv_sequence_destroy(&a);
    clkv_sequence_destroy(&b);
    return m;
}

START_TEST(a_rollback_leaves_everything_as_it_was)
{
    clkv_manager *m = cached_world(), *twin = cached_world();
    const clkv_pool_counts before = counts_of(m);
    clkv_sequence *seq = new_sequence(m, NULL, 0, NULL);
    clkv_batch *batch = new_batch(m);
    uint32_t text[128];
    fill_tokens(text, 128, 7);
    ck_ok(clkv_batch_add(batch, seq, text, 7 * 16, NULL));
    ck_ok(clkv_batch_reserve(batch));
    ck_valid(clkv_manager_validate(m));
    /* What the reservation took is not found meanwhile: all of prompt and two blocks of other. */
    ck_assert_uint_eq(lookup(m, prompt, 49), 0);
    ck_assert_uint_eq(lookup(m, other, 49), 16);
    ck_ok(clkv_batch_rollback(batch));
    ck_valid(clkv_manager_validate(m));
    clkv_pool_counts after = counts_of(m);
    after.peak_used = before.peak_used;
    ck_assert_mem_eq(&before, &after, sizeof before);
    ck_assert_uint_eq(lookup(m, prompt, 49), 48);
    ck_assert_uint_eq(lookup(m, other, 49), 48);
    /* The next allocation takes the same blocks in the same order as where nothing was ever reserved. */
    clkv_sequence *twin_seq = serve(twin, text, 128, NULL);
    ck_ok(clkv_batch_clear(batch));
    append(m, seq, text, 128);
    for (uint32_t i = 0; i < 8; i++) ck_assert_uint_eq(block_at(seq, i), block_at(twin_seq, i));
    end_manager(&m);
    end_manager(&twin);
}
END_TEST

START_TEST(a_rollback_after_writing_forgets_what_was_overwritten)
{
    clkv_manager *m = cached_world();
    clkv_sequence *seq = new_sequence(m, NULL, 0, NULL);
    clkv_batch *batch = new_batch(m);
    uint32_t text[128], n = 0;
    fill_tokens(text, 128, 7);
    ck_ok(clkv_batch_add(batch, seq, text, 4 * 16, NULL));
    ck_ok(clkv_batch_reserve(batch));
    const uint32_t *slots = NULL;
    clkv_batch_get_slots(batch, 0, &slots, &n);
    ck_ok(clkv_batch_rollback(batch));
    ck_valid(clkv_manager_validate(m));
    ck_assert_uint_eq(lookup(m, prompt, 49), 16);
    ck_assert_uint_eq(lookup(m, other, 49), 48);
    ck_assert_uint_eq(counts_of(m).free, 4);
    ck_assert_uint_eq(counts_of(m).cached, 4);
    end_manager(&m);
}
END_TEST

START_TEST(a_rollback_undoes_copy_on_write)
{
    clkv_manager *m = new_manager(10);
    clkv_sequence *a = serve(m, prompt, 40, NULL), *b = NULL;
    ck_ok(clkv_sequence_fork(&b, a, 0));
    clkv_batch *batch = new_batch(m);
    ck_ok(clkv_batch_add(batch, b, other, 30, NULL));
    ck_ok(clkv_batch_reserve(batch));
    ck_ok(clkv_batch_rollback(batch));
    ck_valid(clkv_manager_validate(m));
    ck_assert_uint_eq(block_at(b, 2), block_at(a, 2));
    ck_assert_uint_eq(counts_of(m).used, 3);
    ck_assert_uint_eq(stats_of(m).copies_on_write, 0);
    /* The batch kept its entries. */
    ck_ok(clkv_batch_reserve(batch));
    ck_ok(clkv_batch_commit(batch));
    ck_valid(clkv_manager_validate(m));
    ck_assert_uint_eq(clkv_sequence_length(b), 70);
    end_manager(&m);
}
END_TEST

START_TEST(rejected_drafts_are_given_back_and_never_findable)
{
    clkv_manager *m = new_manager(10);
    clkv_sequence *seq = serve(m, prompt, 30, NULL);
    clkv_batch *batch = new_batch(m);
    ck_ok(clkv_batch_add(batch, seq, prompt + 30, 20, NULL));
    ck_assert_int_eq(clkv_batch_accept(batch, 0, 3), CLKV_ERROR_STATE);
    ck_ok(clkv_batch_reserve(batch));
    ck_assert_uint_eq(counts_of(m).used, 4);
    ck_assert_int_eq(clkv_batch_accept(batch, 1, 3), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_batch_accept(batch, 0, 21), CLKV_ERROR_INVALID);
    ck_ok(clkv_batch_accept(batch, 0, 1));
    ck_ok(clkv_batch_commit(batch));
    ck_valid(clkv_manager_validate(m));
    ck_assert_uint_eq(clkv_sequence_length(seq), 31);
    ck_assert_uint_eq(counts_of(m).used, 2);
    ck_assert_uint_eq(lookup(m, prompt, 60), 16);
    /* Going on with another token registers that one. */
    append(m, seq, other, 1);
    ck_assert_uint_eq(lookup(m, prompt, 60), 16);
    ck_assert_uint_eq(stats_of(m).tokens_committed, 32);
    end_manager(&m);
}
END_TEST

START_TEST(accepting_nothing_keeps_the_shared_tail)
{
    clkv_manager *m = new_manager(10);
    clkv_sequence *a = serve(m, prompt, 40, NULL), *b = NULL;
    ck_ok(clkv_sequence_fork(&b, a, 0));
    clkv_batch *batch = new_batch(m);
    ck_ok(clkv_batch_add(batch, b, other, 30, NULL));
    ck_ok(clkv_batch_reserve(batch));
    ck_ok(clkv_batch_accept(batch, 0, 0));
    ck_ok(clkv_batch_commit(batch));
    ck_valid(clkv_manager_validate(m));
    ck_assert_uint_eq(clkv_sequence_length(b), 40);
    ck_assert_uint_eq(block_at(b, 2), block_at(a, 2));
    ck_assert_uint_eq(counts_of(m).used, 3);
    end_manager(&m);
}
END_TEST

START_TEST(the_order_of_calls_is_enforced)
{
    clkv_manager *m = new_manager(10), *stranger = new_manager(10);
    clkv_sequence *a = new_sequence(m, NULL, 0, NULL), *b = new_sequence(m, NULL, 0, NULL);
    clkv_sequence *foreign = new_sequence(stranger, NULL, 0, NULL), *fork = NULL;
    clkv_batch *batch = new_batch(m), *second = new_batch(m);
    ck_assert_int_eq(clkv_batch_pop(batch), CLKV_ERROR_STATE);
    ck_assert_int_eq(clkv_batch_commit(batch), CLKV_ERROR_STATE);
    ck_assert_int_eq(clkv_batch_rollback(batch), CLKV_ERROR_STATE);
    ck_assert_int_eq(clkv_batch_add(batch, a, prompt, 0, NULL), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_batch_add(batch, foreign, prompt, 1, NULL), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_batch_add(batch, a, NULL, 1, NULL), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_batch_add(batch, a, prompt, 161, NULL), CLKV_ERROR_LIMIT);
    ck_ok(clkv_batch_add(batch, a, prompt, 20, NULL));
    ck_assert_int_eq(clkv_batch_add(batch, a, prompt, 1, NULL), CLKV_ERROR_BUSY);
    ck_assert_int_eq(clkv_batch_add(second, a, prompt, 1, NULL), CLKV_ERROR_BUSY);
    ck_ok(clkv_batch_add(batch, b, prompt, 20, NULL));
    ck_ok(clkv_batch_pop(batch));
    ck_ok(clkv_batch_add(second, b, prompt, 1, NULL));
    ck_ok(clkv_batch_reserve(batch));
    ck_assert_int_eq(clkv_batch_reserve(batch), CLKV_ERROR_STATE);
    ck_assert_int_eq(clkv_batch_add(batch, b, prompt, 1, NULL), CLKV_ERROR_STATE);
    ck_assert_int_eq(clkv_batch_clear(batch), CLKV_ERROR_STATE);
    ck_assert_int_eq(clkv_batch_pop(batch), CLKV_ERROR_STATE);
    ck_assert_int_eq(clkv_sequence_fork(&fork, a, 0), CLKV_ERROR_BUSY);
    ck_assert_int_eq(clkv_sequence_truncate(a, 0), CLKV_ERROR_BUSY);
    ck_assert_int_eq(clkv_sequence_preempt(a), CLKV_ERROR_BUSY);
    ck_assert_int_eq(clkv_sequence_resume(a, prompt, 1, NULL), CLKV_ERROR_BUSY);
    ck_assert_uint_eq(clkv_batch_missing(batch), 0);
    clkv_batch_destroy(&batch);
    ck_valid(clkv_manager_validate(m));
    ck_assert_uint_eq(counts_of(m).used, 0);
    ck_ok(clkv_sequence_truncate(a, 0));
    ck_assert_int_eq(clkv_batch_create(&batch, NULL), CLKV_ERROR_INVALID);
    end_manager(&m);
    end_manager(&stranger);
}
END_TEST

START_TEST(an_empty_batch_passes_through)
{
    clkv_manager *m = new_manager(10);
    clkv_batch *batch = new_batch(m);
    ck_ok(clkv_batch_reserve(batch));
    ck_ok(clkv_batch_rollback(batch));
    ck_ok(clkv_batch_reserve(batch));
    ck_ok(clkv_batch_commit(batch));
    ck_valid(clkv_manager_validate(m));
    end_manager(&m);
}
END_TEST

START_TEST(a_destroyed_sequence_leaves_when_its_batch_lets_go)
{
    clkv_manager *m = new_manager(10);
    clkv_sequence *a = new_sequence(m, NULL, 0, NULL), *b = new_sequence(m, NULL, 0, NULL);
    clkv_batch *batch = new_batch(m);
    ck_ok(clkv_batch_add(batch, a, prompt, 20, NULL));
    ck_ok(clkv_batch_add(batch, b, other, 20, NULL));
    ck_ok(clkv_batch_reserve(batch));
    clkv_sequence_destroy(&a);
    ck_assert_ptr_null(a);
    ck_valid(clkv_manager_validate(m));
    ck_assert_uint_eq(stats_of(m).sequences, 1);
    ck_assert_uint_eq(counts_of(m).used, 4);
    ck_ok(clkv_batch_commit(batch));
    ck_valid(clkv_manager_validate(m));
    ck_assert_uint_eq(counts_of(m).used, 2);
    ck_assert_uint_eq(lookup(m, prompt, 20), 16);
    /* In an open batch its blocks go at once, and the batch cannot be reserved any more. */
    ck_ok(clkv_batch_add(batch, b, other, 1, NULL));
    clkv_sequence_destroy(&b);
    ck_valid(clkv_manager_validate(m));
    ck_assert_uint_eq(counts_of(m).used, 0);
    ck_assert_int_eq(clkv_batch_reserve(batch), CLKV_ERROR_STATE);
    clkv_sequence *c = new_sequence(m, NULL, 0, NULL);
    clkv_batch *whole_pool = new_batch(m);
    ck_ok(clkv_batch_add(whole_pool, c, other, 160, NULL));
    ck_ok(clkv_batch_reserve(whole_pool));
    ck_assert_uint_eq(clkv_batch_missing(batch), 0); /* it needs none, and there is none */
    clkv_batch_destroy(&whole_pool);
    clkv_sequence_destroy(&c);
    ck_ok(clkv_batch_clear(batch));
    ck_valid(clkv_manager_validate(m));
    ck_assert_ptr_null(m->oldest);
    end_manager(&m);
}
END_TEST

static int dropped;

static void count_drop(void *state)
{
    ck_assert_ptr_eq(state, &dropped);
    dropped++;
}

START_TEST(the_device_half_is_told_when_a_reservation_ends)
{
    clkv_manager *m = new_manager(10);
    clkv_sequence *seq = new_sequence(m, NULL, 0, NULL);
    clkv_batch *batch = new_batch(m);
    for (int ending = 0; ending < 4; ending++) {
        dropped = 0;
        ck_ok(clkv_batch_add(batch, seq, prompt + clkv_sequence_length(seq), 20, NULL));
        ck_ok(clkv_batch_reserve(batch));
        clkv_batch_view view;
        ck_ok(clkv_batch_get_view(batch, m, &view));
        const uint32_t n_blocks = view.tables[0].n_blocks;
        ck_assert_uint_eq(n_blocks, (clkv_sequence_length(seq) + 20 + 15) / 16);
        ck_assert_uint_eq(view.n_changes, n_blocks - view.tables[0].synced);
        clkv_batch_set_synced(batch);
        ck_ok(clkv_batch_get_view(batch, m, &view));
        ck_assert_uint_eq(view.tables[0].synced, n_blocks);
        ck_assert_uint_eq(view.n_changes, 0);
        clkv_batch_set_device_state(batch, &dropped, count_drop);
        clkv_batch_set_device_state(batch, &dropped, count_drop);
        ck_assert_int_eq(dropped, 0);
        if (ending == 0) ck_ok(clkv_batch_commit(batch));
        if (ending == 1) ck_ok(clkv_batch_rollback(batch));
        if (ending == 2) clkv_batch_destroy(&batch);
        if (ending == 3) clkv_batch_drop_device_states(m);
        ck_assert_int_eq(dropped, 1);
        if (ending == 3) ck_ok(clkv_batch_rollback(batch));
        ck_assert_uint_le(seq->synced, seq->n_blocks);
        ck_valid(clkv_manager_validate(m));
        if (ending == 1) ck_ok(clkv_batch_clear(batch));
        if (ending == 2) batch = new_batch(m);
    }
    ck_assert_int_eq(dropped, 1);
    end_manager(&m);
}
END_TEST

START_TEST(the_victim_loses_the_least_work_and_is_never_the_oldest)
{
    clkv_manager *m = new_manager(20);
    clkv_batch *batch = new_batch(m);
    ck_assert_ptr_null(clkv_batch_victim(batch));
    uint32_t text[100];
    clkv_sequence *seqs[4];
    const uint32_t lengths[4] = {5, 60, 20, 20};
    for (uint32_t i = 0; i < 4; i++) {
        fill_tokens(text, 100, 10 + i);
        seqs[i] = serve(m, text, lengths[i], NULL);
        if (i == 0) ck_assert_ptr_null(clkv_batch_victim(batch));
        if (i == 1) ck_assert_ptr_eq(clkv_batch_victim(batch), seqs[1]);
    }
    ck_assert_ptr_eq(clkv_batch_victim(batch), seqs[3]); /* the youngest of two with 20 */
    /* Of 60 tokens 48 are shared with a fork: 12 are lost with either. */
    clkv_sequence *fork = NULL;
    ck_ok(clkv_sequence_fork(&fork, seqs[1], 0));
    append(m, fork, text, 1);
    ck_assert_ptr_eq(clkv_batch_victim(batch), seqs[1]);
    /* One in a reserved batch is spared. */
    ck_ok(clkv_batch_add(batch, seqs[1], text, 1, NULL));
    ck_assert_ptr_eq(clkv_batch_victim(batch), seqs[1]);
    ck_ok(clkv_batch_reserve(batch));
    ck_assert_ptr_eq(clkv_batch_victim(batch), fork);
    ck_ok(clkv_batch_rollback(batch));
    ck_ok(clkv_sequence_preempt(fork));
    ck_ok(clkv_sequence_preempt(seqs[3]));
    ck_assert_ptr_eq(clkv_batch_victim(batch), seqs[2]);
    end_manager(&m);
}
END_TEST

START_TEST(a_watermark_keeps_blocks_for_the_next_step)
{
    clkv_manager *m = NULL;
    const clkv_manager_params params = {.size = sizeof params, .blocks = 8, .watermark = 2};
    ck_ok(clkv_manager_create(&m, &params));
    clkv_sequence *seq = new_sequence(m, NULL, 0, NULL);
    clkv_batch *batch = new_batch(m);
    ck_assert_int_eq(clkv_batch_add(batch, seq, prompt, 97, NULL), CLKV_ERROR_LIMIT);
    ck_ok(clkv_batch_add(batch, seq, prompt, 96, NULL));
    ck_ok(clkv_batch_reserve(batch));
    ck_ok(clkv_batch_commit(batch));
    clkv_sequence *more = new_sequence(m, NULL, 0, NULL);
    ck_ok(clkv_batch_add(batch, more, other, 17, NULL));
    ck_assert_uint_eq(clkv_batch_missing(batch), 2);
    ck_assert_int_eq(clkv_batch_reserve(batch), CLKV_ERROR_NO_BLOCKS);
    end_manager(&m);
}
END_TEST

/* A scheduler with a pool that holds one request and a bit: requests are admitted in order of age, one
 * token is decoded each per step, and when it does not fit the named victim is preempted. */
typedef struct request {
    clkv_sequence *seq;
    uint32_t tokens[200];
    uint32_t prompt, total;
    int running;
} request;

static void build(clkv_batch *batch, request *requests, uint32_t n)
{
    ck_ok(clkv_batch_clear(batch));
    for (uint32_t i = 0; i < n; i++) {
        request *r = &requests[i];
        if (!r->seq || !r->running) continue;
        const uint32_t have = (uint32_t)clkv_sequence_length(r->seq);
        const uint32_t todo = have < r->prompt ? r->prompt - have : 1;
        ck_ok(clkv_batch_add(batch, r->seq, r->tokens + have, todo < 24 ? todo : 24, NULL));
    }
}

START_TEST(preemption_always_ends_with_everybody_served)
{
    for (uint64_t seed = 1; seed <= 30; seed++) {
        clkv_manager *m = new_manager(14);
        clkv_batch *batch = new_batch(m);
        static request requests[20];
        memset(requests, 0, sizeof requests);
        uint64_t rng = seed;
        uint32_t served = 0, steps = 0;
        for (uint32_t i = 0; i < 20; i++) {
            request *r = &requests[i];
            r->prompt = 1 + rng_below(&rng, 100);
            r->total = r->prompt + 1 + rng_below(&rng, 90);
            fill_tokens(r->tokens, 200, rng_below(&rng, 2) ? 1 : 100 + i);
            r->seq = new_sequence(m, r->tokens, r->prompt, NULL);
            r->running = 1;
        }
        while (served < 20) {
            ck_assert_uint_lt(++steps, 20000);
            build(batch, requests, 20);
            clkv_status status;
            while ((status = clkv_batch_reserve(batch)) == CLKV_ERROR_NO_BLOCKS) {
                ck_assert_uint_gt(clkv_batch_missing(batch), 0);
                const clkv_sequence *victim = clkv_batch_victim(batch);
                uint32_t youngest = 20;
                for (uint32_t i = 0; i < 20; i++) {
                    if (victim ? requests[i].seq == victim : requests[i].seq && requests[i].running) youngest = i;
                }
                ck_assert_uint_lt(youngest, 20);
                request *r = &requests[youngest];
                ck_ok(clkv_batch_clear(batch));
                if (victim) ck_ok(clkv_sequence_preempt(r->seq));
                r->running = 0;
                build(batch, requests, 20);
                ck_assert_uint_gt(clkv_batch_tokens(batch), 0);
            }
            ck_ok(status);
            ck_ok(clkv_batch_commit(batch));
            ck_valid(clkv_manager_validate(m));
            for (uint32_t i = 0; i < 20; i++) {
                request *r = &requests[i];
                if (!r->seq || clkv_sequence_length(r->seq) < r->total) continue;
                clkv_sequence_destroy(&r->seq);
                served++;
            }
            /* The oldest preempted one comes back as soon as anybody has room. */
            for (uint32_t i = 0; i < 20; i++) {
                request *r = &requests[i];
                if (!r->seq || r->running) continue;
                if (clkv_sequence_length(r->seq) == 0) {
                    ck_ok(clkv_sequence_resume(r->seq, r->tokens, r->prompt, NULL));
                }
                r->running = 1;
                break;
            }
        }
        ck_assert_uint_eq(counts_of(m).used, 0);
        ck_assert_uint_gt(stats_of(m).preemptions, 0);
        end_manager(&m);
    }
}
END_TEST

static fail_allocator failing;

/* Counts NO_MEMORY, lets no other failure pass, and validates without touching the count of requests. */
static long maybe(clkv_manager *m, clkv_status status, const char *what)
{
    if (status != CLKV_OK && status != CLKV_ERROR_NO_MEMORY)
        ck_abort_msg("%s: %s", what, clkv_last_error()->message);
    const fail_allocator saved = failing;
    failing.fail_at = 0;
    if (m) ck_valid(clkv_manager_validate(m));
    ck_assert_uint_eq(failing.live_bytes, saved.live_bytes);
    failing = saved;
    return status != CLKV_OK;
}

#define MAYBE(call) failures += maybe(m, (call), #call)

/* Everything once, with one request for memory failing. Returns how many calls failed. */
static long run_everything(long fail_at)
{
    long failures = 0;
    failing = (fail_allocator){.fail_at = fail_at};
    clkv_manager *m = NULL;
    const clkv_manager_params params = {.size = sizeof params, .blocks = 40};
    failures += maybe(NULL, clkv_manager_create(&m, &params), "create");
    if (!m) return failures;
    clkv_batch *batch = NULL;
    clkv_sequence *a = NULL, *b = NULL, *c = NULL;
    const clkv_key keys[2] = {{CLKV_KEY_SALT, 0, 0, "x", 1}, {CLKV_KEY_CONTENT, 9, 30, "abc", 3}};
    const clkv_sequence_params with_keys = {
        .size = sizeof with_keys, .tokens = prompt, .n_tokens = 50, .keys = keys, .n_keys = 2};
    const clkv_sequence_params plain = {.size = sizeof plain, .tokens = prompt, .n_tokens = 50};
    size_t n = 0;
    MAYBE(clkv_batch_create(&batch, m));
    MAYBE(clkv_sequence_create(&a, m, &with_keys, NULL));
    MAYBE(clkv_sequence_create(&b, m, &plain, NULL));
    if (batch && a) MAYBE(clkv_batch_add(batch, a, prompt, 50, NULL));
    if (batch && b) MAYBE(clkv_batch_add(batch, b, prompt, 200, NULL));
    if (batch) {
        const uint32_t used = counts_of(m).used;
        clkv_status status = clkv_batch_reserve(batch);
        if (status != CLKV_OK) ck_assert_uint_eq(counts_of(m).used, used);
        MAYBE(status);
        if (status == CLKV_OK) MAYBE(clkv_batch_commit(batch));
        MAYBE(clkv_batch_clear(batch));
    }
    MAYBE(clkv_manager_lookup(m, keys, 2, prompt, 50, &n));
    MAYBE(clkv_manager_pin(m, NULL, 0, prompt, 100, 3, 1000, &n));
    if (b) MAYBE(clkv_sequence_fork(&c, b, 0));
    if (batch && c) {
        MAYBE(clkv_batch_add(batch, c, prompt, 90, NULL));
        clkv_status status = clkv_batch_reserve(batch);
        MAYBE(status);
        if (status == CLKV_OK) MAYBE(clkv_batch_commit(batch));
    }
    if (a) MAYBE(clkv_sequence_preempt(a));
    if (a) MAYBE(clkv_sequence_resume(a, prompt, 300, &n));
    end_manager(&m);
    return failures;
}

START_TEST(every_failed_allocation_leaves_everything_whole)
{
    clkv_set_allocator(&(clkv_allocator){fail_resize, &failing});
    ck_assert_int_eq(run_everything(0), 0);
    const long requests = failing.requests;
    ck_assert_int_gt(requests, 20);
    long failed = 0;
    for (long k = 1; k <= requests; k++) {
        failed += run_everything(k) > 0;
        ck_assert_uint_eq(failing.live_bytes, 0);
    }
    ck_assert_int_gt(failed, 15);
    clkv_set_allocator(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("batch");
    TCase *tests = tcase_create("batch");
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, a_batch_tells_where_every_token_goes);
    tcase_add_test(tests, a_rollback_leaves_everything_as_it_was);
    tcase_add_test(tests, a_rollback_after_writing_forgets_what_was_overwritten);
    tcase_add_test(tests, a_rollback_undoes_copy_on_write);
    tcase_add_test(tests, rejected_drafts_are_given_back_and_never_findable);
    tcase_add_test(tests, accepting_nothing_keeps_the_shared_tail);
    tcase_add_test(tests, the_order_of_calls_is_enforced);
    tcase_add_test(tests, an_empty_batch_passes_through);
    tcase_add_test(tests, a_destroyed_sequence_leaves_when_its_batch_lets_go);
    tcase_add_test(tests, the_device_half_is_told_when_a_reservation_ends);
    tcase_add_test(tests, the_victim_loses_the_least_work_and_is_never_the_oldest);
    tcase_add_test(tests, a_watermark_keeps_blocks_for_the_next_step);
    tcase_add_test(tests, preemption_always_ends_with_everybody_served);
    tcase_add_test(tests, every_failed_allocation_leaves_everything_whole);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
