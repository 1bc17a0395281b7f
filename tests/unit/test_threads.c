/* test_threads.c: one manager, several threads, each with sequences and a batch of its own. Meant for the
 * thread sanitizer; without it, it still sees broken counts. SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <pthread.h>

#define THREADS 4
#define KEEP    3

static clkv_manager *m;

static void *work(void *arg)
{
    uint64_t rng = (uint64_t)(uintptr_t)arg * 7919 + 1;
    uint32_t text[96];
    clkv_sequence *seqs[KEEP] = {NULL};
    clkv_batch *batch = NULL;
    if (clkv_batch_create(&batch, m) != CLKV_OK) return "create of a batch";
    for (int round = 0; round < 1500; round++) {
        clkv_sequence **seq = &seqs[rng_below(&rng, KEEP)];
        fill_tokens(text, 96, rng_below(&rng, 5));
        const uint32_t n = 17 + rng_below(&rng, 79);
        size_t matched = 0;
        if (!*seq) {
            const clkv_sequence_params params = {.size = sizeof params, .tokens = text, .n_tokens = n};
            if (clkv_sequence_create(seq, m, &params, &matched) != CLKV_OK) return "create";
        }
        const uint32_t have = (uint32_t)clkv_sequence_length(*seq);
        switch (rng_below(&rng, 6)) {
        case 0: clkv_sequence_destroy(seq); break;
        case 1:
            if (clkv_sequence_truncate(*seq, rng_below(&rng, have + 1)) != CLKV_OK) return "truncate";
            break;
        case 2: {
            clkv_sequence *fork = NULL;
            if (clkv_sequence_fork(&fork, *seq, 0) != CLKV_OK) return "fork";
            clkv_sequence_destroy(seq);
            *seq = fork;
            break;
        }
        default:
            if (have >= 90) break;
            if (clkv_batch_add(batch, *seq, text + have, 1 + rng_below(&rng, 96 - have), NULL) != CLKV_OK)
                return "add";
            if (clkv_batch_reserve(batch) == CLKV_OK) {
                const uint32_t *slots = NULL;
                uint32_t n_slots = 0;
                if (rng_below(&rng, 2)) clkv_batch_get_slots(batch, 0, &slots, &n_slots);
                if (rng_below(&rng, 4) ? clkv_batch_commit(batch) : clkv_batch_rollback(batch)) return "commit";
            } else {
                clkv_batch_missing(batch);
                clkv_batch_victim(batch);
            }
            if (clkv_batch_clear(batch) != CLKV_OK) return "clear";
        }
        clkv_stats stats = {.size = sizeof stats};
        if (clkv_manager_lookup(m, NULL, 0, text, n, &matched) != CLKV_OK) return "lookup";
        if (round % 16 == 0 && clkv_manager_pin(m, NULL, 0, text, n, rng_below(&rng, 3), 1, NULL)) return "pin";
        if (round % 8 == 0 && clkv_manager_get_stats(m, &stats) != CLKV_OK) return "stats";
        if (round % 32 == 0 && clkv_manager_validate(m)) return "validate";
    }
    for (int i = 0; i < KEEP; i++) clkv_sequence_destroy(&seqs[i]);
    clkv_batch_destroy(&batch);
    return NULL;
}

START_TEST(threads_share_a_manager)
{
    m = new_manager(48);
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, work, (void *)(i + 1)), 0);
    for (int i = 0; i < THREADS; i++) {
        void *failed = NULL;
        ck_assert_int_eq(pthread_join(threads[i], &failed), 0);
        ck_assert_msg(!failed, "%s failed", (const char *)failed);
    }
    ck_valid(clkv_manager_validate(m));
    ck_assert_uint_eq(counts_of(m).used, 0);
    ck_assert_uint_gt(stats_of(m).hit_blocks, 0);
    ck_assert_uint_gt(stats_of(m).evictions, 0);
    end_manager(&m);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("threads");
    TCase *tests = tcase_create("threads");
    tcase_set_timeout(tests, 300);
    tcase_add_test(tests, threads_share_a_manager);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
