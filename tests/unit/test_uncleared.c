/* test_uncleared.c: with clear_freed, nobody finds in a block what another left there. A runtime with memory of
 * its own, one number per slot: what it is told to clear it clears, what it is told to copy it copies, and then
 * every slot of a block that a sequence gets anew must be empty, and every slot that it shares or keeps must
 * hold its token. SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include "core/prefix_index.h"

enum { B = 4, BLOCKS = 40, SEQUENCES = 6, LONG = 60, TEXTS = 5 };

static uint32_t memory[BLOCKS][B]; /* token + 1; 0: nothing */

typedef struct text {
    clkv_sequence *seq;
    uint32_t tokens[LONG], n;
} text;

/* What a batch's reservation makes a runtime do before it writes. */
static void clear_and_copy(clkv_manager *m, clkv_batch *batch)
{
    const clkv_block_copy *copies;
    uint32_t n_copies, list[3], n;
    clkv_batch_get_copies(batch, 0, &copies, &n_copies);
    do {
        ck_ok(clkv_manager_take_uncleared(m, 0, list, 3, &n));
        for (uint32_t i = 0; i < n; i++) memset(memory[list[i]], 0, sizeof memory[list[i]]);
    } while (n == 3);
    for (uint32_t i = 0; i < n_copies; i++) {
        for (uint32_t k = 0; k < B; k++) must(memory[copies[i].to][k] == 0);
        memcpy(memory[copies[i].to], memory[copies[i].from], sizeof memory[0]);
    }
}

/* The new tokens of a reserved batch of one sequence into their slots. */
static void write_tokens(clkv_batch *batch, const uint32_t *tokens)
{
    const uint32_t *slots;
    uint32_t n;
    clkv_batch_get_slots(batch, 0, &slots, &n);
    for (uint32_t i = 0; i < n; i++) {
        /* The first slot of a block: it is a fresh one, and empty throughout. */
        for (uint32_t k = 0; slots[i] % B == 0 && k < B; k++) must(memory[slots[i] / B][k] == 0);
        memory[slots[i] / B][slots[i] % B] = tokens[i] + 1;
    }
}

static void check(const text *t)
{
    for (uint32_t p = 0; p < t->n; p++) must(memory[block_at(t->seq, p / B)][p % B] == t->tokens[p] + 1);
}

static void append_some(clkv_manager *m, text *t, uint64_t *rng)
{
    clkv_batch *batch = NULL;
    const uint32_t n = 1 + rng_below(rng, LONG - t->n), how = rng_below(rng, 6);
    if (rng_below(rng, 3) == 0)
        for (uint32_t i = t->n; i < LONG; i++) t->tokens[i] = (uint32_t)rng_next(rng) >> 1;
    ck_ok(clkv_batch_create(&batch, m));
    ck_ok(clkv_batch_add(batch, t->seq, t->tokens + t->n, n, NULL));
    if (clkv_batch_reserve(batch) != CLKV_OK) {
        clkv_batch_destroy(&batch);
        ck_ok(clkv_sequence_preempt(t->seq));
        t->n = 0;
        return;
    }
    if (how > 0) { /* else: rolled back before anything could have been written */
        clear_and_copy(m, batch);
        write_tokens(batch, t->tokens + t->n);
    }
    ck_valid(clkv_manager_validate(m));
    if (how <= 1) {
        ck_ok(clkv_batch_rollback(batch));
    } else {
        const uint32_t accepted = how == 2 ? rng_below(rng, n + 1) : n;
        ck_ok(clkv_batch_accept(batch, 0, accepted));
        ck_ok(clkv_batch_commit(batch));
        t->n += accepted;
    }
    clkv_batch_destroy(&batch);
}

static void create(clkv_manager *m, text *t, uint64_t *rng)
{
    size_t have = 0;
    const uint32_t number = rng_below(rng, TEXTS);
    for (uint32_t i = 0; i < LONG; i++) t->tokens[i] = 1000 * number + i;
    t->seq = new_sequence(m, t->tokens, 1 + rng_below(rng, LONG), &have);
    t->n = (uint32_t)have;
}

static clkv_manager *new_clearing(int no_prefix)
{
    clkv_manager *m = NULL;
    const clkv_manager_params params = {.size = sizeof params,
                                        .blocks = BLOCKS,
                                        .block_size = B,
                                        .clear_freed = 1,
                                        .prefix = no_prefix ? CLKV_PREFIX_OFF : CLKV_PREFIX_ON};
    ck_ok(clkv_manager_create(&m, &params));
    return m;
}

START_TEST(no_block_has_what_another_left)
{
    uint64_t rng = 11 + (uint64_t)_i, steps = random_steps(20000);
    text texts[SEQUENCES] = {{NULL}};
    memset(memory, 0, sizeof memory);
    clkv_manager *m = new_clearing(_i == 1);
    for (uint64_t step = 0; step < steps; step++) {
        text *t = &texts[rng_below(&rng, SEQUENCES)], *other = &texts[rng_below(&rng, SEQUENCES)];
        if (!t->seq) create(m, t, &rng);
        switch (rng_below(&rng, 8)) {
        case 0: clkv_sequence_destroy(&t->seq); break;
        case 1:
            if (other->seq) break;
            *other = *t;
            ck_ok(clkv_sequence_fork(&other->seq, t->seq, 0));
            break;
        case 2:
            t->n = rng_below(&rng, t->n + 1);
            ck_ok(clkv_sequence_truncate(t->seq, t->n));
            break;
        case 3: ck_ok(clkv_manager_pin(m, NULL, 0, t->tokens, LONG, rng_below(&rng, 2), 0, NULL)); break;
        default:
            if (t->n < LONG) append_some(m, t, &rng);
        }
        ck_valid(clkv_manager_validate(m));
        for (int i = 0; i < SEQUENCES; i++)
            if (texts[i].seq) check(&texts[i]);
    }
    if (_i == 0) ck_assert_uint_gt(stats_of(m).evictions, random_steps(100));
    ck_assert_uint_gt(stats_of(m).copies_on_write, random_steps(20));

    /* When all are gone and nothing is cached, everything that was ever written is named. */
    for (int i = 0; i < SEQUENCES; i++) clkv_sequence_destroy(&texts[i].seq);
    ck_ok(clkv_manager_reset(m));
    uint32_t list[BLOCKS], n = 0;
    ck_ok(clkv_manager_take_uncleared(m, 0, list, BLOCKS, &n));
    for (uint32_t i = 0; i < n; i++) memset(memory[list[i]], 0, sizeof memory[0]);
    for (uint32_t block = 0; block < BLOCKS; block++)
        for (uint32_t k = 0; k < B; k++) must(memory[block][k] == 0);
    ck_ok(clkv_manager_take_uncleared(m, 0, list, BLOCKS, &n));
    ck_assert_uint_eq(n, 0);
    end_manager(&m);
}
END_TEST

START_TEST(what_is_asked_wrongly_is_refused)
{
    uint32_t list[2], n = 7;
    clkv_manager *m = new_manager(4), *clearing = new_clearing(0);
    ck_assert_int_eq(clkv_manager_take_uncleared(m, 0, list, 2, &n), CLKV_ERROR_STATE);
    ck_assert_int_eq(clkv_manager_take_uncleared(NULL, 0, list, 2, &n), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_manager_take_uncleared(clearing, 0, NULL, 2, &n), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_manager_take_uncleared(clearing, 0, list, 2, NULL), CLKV_ERROR_INVALID);
    ck_assert_uint_eq(n, 7);
    ck_ok(clkv_manager_take_uncleared(clearing, 0, NULL, 0, &n));
    ck_assert_uint_eq(n, 0);
    ck_assert_uint_gt(stats_of(clearing).host_bytes, BLOCKS * sizeof *list);
    end_manager(&m);
    end_manager(&clearing);
}
END_TEST

/* The tokens of a prefix that nobody can find any more are not in the index's memory either. */
START_TEST(forgotten_tokens_are_overwritten)
{
    clkv_manager *m = new_clearing(0);
    uint32_t tokens[3 * B];
    fill_tokens(tokens, 3 * B, 4);
    clkv_sequence *seq = serve(m, tokens, 3 * B, NULL);
    uint32_t nodes[3];
    for (uint32_t i = 0; i < 3; i++) {
        nodes[i] = clkv_prefix_node_of(m->prefix, block_at(seq, i));
        ck_assert_mem_eq(clkv_node_tokens(m->prefix, nodes[i]), tokens + i * B, B * sizeof *tokens);
    }
    clkv_sequence_destroy(&seq);
    ck_ok(clkv_manager_reset(m));
    static const uint32_t zeros[B];
    for (uint32_t i = 0; i < 3; i++) ck_assert_mem_eq(clkv_node_tokens(m->prefix, nodes[i]), zeros, sizeof zeros);
    end_manager(&m);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("uncleared");
    TCase *tests = tcase_create("uncleared");
    tcase_set_timeout(tests, 300);
    tcase_add_loop_test(tests, no_block_has_what_another_left, 0, 2);
    tcase_add_test(tests, what_is_asked_wrongly_is_refused);
    tcase_add_test(tests, forgotten_tokens_are_overwritten);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
