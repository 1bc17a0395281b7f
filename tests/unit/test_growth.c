/* test_growth.c: pools that grow, compact and give back, in a memory that this test emulates: each block holds the
 * tokens that were written to it, and each sequence must find its own after every step. A slab whose memory is not
 * there has no content. SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include "core/compact.h"
#include "core/growth.h"
#include "core/manager.h"

enum { BLOCK = 4, SLAB = 6, SLABS = 5, BLOCKS = 28 /* the last slab is smaller */, LONGEST = 40, MOST = 12 };

static uint64_t now_ms;

static uint64_t fake_clock(void *user)
{
    (void)user;
    return now_ms;
}

typedef struct memory {
    clkv_manager *m;
    uint32_t *slabs[SLABS]; /* [SLAB * BLOCK] tokens; NULL: closed */
    int refuse;             /* the next slab is refused */
    uint32_t opened, closed;
} memory;

static clkv_status open_slab(void *user, uint32_t slab)
{
    memory *mem = user;
    must(!mem->slabs[slab]);
    if (mem->refuse) return CLKV_ERROR_DEVICE_MEMORY;
    mem->slabs[slab] = calloc(SLAB * BLOCK, sizeof(uint32_t));
    must(mem->slabs[slab] != NULL);
    mem->opened++;
    return CLKV_OK;
}

static void close_slab(void *user, uint32_t slab)
{
    memory *mem = user;
    must(mem->slabs[slab] != NULL);
    free(mem->slabs[slab]);
    mem->slabs[slab] = NULL;
    mem->closed++;
}

static uint32_t *content(const memory *mem, uint32_t block)
{
    must(mem->slabs[block / SLAB] != NULL);
    return mem->slabs[block / SLAB] + block % SLAB * BLOCK;
}

static void start(memory *mem, uint32_t watermark, uint64_t shuffle)
{
    *mem = (memory){ 0 };
    const clkv_manager_params params = { .size = sizeof params, .blocks = BLOCKS, .block_size = BLOCK,
                                         .watermark = watermark, .shuffle_seed = shuffle, .clock_ms = fake_clock };
    const clkv_growth_hooks hooks = { .slab_blocks = SLAB, .open_slabs = 1, .open = open_slab, .close = close_slab,
                                      .user = mem };
    must(open_slab(mem, 0) == CLKV_OK);
    ck_ok(clkv_manager_create_growing(&mem->m, &params, &hooks));
}

static void stop(memory *mem)
{
    clkv_manager_destroy(&mem->m);
    for (uint32_t s = 0; s < SLABS; s++) free(mem->slabs[s]);
}

/* A pass: writes the tokens of a reserved batch's entries as kernels would. */
static clkv_status write_tokens(memory *mem, clkv_sequence *seq, const uint32_t *tokens, uint32_t n)
{
    clkv_batch *batch = NULL;
    const uint32_t *slots;
    const clkv_block_copy *copies;
    uint32_t n_slots, n_copies;
    ck_ok(clkv_batch_create(&batch, mem->m));
    ck_ok(clkv_batch_add(batch, seq, tokens, n, NULL));
    const clkv_status status = clkv_batch_reserve(batch);
    if (status == CLKV_OK) {
        ck_ok(clkv_batch_get_copies(batch, 0, &copies, &n_copies));
        for (uint32_t i = 0; i < n_copies; i++)
            memcpy(content(mem, copies[i].to), content(mem, copies[i].from), BLOCK * sizeof(uint32_t));
        ck_ok(clkv_batch_get_slots(batch, 0, &slots, &n_slots));
        for (uint32_t i = 0; i < n_slots; i++) content(mem, slots[i] / BLOCK)[slots[i] % BLOCK] = tokens[i];
        ck_ok(clkv_batch_commit(batch));
    }
    clkv_batch_destroy(&batch);
    return status;
}

/* Returns the number of moves. */
static uint32_t compact(memory *mem, uint32_t max_moves)
{
    clkv_compaction c;
    clkv_manager_lock(mem->m);
    ck_ok(clkv_compact_plan(mem->m, 1, max_moves, &c));
    for (uint32_t i = 0; i < c.n; i++) {
        must(c.moves[i].from / SLAB != c.moves[i].to / SLAB);
        memcpy(content(mem, c.moves[i].to), content(mem, c.moves[i].from), BLOCK * sizeof(uint32_t));
        memset(content(mem, c.moves[i].from), 0xff, BLOCK * sizeof(uint32_t));
    }
    clkv_compact_apply(mem->m, &c);
    const uint32_t n = c.n;
    clkv_compact_free(&c);
    clkv_manager_unlock(mem->m);
    ck_valid(clkv_manager_validate(mem->m));
    return n;
}

static uint32_t give_back(memory *mem, uint32_t spare)
{
    clkv_manager_lock(mem->m);
    const uint32_t n = clkv_growth_close_empty(mem->m, spare);
    clkv_manager_unlock(mem->m);
    ck_valid(clkv_manager_validate(mem->m));
    return n;
}

static void check_content(const memory *mem, const clkv_sequence *seq, const uint32_t *tokens, uint32_t n)
{
    must(clkv_sequence_length(seq) == n);
    for (uint32_t i = 0; i < n; i++) must(content(mem, block_at(seq, i / BLOCK))[i % BLOCK] == tokens[i]);
}

START_TEST(grows_slab_by_slab)
{
    memory mem;
    uint32_t tokens[BLOCKS * BLOCK];
    start(&mem, 0, 0);
    fill_tokens(tokens, BLOCKS * BLOCK, 1);
    ck_assert_uint_eq(clkv_manager_available(mem.m), BLOCKS);
    clkv_sequence *seq = new_sequence(mem.m, NULL, 0, NULL);
    for (uint32_t blocks = 1; blocks <= BLOCKS; blocks++) {
        ck_ok(write_tokens(&mem, seq, tokens + (blocks - 1) * BLOCK, BLOCK));
        ck_assert_uint_eq(stats_of(mem.m).slabs_open, (blocks - 1) / SLAB + 1);
        ck_assert_uint_eq(clkv_manager_available(mem.m), BLOCKS - blocks);
    }
    check_content(&mem, seq, tokens, BLOCKS * BLOCK);
    clkv_sequence_destroy(&seq);
    /* All blocks are cached: nothing is empty, and a new prompt evicts, since the budget is spent. */
    ck_assert_uint_eq(give_back(&mem, 0), 0);
    ck_assert_uint_eq(stats_of(mem.m).blocks_cached, BLOCKS);
    seq = serve(mem.m, tokens + 1, BLOCK, NULL);
    ck_assert_uint_eq(stats_of(mem.m).evictions, 1);
    clkv_sequence_destroy(&seq);
    ck_ok(clkv_manager_reset(mem.m));
    ck_assert_uint_eq(give_back(&mem, 2), 3);
    ck_assert_uint_eq(give_back(&mem, 0), 1); /* one slab stays */
    ck_assert_uint_eq(stats_of(mem.m).slabs_open, 1);
    ck_assert_uint_eq(stats_of(mem.m).slabs, SLABS);
    ck_assert(mem.opened == SLABS && mem.closed == SLABS - 1);
    stop(&mem);
}
END_TEST

/* A pool whose memory is refused works with what it has, says so, and asks again. */
START_TEST(memory_is_refused)
{
    memory mem;
    uint32_t tokens[3 * SLAB * BLOCK];
    start(&mem, 1, 0);
    fill_tokens(tokens, 3 * SLAB * BLOCK, 1);
    mem.refuse = 1;
    clkv_sequence *seq = new_sequence(mem.m, NULL, 0, NULL), *other = NULL;
    ck_assert_int_eq(write_tokens(&mem, seq, tokens, 7 * BLOCK), CLKV_ERROR_NO_BLOCKS);
    ck_assert_uint_eq(clkv_manager_available(mem.m), SLAB - 1);
    now_ms += 999;
    ck_assert_uint_eq(clkv_manager_available(mem.m), SLAB - 1);
    now_ms += 1;
    ck_assert_uint_eq(clkv_manager_available(mem.m), BLOCKS - 1); /* it may be worth asking again */
    ck_ok(write_tokens(&mem, seq, tokens, 5 * BLOCK)); /* what the watermark leaves of one slab */
    clkv_sequence_destroy(&seq);
    other = serve(mem.m, tokens + 1, 3 * BLOCK, NULL); /* one free block, two evicted */
    ck_assert_uint_eq(stats_of(mem.m).evictions, 2);
    mem.refuse = 0;
    ck_ok(write_tokens(&mem, other, tokens, 3 * BLOCK));
    ck_assert_uint_eq(stats_of(mem.m).evictions, 2);
    ck_assert_uint_eq(stats_of(mem.m).slabs_open, 2);
    ck_assert_uint_eq(clkv_manager_available(mem.m), BLOCKS - 1 - 6);
    clkv_sequence_destroy(&other);
    stop(&mem);
}
END_TEST

/* What cannot be met opens nothing. */
START_TEST(too_much_opens_nothing)
{
    memory mem;
    uint32_t tokens[BLOCKS * BLOCK];
    start(&mem, 0, 0);
    fill_tokens(tokens, BLOCKS * BLOCK, 1);
    clkv_sequence *held = new_sequence(mem.m, NULL, 0, NULL), *seq = new_sequence(mem.m, NULL, 0, NULL);
    ck_ok(write_tokens(&mem, held, tokens, 1));
    ck_assert_int_eq(write_tokens(&mem, seq, tokens, BLOCKS * BLOCK), CLKV_ERROR_NO_BLOCKS);
    ck_assert_uint_eq(stats_of(mem.m).slabs_open, 1);
    clkv_sequence_destroy(&held);
    clkv_sequence_destroy(&seq);
    stop(&mem);
}
END_TEST

/* Blocks that are listed for clearing must be cleared while their memory is there. */
START_TEST(uncleared_blocks_keep_their_slab)
{
    memory mem = { 0 };
    uint32_t tokens[2 * SLAB * BLOCK], list[2 * SLAB], n = 0;
    const clkv_manager_params params = { .size = sizeof params, .blocks = BLOCKS, .block_size = BLOCK, .clear_freed = 1 };
    const clkv_growth_hooks hooks = { .slab_blocks = SLAB, .open_slabs = 1, .open = open_slab, .close = close_slab,
                                      .user = &mem };
    must(open_slab(&mem, 0) == CLKV_OK);
    ck_ok(clkv_manager_create_growing(&mem.m, &params, &hooks));
    fill_tokens(tokens, 2 * SLAB * BLOCK, 1);
    clkv_sequence *seq = new_sequence(mem.m, NULL, 0, NULL);
    ck_ok(write_tokens(&mem, seq, tokens, 2 * SLAB * BLOCK));
    ck_ok(clkv_sequence_truncate(seq, BLOCK));
    size_t forgotten = 0;
    ck_ok(clkv_manager_forget(mem.m, NULL, 0, tokens, 2 * BLOCK, &forgotten));
    ck_assert_uint_eq(give_back(&mem, 0), 0);
    ck_ok(clkv_manager_take_uncleared(mem.m, 0, list, 2 * SLAB, &n));
    ck_assert_uint_eq(n, 2 * SLAB - 1);
    ck_assert_uint_eq(give_back(&mem, 0), 1);
    clkv_sequence_destroy(&seq);
    stop(&mem);
}
END_TEST

/* Blocks of a reserved batch and of its sequences stay; cached, pinned and shared blocks move and are found. */
START_TEST(compaction_moves_what_may_move)
{
    memory mem;
    uint32_t a[LONGEST], b[LONGEST], c[LONGEST];
    start(&mem, 0, 0);
    fill_tokens(a, LONGEST, 1);
    fill_tokens(b, LONGEST, 2);
    fill_tokens(c, LONGEST, 3);
    clkv_sequence *first = new_sequence(mem.m, a, 5 * BLOCK, NULL), *second = new_sequence(mem.m, b, 5 * BLOCK, NULL);
    clkv_sequence *third = new_sequence(mem.m, c, 2 * BLOCK + 1, NULL), *fork = NULL;
    ck_ok(write_tokens(&mem, first, a, 5 * BLOCK));      /* blocks 0 … 4 */
    ck_ok(write_tokens(&mem, second, b, 5 * BLOCK));     /* 5 … 9 */
    ck_ok(write_tokens(&mem, third, c, 2 * BLOCK + 1));  /* 10 … 12 */
    ck_ok(clkv_sequence_fork(&fork, third, 0));
    size_t pinned = 0;
    ck_ok(clkv_manager_pin(mem.m, NULL, 0, b, 5 * BLOCK, 5, 100000, &pinned));
    ck_assert_uint_eq(pinned, 5);
    clkv_sequence_destroy(&second);
    clkv_sequence_destroy(&first);
    size_t forgotten = 0;
    ck_ok(clkv_manager_forget(mem.m, NULL, 0, a, BLOCK, &forgotten));
    ck_assert_uint_eq(forgotten, 5); /* blocks 0 … 4 are free; 8 are taken, and fit two slabs */
    clkv_batch *batch = NULL;
    ck_ok(clkv_batch_create(&batch, mem.m));
    ck_ok(clkv_batch_add(batch, fork, c, 1, NULL));
    ck_ok(clkv_batch_reserve(batch));
    /* Slab 2 has block 12, which is being copied, and slab 0 its copy. */
    ck_assert_uint_eq(compact(&mem, UINT32_MAX), 0);
    ck_ok(clkv_batch_rollback(batch));
    ck_assert_uint_eq(compact(&mem, 0), 0);
    ck_assert_uint_eq(compact(&mem, UINT32_MAX), 1); /* block 12 to slab 0, where block 5 is; slab 1 is full */
    clkv_batch_destroy(&batch);
    ck_assert_uint_eq(lookup(mem.m, b, 5 * BLOCK + 1), 5 * BLOCK);
    check_content(&mem, third, c, 2 * BLOCK + 1);
    check_content(&mem, fork, c, 2 * BLOCK + 1);
    ck_assert_uint_eq(give_back(&mem, 0), 1);
    clkv_sequence *again = new_sequence(mem.m, b, 5 * BLOCK + 1, NULL);
    check_content(&mem, again, b, 5 * BLOCK);
    for (uint32_t i = 0; i < 5; i++) ck_assert_uint_eq(mem.m->pins.priority[block_at(again, i)], 5);
    clkv_sequence_destroy(&again);
    clkv_sequence_destroy(&third);
    clkv_sequence_destroy(&fork);
    stop(&mem);
}
END_TEST

/* A slab that finds no room elsewhere does not keep a smaller one from being emptied. */
START_TEST(the_last_slab_is_smaller)
{
    memory mem;
    uint32_t tokens[LONGEST];
    start(&mem, 0, 0); /* slabs of 6, the last one of 4 */
    fill_tokens(tokens, LONGEST, 1);
    clkv_sequence *held[BLOCKS];
    for (uint32_t i = 0; i < BLOCKS; i++) {
        held[i] = new_sequence(mem.m, NULL, 0, NULL);
        ck_ok(write_tokens(&mem, held[i], tokens + i % 8, 1));
    }
    for (uint32_t i = 18; i < 22; i++) clkv_sequence_destroy(&held[i]); /* slab 3 keeps two, slab 4 its four */
    ck_assert_uint_eq(stats_of(mem.m).slabs_needed, 4);
    ck_assert_uint_eq(compact(&mem, UINT32_MAX), 4);
    ck_assert_uint_eq(give_back(&mem, 0), 1);
    for (uint32_t i = 0; i < BLOCKS; i++) {
        if (held[i]) check_content(&mem, held[i], tokens + i % 8, 1);
        clkv_sequence_destroy(&held[i]);
    }
    stop(&mem);
}
END_TEST

/* ---- anything, at random ---- */

typedef struct life {
    clkv_sequence *seq;
    uint32_t tokens[LONGEST], n;
} life;

static void begin_life(memory *mem, life *l, uint64_t *rng)
{
    size_t matched = 0;
    const uint32_t n = 1 + rng_below(rng, LONGEST / 2);
    fill_tokens(l->tokens, LONGEST, rng_below(rng, 6));
    l->seq = new_sequence(mem->m, l->tokens, n, &matched);
    l->n = (uint32_t)matched;
    check_content(mem, l->seq, l->tokens, l->n);
}

static void go_on(memory *mem, life *l, uint64_t *rng)
{
    const uint32_t left = LONGEST - l->n, n = 1 + rng_below(rng, 9);
    if (left < n) return;
    mem->refuse = rng_below(rng, 4) == 0;
    if (rng_below(rng, 3) == 0)
        for (uint32_t i = 0; i < n; i++) l->tokens[l->n + i] = 1000000 + rng_below(rng, 3);
    if (write_tokens(mem, l->seq, l->tokens + l->n, n) == CLKV_OK) l->n += n;
}

static void step(memory *mem, life *lives, uint64_t *rng)
{
    life *l = &lives[rng_below(rng, MOST)];
    const uint32_t what = rng_below(rng, 12);
    if (what == 0) {
        compact(mem, rng_below(rng, 2) ? UINT32_MAX : rng_below(rng, 10));
    } else if (what == 1) {
        give_back(mem, rng_below(rng, 3));
    } else if (what == 2) {
        size_t n = 0;
        uint32_t tokens[LONGEST];
        fill_tokens(tokens, LONGEST, rng_below(rng, 6));
        if (rng_below(rng, 2))
            ck_ok(clkv_manager_forget(mem->m, NULL, 0, tokens, BLOCK * (1 + rng_below(rng, 3)), &n));
        else
            ck_ok(clkv_manager_pin(mem->m, NULL, 0, tokens, LONGEST, rng_below(rng, 8), rng_below(rng, 2), &n));
    } else if (!l->seq) {
        begin_life(mem, l, rng);
    } else if (what < 5) {
        clkv_sequence_destroy(&l->seq);
    } else if (what == 5) {
        life *other = &lives[rng_below(rng, MOST)];
        if (other->seq || l->seq == other->seq) return;
        *other = *l;
        ck_ok(clkv_sequence_fork(&other->seq, l->seq, 0));
    } else {
        go_on(mem, l, rng);
    }
}

START_TEST(anything)
{
    memory mem;
    life lives[MOST] = { 0 };
    uint64_t rng = 900 + (uint64_t)_i;
    start(&mem, (uint32_t)_i % 2, (uint64_t)_i);
    for (uint32_t i = 0; i < random_steps(20000); i++) {
        step(&mem, lives, &rng);
        const char *broken = clkv_manager_validate(mem.m);
        if (broken) ck_abort_msg("step %u: %s", i, broken);
        for (uint32_t k = 0; k < MOST; k++)
            if (lives[k].seq) check_content(&mem, lives[k].seq, lives[k].tokens, lives[k].n);
    }
    const clkv_stats stats = stats_of(mem.m);
    ck_assert_msg(stats.blocks_moved > 0 && mem.closed > 0 && mem.opened > SLABS && stats.evictions > 0 &&
                  stats.hit_blocks > 0 && stats.copies_on_write > 0, "too little happened");
    for (uint32_t k = 0; k < MOST; k++) clkv_sequence_destroy(&lives[k].seq);
    stop(&mem);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("growth");
    TCase *tcase = tcase_create("growth");
    tcase_add_test(tcase, grows_slab_by_slab);
    tcase_add_test(tcase, memory_is_refused);
    tcase_add_test(tcase, too_much_opens_nothing);
    tcase_add_test(tcase, the_last_slab_is_smaller);
    tcase_add_test(tcase, uncleared_blocks_keep_their_slab);
    tcase_add_test(tcase, compaction_moves_what_may_move);
    tcase_add_loop_test(tcase, anything, 0, 4);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
