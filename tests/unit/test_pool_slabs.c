/* test_pool_slabs.c: slabs of the block pool: opening, closing, ids, moving blocks; a random walk against a model.
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/pool.h"

#include "support.h"

static clkv_pool *make_pool(uint32_t blocks, uint32_t slab_blocks, uint64_t seed)
{
    clkv_pool_params params = CLKV_PARAMS_INIT(clkv_pool_params);
    params.blocks = blocks;
    params.slab_blocks = slab_blocks;
    params.shuffle_seed = seed;
    clkv_pool *pool = NULL;
    ck_ok(clkv_pool_create(&pool, &params));
    return pool;
}

static clkv_slab_id open_slab(clkv_pool *pool, uint32_t slab)
{
    clkv_slab_id id = 0;
    ck_ok(clkv_pool_open_slab(pool, slab, &id));
    ck_assert(id != 0 && id == clkv_pool_slab_at(pool, slab));
    ck_assert_ptr_null(clkv_pool_validate(pool));
    return id;
}

static clkv_pool_counts counts_of(const clkv_pool *pool)
{
    clkv_pool_counts counts = CLKV_PARAMS_INIT(clkv_pool_counts);
    ck_ok(clkv_pool_get_counts(pool, &counts));
    return counts;
}

START_TEST(closed_slabs_give_no_blocks)
{
    clkv_pool *pool = make_pool(10, 4, 0);
    uint32_t got[10];
    ck_assert_uint_eq(clkv_pool_available(pool), 0);
    ck_assert_int_eq(clkv_pool_allocate(pool, 1, got), CLKV_ERROR_NO_BLOCKS);
    open_slab(pool, 2); /* the last one has two blocks */
    ck_assert_uint_eq(clkv_pool_available(pool), 2);
    ck_ok(clkv_pool_allocate(pool, 2, got));
    ck_assert(got[0] == 8 && got[1] == 9);
    ck_assert_int_eq(clkv_pool_allocate(pool, 1, got), CLKV_ERROR_NO_BLOCKS);
    open_slab(pool, 1);
    ck_ok(clkv_pool_allocate(pool, 1, got + 2));
    ck_assert_uint_eq(got[2], 4);
    open_slab(pool, 0);
    ck_ok(clkv_pool_allocate(pool, 1, got + 3)); /* of the lowest slab, though slab 1 has free blocks */
    ck_assert_uint_eq(got[3], 0);
    const clkv_pool_counts c = counts_of(pool);
    ck_assert(c.total == 10 && c.used == 4 && c.free == 6 && c.slabs == 3 && c.open_slabs == 3);
    ck_assert(c.open_blocks == 10 && c.needed_slabs == 1);
    clkv_pool_destroy(&pool);
}
END_TEST

START_TEST(ids)
{
    clkv_pool *pool = make_pool(8, 4, 0), *other = make_pool(8, 4, 0);
    const clkv_slab_id first = open_slab(pool, 0), foreign = open_slab(other, 0);
    uint32_t block;
    clkv_slab_counts c = CLKV_PARAMS_INIT(clkv_slab_counts);
    ck_assert_int_eq(clkv_pool_open_slab(pool, 0, NULL), CLKV_ERROR_STATE);
    ck_assert_int_eq(clkv_pool_open_slab(pool, 2, NULL), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_pool_close_slab(pool, foreign), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_pool_close_slab(pool, 0), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_pool_get_slab(pool, foreign, &c), CLKV_ERROR_INVALID);
    ck_ok(clkv_pool_allocate(pool, 1, &block));
    ck_assert_int_eq(clkv_pool_close_slab(pool, first), CLKV_ERROR_BUSY);
    ck_ok(clkv_pool_get_slab(pool, first, &c));
    ck_assert(c.slab == 0 && c.first_block == 0 && c.blocks == 4 && c.taken == 1);
    ck_ok(clkv_pool_retain(pool, block, 1));
    ck_ok(clkv_pool_release(pool, block));
    ck_assert_int_eq(clkv_pool_close_slab(pool, first), CLKV_ERROR_BUSY); /* cached */
    ck_ok(clkv_pool_retain(pool, block, 0));
    ck_ok(clkv_pool_close_slab(pool, first));
    ck_assert_int_eq(clkv_pool_close_slab(pool, first), CLKV_ERROR_STATE); /* closed twice */
    ck_assert_uint_eq(clkv_pool_slab_at(pool, 0), 0);
    const clkv_slab_id second = open_slab(pool, 0);
    ck_assert(second != first);
    ck_assert_int_eq(clkv_pool_close_slab(pool, first), CLKV_ERROR_STATE); /* stale */
    ck_assert_int_eq(clkv_pool_get_slab(pool, first, &c), CLKV_ERROR_STATE);
    ck_ok(clkv_pool_close_slab(pool, second));
    ck_assert_uint_eq(clkv_pool_available(pool), 0);
    ck_assert_ptr_null(clkv_pool_validate(pool));
    clkv_pool_destroy(&pool);
    clkv_pool_destroy(&other);
}
END_TEST

START_TEST(without_slabs)
{
    clkv_pool *pool = make_pool(8, 0, 0);
    const clkv_pool_counts c = counts_of(pool);
    ck_assert(c.slabs == 1 && c.open_slabs == 1 && c.open_blocks == 8 && c.needed_slabs == 0);
    ck_assert_int_eq(clkv_pool_open_slab(pool, 0, NULL), CLKV_ERROR_STATE);
    ck_assert_int_eq(clkv_pool_close_slab(pool, clkv_pool_slab_at(pool, 0)), CLKV_ERROR_STATE);
    ck_assert_uint_eq(clkv_pool_available(pool), 8);
    clkv_pool_destroy(&pool);
    clkv_pool_params params = CLKV_PARAMS_INIT(clkv_pool_params);
    params.blocks = 33;
    params.slab_blocks = 1;
    ck_assert_int_eq(clkv_pool_create(&pool, &params), CLKV_ERROR_INVALID);
}
END_TEST

/* Cached blocks are evicted in the same order after one of them has moved. */
START_TEST(a_moved_block_keeps_its_place)
{
    clkv_pool *pool = make_pool(8, 4, 0);
    uint32_t got[8];
    open_slab(pool, 0);
    open_slab(pool, 1);
    ck_ok(clkv_pool_allocate(pool, 8, got));
    for (uint32_t i = 4; i < 8; i++) {
        ck_ok(clkv_pool_retain(pool, i, 1));
        ck_ok(clkv_pool_set_priority(pool, i, 3));
    }
    ck_ok(clkv_pool_acquire(pool, 5));
    static const uint32_t released[] = { 1, 2, 6, 4, 7 };
    for (uint32_t i = 0; i < 5; i++) ck_ok(clkv_pool_release(pool, released[i]));
    ck_assert_uint_eq(clkv_pool_next_free(pool, 0, 0), 2);
    ck_assert_uint_eq(clkv_pool_next_free(pool, 0, 1), 1);
    ck_assert_uint_eq(clkv_pool_move(pool, 4, 0), 2); /* cached */
    ck_assert_uint_eq(clkv_pool_move(pool, 5, 0), 1); /* used, two references */
    ck_assert_ptr_null(clkv_pool_validate(pool));
    ck_assert_uint_eq(clkv_pool_refs(pool, 1), 2);
    ck_assert_uint_eq(clkv_pool_refs(pool, 5), 0);
    ck_ok(clkv_pool_allocate(pool, 5, got)); /* two free ones, then 6, 4 (now 2), 7 */
    ck_assert(got[0] == 5 && got[1] == 4 && got[2] == 6 && got[3] == 2 && got[4] == 7);
    clkv_pool_destroy(&pool);
}
END_TEST

/* ---- a random walk against a model that knows the state of every block ---- */

enum { BLOCKS = 23, EACH = 5, SLABS = 5 };

typedef struct model {
    clkv_pool *pool;
    uint32_t refs[BLOCKS];
    int retained[BLOCKS], open[SLABS];
    clkv_slab_id ids[SLABS];
} model;

static uint32_t taken_in(const model *m, uint32_t slab)
{
    uint32_t n = 0;
    for (uint32_t b = slab * EACH; b < BLOCKS && b < (slab + 1) * EACH; b++) n += m->refs[b] || m->retained[b];
    return n;
}

static uint32_t size_of(uint32_t slab)
{
    return slab + 1 < SLABS ? EACH : BLOCKS - slab * EACH;
}

static void open_or_close(model *m, uint32_t slab)
{
    if (!m->open[slab]) {
        m->ids[slab] = open_slab(m->pool, slab);
        m->open[slab] = 1;
    } else {
        const clkv_status want = taken_in(m, slab) ? CLKV_ERROR_BUSY : CLKV_OK;
        must(clkv_pool_close_slab(m->pool, m->ids[slab]) == want);
        m->open[slab] = want != CLKV_OK;
    }
}

static void allocate(model *m)
{
    uint32_t free_blocks = 0, lowest = SLABS, block;
    for (uint32_t s = SLABS; s-- > 0;) {
        const uint32_t room = m->open[s] ? size_of(s) - taken_in(m, s) : 0;
        free_blocks += room;
        if (room) lowest = s;
    }
    const clkv_status status = clkv_pool_allocate(m->pool, 1, &block);
    if (free_blocks) {
        must(status == CLKV_OK && block / EACH == lowest && !m->refs[block] && !m->retained[block]);
    } else if (status == CLKV_OK) {
        must(m->retained[block] && !m->refs[block]);
    }
    if (status == CLKV_OK) {
        m->refs[block] = 1;
        m->retained[block] = 0;
    }
}

static void move(model *m, uint32_t from, uint32_t slab)
{
    if ((!m->refs[from] && !m->retained[from]) || slab == from / EACH) return;
    if (!m->open[slab] || taken_in(m, slab) == size_of(slab)) return;
    const uint32_t expected = clkv_pool_next_free(m->pool, slab, 0), to = clkv_pool_move(m->pool, from, slab);
    must(to == expected && to / EACH == slab && !m->refs[to] && !m->retained[to]);
    m->refs[to] = m->refs[from];
    m->retained[to] = m->retained[from];
    m->refs[from] = 0;
    m->retained[from] = 0;
}

static void step(model *m, uint64_t *rng)
{
    const uint32_t block = rng_below(rng, BLOCKS);
    switch (rng_below(rng, 8)) {
    case 0: open_or_close(m, rng_below(rng, SLABS)); break;
    case 1:
    case 2:
    case 3: allocate(m); break;
    case 4:
        must((clkv_pool_release(m->pool, block) == CLKV_OK) == (m->refs[block] > 0));
        if (m->refs[block]) m->refs[block]--;
        break;
    case 5:
        must((clkv_pool_acquire(m->pool, block) == CLKV_OK) == (m->refs[block] || m->retained[block]));
        if (m->refs[block] || m->retained[block]) m->refs[block]++;
        break;
    case 6: {
        const int retained = (int)rng_below(rng, 3) > 0;
        if (clkv_pool_retain(m->pool, block, retained) == CLKV_OK) m->retained[block] = retained;
        break;
    }
    default: move(m, block, rng_below(rng, SLABS)); break;
    }
}

START_TEST(random_walk)
{
    uint64_t rng = 77 + (uint64_t)_i;
    model m = { .pool = make_pool(BLOCKS, EACH, (uint64_t)_i) }; /* shuffled, but for the first */
    for (uint32_t i = 0; i < random_steps(20000); i++) {
        step(&m, &rng);
        const char *broken = clkv_pool_validate(m.pool);
        if (broken) ck_abort_msg("step %u: %s", i, broken);
        for (uint32_t b = 0; b < BLOCKS; b++) must(clkv_pool_refs(m.pool, b) == m.refs[b]);
        uint32_t open = 0;
        for (uint32_t s = 0; s < SLABS; s++) open += (uint32_t)m.open[s];
        const clkv_pool_counts c = counts_of(m.pool);
        must(c.open_slabs == open && c.needed_slabs == (c.used + c.cached + EACH - 1) / EACH);
    }
    clkv_pool_destroy(&m.pool);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pool slabs");
    TCase *tcase = tcase_create("pool slabs");
    tcase_add_test(tcase, closed_slabs_give_no_blocks);
    tcase_add_test(tcase, ids);
    tcase_add_test(tcase, without_slabs);
    tcase_add_test(tcase, a_moved_block_keeps_its_place);
    tcase_add_loop_test(tcase, random_walk, 0, 4);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
