/* test_pool.c: the block pool. SPDX-License-Identifier: Apache-2.0 */
#include <clkv/pool.h>

#include "support.h"

#include <stdio.h>
#include <string.h>

#include <unistd.h>

/* What evict was called with. */
typedef struct evicted {
    uint32_t blocks[64];
    uint32_t n;
} evicted;

static void on_evict(void *user, uint32_t block)
{
    evicted *log = user;
    must(log->n < 64);
    log->blocks[log->n++] = block;
}

static clkv_pool *make_pool(uint32_t blocks, uint32_t watermark, evicted *log)
{
    clkv_pool_params params = CLKV_PARAMS_INIT(clkv_pool_params);
    params.blocks = blocks;
    params.watermark = watermark;
    if (log) {
        log->n = 0;
        params.evict = on_evict;
        params.user = log;
    }
    clkv_pool *pool = NULL;
    ck_ok(clkv_pool_create(&pool, &params));
    return pool;
}

static clkv_pool_counts counts_of(const clkv_pool *pool)
{
    clkv_pool_counts counts = CLKV_PARAMS_INIT(clkv_pool_counts);
    clkv_pool_get_counts(pool, &counts);
    must(counts.free + counts.cached + counts.used == counts.total);
    return counts;
}

static uint32_t take(clkv_pool *pool)
{
    uint32_t block = CLKV_NO_BLOCK;
    ck_ok(clkv_pool_allocate(pool, 1, &block));
    return block;
}

/* All blocks of a pool, retained and released in the order 0, 1, 2 …: all are cached. */
static clkv_pool *make_cached_pool(uint32_t blocks, evicted *log)
{
    clkv_pool *pool = make_pool(blocks, 0, log);
    for (uint32_t i = 0; i < blocks; i++) {
        ck_assert_uint_eq(take(pool), i);
        ck_ok(clkv_pool_retain(pool, i, 1));
    }
    for (uint32_t i = 0; i < blocks; i++) ck_ok(clkv_pool_release(pool, i));
    ck_assert_uint_eq(counts_of(pool).cached, blocks);
    return pool;
}

START_TEST(bad_parameters_are_refused)
{
    clkv_pool *pool = NULL;
    clkv_pool_params params = CLKV_PARAMS_INIT(clkv_pool_params);
    ck_assert_int_eq(clkv_pool_create(&pool, &params), CLKV_ERROR_INVALID);
    params.blocks = (1u << 31) + 1;
    ck_assert_int_eq(clkv_pool_create(&pool, &params), CLKV_ERROR_INVALID);
    params.blocks = 1;
    ck_assert_int_eq(clkv_pool_create(NULL, &params), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_pool_create(&pool, NULL), CLKV_ERROR_INVALID);
    params.size = sizeof params.size - 1;
    ck_assert_int_eq(clkv_pool_create(&pool, &params), CLKV_ERROR_INVALID);
    ck_assert_ptr_null(pool);
    clkv_pool_destroy(&pool);
    clkv_pool_destroy(NULL);
}
END_TEST

START_TEST(blocks_are_first_used_in_order)
{
    clkv_pool *pool = make_pool(5, 0, NULL);
    for (uint32_t i = 0; i < 5; i++) ck_assert_uint_eq(take(pool), i);
    ck_valid(clkv_pool_validate(pool));
    clkv_pool_destroy(&pool);
    ck_assert_ptr_null(pool);
}
END_TEST

START_TEST(a_shuffled_pool_hands_out_every_block_once)
{
    static const uint32_t sizes[] = { 1, 2, 3, 4, 5, 16, 17, 1000, 4097 };
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        const uint32_t n = sizes[s];
        clkv_pool_params params = CLKV_PARAMS_INIT(clkv_pool_params);
        params.blocks = n;
        params.shuffle_seed = 7;
        clkv_pool *pool;
        ck_ok(clkv_pool_create(&pool, &params));
        unsigned char *seen = calloc(n, 1);
        uint32_t in_place = 0;
        for (uint32_t i = 0; i < n; i++) {
            const uint32_t block = take(pool);
            ck_assert_uint_lt(block, n);
            ck_assert_uint_eq(seen[block]++, 0);
            in_place += block == i;
        }
        if (n >= 1000) ck_assert_uint_lt(in_place, n / 100);
        ck_valid(clkv_pool_validate(pool));
        free(seen);
        clkv_pool_destroy(&pool);
    }
}
END_TEST

START_TEST(an_allocation_that_does_not_fit_changes_nothing)
{
    evicted log;
    clkv_pool *pool = make_cached_pool(4, &log);
    take(pool);
    log.n = 0;
    const clkv_pool_counts before = counts_of(pool);
    uint32_t out[4] = { 91, 92, 93, 94 };
    ck_assert_int_eq(clkv_pool_allocate(pool, 4, out), CLKV_ERROR_NO_BLOCKS);
    ck_assert_int_eq(clkv_pool_allocate(pool, UINT32_MAX, out), CLKV_ERROR_NO_BLOCKS);
    ck_assert_uint_eq(out[0], 91);
    const clkv_pool_counts after = counts_of(pool);
    ck_assert_mem_eq(&before, &after, sizeof before);
    ck_assert_uint_eq(log.n, 0);
    ck_valid(clkv_pool_validate(pool));
    ck_ok(clkv_pool_allocate(pool, 0, NULL));
    ck_ok(clkv_pool_allocate(pool, 3, out));
    ck_assert_uint_eq(clkv_pool_available(pool), 0);
    ck_valid(clkv_pool_validate(pool));
    clkv_pool_destroy(&pool);
}
END_TEST

START_TEST(the_watermark_is_left_alone)
{
    clkv_pool *pool = make_pool(10, 3, NULL);
    uint32_t out[10];
    ck_assert_uint_eq(clkv_pool_available(pool), 7);
    ck_assert_int_eq(clkv_pool_allocate(pool, 8, out), CLKV_ERROR_NO_BLOCKS);
    ck_ok(clkv_pool_allocate(pool, 7, out));
    ck_assert_uint_eq(clkv_pool_available(pool), 0);
    ck_assert_int_eq(clkv_pool_allocate(pool, 1, out), CLKV_ERROR_NO_BLOCKS);
    ck_assert_uint_eq(counts_of(pool).free, 3);
    clkv_pool_destroy(&pool);
    pool = make_pool(2, 5, NULL);
    ck_assert_uint_eq(clkv_pool_available(pool), 0);
    clkv_pool_destroy(&pool);
}
END_TEST

START_TEST(references_are_counted)
{
    clkv_pool *pool = make_pool(4, 0, NULL);
    const uint32_t block = take(pool);
    ck_assert_uint_eq(clkv_pool_refs(pool, block), 1);
    ck_ok(clkv_pool_acquire(pool, block));
    ck_assert_uint_eq(clkv_pool_refs(pool, block), 2);
    ck_assert_uint_eq(counts_of(pool).used, 1);
    ck_ok(clkv_pool_release(pool, block));
    ck_assert_uint_eq(counts_of(pool).used, 1);
    ck_ok(clkv_pool_release(pool, block));
    ck_assert_uint_eq(clkv_pool_refs(pool, block), 0);
    ck_assert_uint_eq(counts_of(pool).free, 4);
    ck_valid(clkv_pool_validate(pool));
    clkv_pool_destroy(&pool);
}
END_TEST

START_TEST(double_release_and_foreign_ids_are_errors)
{
    clkv_pool *pool = make_pool(4, 0, NULL);
    const uint32_t block = take(pool), foreign[] = { 4, 1000, CLKV_NO_BLOCK };
    ck_ok(clkv_pool_release(pool, block));
    ck_assert_int_eq(clkv_pool_release(pool, block), CLKV_ERROR_STATE);
    ck_assert_int_eq(clkv_pool_release(pool, 3), CLKV_ERROR_STATE); /* never used */
    ck_assert_int_eq(clkv_pool_acquire(pool, block), CLKV_ERROR_STATE);
    ck_assert_int_eq(clkv_pool_retain(pool, block, 1), CLKV_ERROR_STATE);
    ck_assert_int_eq(clkv_pool_set_priority(pool, block, 1), CLKV_ERROR_STATE);
    ck_assert_int_eq(clkv_pool_force_free(pool, block), CLKV_ERROR_STATE);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(clkv_pool_release(pool, foreign[i]), CLKV_ERROR_INVALID);
        ck_assert_int_eq(clkv_pool_acquire(pool, foreign[i]), CLKV_ERROR_INVALID);
        ck_assert_int_eq(clkv_pool_retain(pool, foreign[i], 0), CLKV_ERROR_INVALID);
        ck_assert_int_eq(clkv_pool_set_priority(pool, foreign[i], 0), CLKV_ERROR_INVALID);
        ck_assert_int_eq(clkv_pool_force_free(pool, foreign[i]), CLKV_ERROR_INVALID);
        ck_assert_uint_eq(clkv_pool_refs(pool, foreign[i]), 0);
    }
    ck_assert_int_eq(clkv_pool_set_priority(pool, take(pool), CLKV_POOL_PRIORITIES), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_pool_allocate(pool, 1, NULL), CLKV_ERROR_INVALID);
    ck_valid(clkv_pool_validate(pool));

    /* A cached block has been released too. */
    const uint32_t kept = take(pool);
    ck_ok(clkv_pool_retain(pool, kept, 1));
    ck_ok(clkv_pool_release(pool, kept));
    ck_assert_int_eq(clkv_pool_release(pool, kept), CLKV_ERROR_STATE);
    ck_assert_uint_eq(counts_of(pool).cached, 1);
    ck_valid(clkv_pool_validate(pool));
    clkv_pool_destroy(&pool);
}
END_TEST

START_TEST(free_blocks_go_first_then_the_least_recently_released)
{
    evicted log;
    clkv_pool *pool = make_pool(6, 0, &log);
    uint32_t b[6];
    ck_ok(clkv_pool_allocate(pool, 5, b));
    for (int i = 0; i < 5; i++) ck_ok(clkv_pool_retain(pool, b[i], i != 1));
    /* As a sequence gives its blocks back, tail first; b[1] is not worth keeping. */
    for (int i = 4; i >= 0; i--) ck_ok(clkv_pool_release(pool, b[i]));
    ck_assert_uint_eq(take(pool), b[1]);
    ck_assert_uint_eq(take(pool), 5);
    ck_assert_uint_eq(log.n, 0);
    ck_assert_uint_eq(take(pool), b[4]);
    ck_assert_uint_eq(take(pool), b[3]);
    ck_assert_uint_eq(take(pool), b[2]);
    ck_assert_uint_eq(take(pool), b[0]);
    ck_assert_uint_eq(log.n, 4);
    ck_assert_uint_eq(log.blocks[0], b[4]);
    ck_assert_uint_eq(log.blocks[3], b[0]);
    ck_assert_uint_eq(counts_of(pool).evictions, 4);
    ck_valid(clkv_pool_validate(pool));
    clkv_pool_destroy(&pool);
}
END_TEST

START_TEST(a_cached_block_is_resurrected_from_the_middle)
{
    evicted log;
    clkv_pool *pool = make_cached_pool(5, &log);
    ck_ok(clkv_pool_acquire(pool, 2));
    ck_assert_uint_eq(clkv_pool_refs(pool, 2), 1);
    ck_assert_uint_eq(log.n, 0);
    ck_valid(clkv_pool_validate(pool));
    const uint32_t order[] = { 0, 1, 3, 4 };
    for (int i = 0; i < 4; i++) ck_assert_uint_eq(take(pool), order[i]);
    uint32_t none;
    ck_assert_int_eq(clkv_pool_allocate(pool, 1, &none), CLKV_ERROR_NO_BLOCKS);
    /* It is still retained: released again, it is the newest. */
    ck_ok(clkv_pool_release(pool, 2));
    ck_assert_uint_eq(counts_of(pool).cached, 1);
    ck_valid(clkv_pool_validate(pool));
    clkv_pool_destroy(&pool);
}
END_TEST

START_TEST(low_priorities_are_reused_first)
{
    evicted log;
    clkv_pool *pool = make_cached_pool(6, &log);
    ck_ok(clkv_pool_set_priority(pool, 0, 7));
    ck_ok(clkv_pool_set_priority(pool, 1, 2));
    ck_ok(clkv_pool_set_priority(pool, 3, 2));
    ck_ok(clkv_pool_set_priority(pool, 2, 0)); /* to the recent end of the plain list */
    ck_valid(clkv_pool_validate(pool));
    const uint32_t order[] = { 4, 5, 2, 1, 3, 0 };
    for (int i = 0; i < 6; i++) ck_assert_uint_eq(take(pool), order[i]);
    /* Allocation has reset the priority: block 0 is plain again and goes by age. */
    for (uint32_t i = 0; i < 6; i++) ck_ok(clkv_pool_retain(pool, i, 1));
    for (uint32_t i = 0; i < 6; i++) ck_ok(clkv_pool_release(pool, i));
    ck_assert_uint_eq(take(pool), 0);
    ck_valid(clkv_pool_validate(pool));
    clkv_pool_destroy(&pool);
}
END_TEST

START_TEST(retaining_can_be_taken_back)
{
    evicted log;
    clkv_pool *pool = make_cached_pool(3, &log);
    ck_ok(clkv_pool_retain(pool, 1, 0));
    ck_assert_uint_eq(counts_of(pool).free, 1);
    ck_assert_uint_eq(log.n, 0);
    ck_valid(clkv_pool_validate(pool));
    ck_assert_uint_eq(take(pool), 1);
    ck_ok(clkv_pool_retain(pool, 1, 1));
    ck_ok(clkv_pool_retain(pool, 1, 0));
    ck_ok(clkv_pool_release(pool, 1));
    ck_assert_uint_eq(counts_of(pool).free, 1);
    ck_ok(clkv_pool_retain(pool, 0, 1)); /* already is */
    ck_assert_uint_eq(counts_of(pool).cached, 2);
    ck_valid(clkv_pool_validate(pool));
    clkv_pool_destroy(&pool);
}
END_TEST

START_TEST(forcing_a_block_free_evicts_what_was_retained)
{
    evicted log;
    clkv_pool *pool = make_cached_pool(3, &log);
    ck_ok(clkv_pool_force_free(pool, 1));
    ck_assert_uint_eq(log.n, 1);
    ck_assert_uint_eq(log.blocks[0], 1);
    const uint32_t block = take(pool);
    ck_assert_uint_eq(block, 1);
    ck_ok(clkv_pool_acquire(pool, block));
    ck_ok(clkv_pool_force_free(pool, block)); /* two references, not retained */
    ck_assert_uint_eq(log.n, 1);
    ck_assert_uint_eq(clkv_pool_refs(pool, block), 0);
    ck_valid(clkv_pool_validate(pool));
    ck_ok(clkv_pool_acquire(pool, 2));
    ck_ok(clkv_pool_force_free(pool, 2));
    ck_assert_uint_eq(log.n, 2);
    ck_assert_int_eq(clkv_pool_force_free(pool, 2), CLKV_ERROR_STATE);
    ck_assert_uint_eq(counts_of(pool).evictions, 0); /* only an allocation evicts */
    ck_assert_uint_eq(counts_of(pool).free, 2);
    ck_valid(clkv_pool_validate(pool));
    clkv_pool_destroy(&pool);
}
END_TEST

START_TEST(peaks_and_totals_are_kept)
{
    clkv_pool *pool = make_pool(8, 0, NULL);
    uint32_t out[8];
    ck_ok(clkv_pool_allocate(pool, 6, out));
    for (int i = 0; i < 6; i++) {
        ck_ok(clkv_pool_retain(pool, out[i], 1));
        ck_ok(clkv_pool_release(pool, out[i]));
    }
    for (int i = 0; i < 6; i++) ck_ok(clkv_pool_acquire(pool, out[i]));
    take(pool);
    clkv_pool_counts counts = counts_of(pool);
    ck_assert_uint_eq(counts.peak_used, 7);
    ck_assert_uint_eq(counts.allocations, 7);
    ck_assert_uint_eq(counts.evictions, 0);
    ck_assert_uint_ge(counts.host_bytes, 8 * 12);
    clkv_pool_destroy(&pool);
}
END_TEST

static size_t resident_bytes(void)
{
    unsigned long all = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file) return 0;
    if (fscanf(file, "%lu %lu", &all, &resident) != 2) resident = 0;
    fclose(file);
#ifdef _SC_PAGESIZE
    return resident * (size_t)sysconf(_SC_PAGESIZE);
#else
    return 0;
#endif
}

START_TEST(blocks_never_used_cost_nothing)
{
    for (int shuffled = 0; shuffled < 2; shuffled++) {
        const size_t before = resident_bytes();
        clkv_pool_params params = CLKV_PARAMS_INIT(clkv_pool_params);
        params.blocks = 100 * 1000 * 1000;
        params.shuffle_seed = shuffled;
        clkv_pool *pool;
        ck_ok(clkv_pool_create(&pool, &params));
        if (!shuffled)
            for (int i = 0; i < 1000; i++) take(pool);
        ck_assert_uint_eq(clkv_pool_available(pool), params.blocks - (shuffled ? 0 : 1000));
        /* The tables are 1.6 GB; a huge page of each may have come. */
        ck_assert_uint_lt(resident_bytes() - before, (size_t)16 << 20);
        clkv_pool_destroy(&pool);
    }
}
END_TEST

/* ---- random operations against a plain model ---- */

enum { BLOCKS = 24, NEVER, FREE, USED, CACHED };

typedef struct model {
    struct {
        int state, retained;
        uint32_t refs, priority;
        uint64_t released;
    } blocks[BLOCKS];
    uint32_t freed[BLOCKS], n_freed, fresh, watermark;
    uint64_t clock;
    evicted expected;
} model;

static uint32_t model_count(const model *m, int state)
{
    uint32_t n = 0;
    for (uint32_t b = 0; b < BLOCKS; b++) n += m->blocks[b].state == state;
    return n;
}

static uint32_t model_take(model *m)
{
    if (m->n_freed) return m->freed[--m->n_freed];
    if (m->fresh < BLOCKS) return m->fresh++;
    uint32_t best = BLOCKS;
    for (uint32_t b = 0; b < BLOCKS; b++) {
        if (m->blocks[b].state != CACHED) continue;
        if (best == BLOCKS || m->blocks[b].priority < m->blocks[best].priority ||
            (m->blocks[b].priority == m->blocks[best].priority && m->blocks[b].released < m->blocks[best].released))
            best = b;
    }
    m->expected.blocks[m->expected.n++] = best;
    return best;
}

static void model_free(model *m, uint32_t b)
{
    m->blocks[b].state = FREE;
    m->blocks[b].refs = 0;
    m->freed[m->n_freed++] = b;
}

static void step_allocate(model *m, clkv_pool *pool, uint64_t *rng)
{
    const uint32_t n = rng_below(rng, 6), unused = BLOCKS - model_count(m, USED);
    uint32_t out[6];
    const clkv_status status = clkv_pool_allocate(pool, n, out);
    if (n && n + m->watermark > unused) {
        must(status == CLKV_ERROR_NO_BLOCKS);
        return;
    }
    ck_ok(status);
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t b = model_take(m);
        must(out[i] == b);
        m->blocks[b].state = USED;
        m->blocks[b].refs = 1;
        m->blocks[b].retained = 0;
        m->blocks[b].priority = 0;
    }
}

static void step_release(model *m, clkv_pool *pool, uint32_t b)
{
    const int used = m->blocks[b].state == USED;
    must(clkv_pool_release(pool, b) == (used ? CLKV_OK : CLKV_ERROR_STATE));
    if (!used || --m->blocks[b].refs) return;
    if (m->blocks[b].retained) {
        m->blocks[b].state = CACHED;
        m->blocks[b].released = m->clock;
    } else {
        model_free(m, b);
    }
}

static void step_change(model *m, clkv_pool *pool, uint64_t *rng, uint32_t b, uint32_t what)
{
    const int state = m->blocks[b].state;
    const clkv_status expected = state == USED || state == CACHED ? CLKV_OK : CLKV_ERROR_STATE;
    const uint32_t value = rng_below(rng, what == 1 ? 2 : CLKV_POOL_PRIORITIES);
    clkv_status status;
    switch (what) {
    case 0: status = clkv_pool_acquire(pool, b); break;
    case 1: status = clkv_pool_retain(pool, b, (int)value); break;
    case 2: status = clkv_pool_set_priority(pool, b, value); break;
    default: status = clkv_pool_force_free(pool, b); break;
    }
    must(status == expected);
    if (status) return;
    if (what == 0) {
        m->blocks[b].state = USED;
        m->blocks[b].refs++;
    } else if (what == 1) {
        m->blocks[b].retained = (int)value;
        if (!value && state == CACHED) model_free(m, b);
    } else if (what == 2) {
        m->blocks[b].priority = value;
        m->blocks[b].released = m->clock;
    } else {
        if (m->blocks[b].retained) m->expected.blocks[m->expected.n++] = b;
        model_free(m, b);
    }
}

START_TEST(random_operations_agree_with_a_model)
{
    const uint32_t watermark = (uint32_t)_i * 2;
    evicted log;
    clkv_pool *pool = make_pool(BLOCKS, watermark, &log);
    model m = { .watermark = watermark };
    for (int b = 0; b < BLOCKS; b++) m.blocks[b].state = NEVER;
    uint64_t rng = 20 + (uint64_t)_i;
    const uint32_t steps = random_steps(500000);
    for (m.clock = 1; m.clock <= steps; m.clock++) {
        log.n = m.expected.n = 0;
        const uint32_t what = rng_below(&rng, 32), b = rng_below(&rng, BLOCKS);
        if (what < 6)
            step_allocate(&m, pool, &rng);
        else if (what < 18)
            step_release(&m, pool, b);
        else if (what < 31)
            step_change(&m, pool, &rng, b, what < 22 ? 0 : what < 27 ? 1 : 2);
        else
            step_change(&m, pool, &rng, b, 3);
        must(log.n == m.expected.n);
        must(memcmp(log.blocks, m.expected.blocks, log.n * sizeof *log.blocks) == 0);
        const clkv_pool_counts counts = counts_of(pool);
        must(counts.used == model_count(&m, USED));
        must(counts.cached == model_count(&m, CACHED));
        must(clkv_pool_refs(pool, b) == m.blocks[b].refs);
        ck_valid(clkv_pool_validate(pool));
    }
    clkv_pool_destroy(&pool);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pool");
    TCase *tests = tcase_create("pool");
    tcase_set_timeout(tests, 300);
    tcase_add_test(tests, bad_parameters_are_refused);
    tcase_add_test(tests, blocks_are_first_used_in_order);
    tcase_add_test(tests, a_shuffled_pool_hands_out_every_block_once);
    tcase_add_test(tests, an_allocation_that_does_not_fit_changes_nothing);
    tcase_add_test(tests, the_watermark_is_left_alone);
    tcase_add_test(tests, references_are_counted);
    tcase_add_test(tests, double_release_and_foreign_ids_are_errors);
    tcase_add_test(tests, free_blocks_go_first_then_the_least_recently_released);
    tcase_add_test(tests, a_cached_block_is_resurrected_from_the_middle);
    tcase_add_test(tests, low_priorities_are_reused_first);
    tcase_add_test(tests, retaining_can_be_taken_back);
    tcase_add_test(tests, forcing_a_block_free_evicts_what_was_retained);
    tcase_add_test(tests, peaks_and_totals_are_kept);
    tcase_add_test(tests, blocks_never_used_cost_nothing);
    tcase_add_loop_test(tests, random_operations_agree_with_a_model, 0, 2);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
