/* test_random.c: random operations on a small block manager, compared with a simple model after each.
 *
 * The model knows of every token which value its keys and values must have: a hash of the salt and of all
 * tokens up to it. `shadow` plays the device: what was last written into each slot. So a wrong share, a
 * missed copy, a write into somebody else's block or a stale index entry shows as a wrong value read
 * through a table. `held` is what the index should say: the prefix that each registered block holds. `rows`
 * are the device's block tables, to which only what is not synced is sent.
 *
 * CLKV_RANDOM_OPS sets the number of operations (a million; a tenth of it where CLKV_TEST_GRID is small, as
 * under the sanitizers), CLKV_RANDOM_SEED the first seed.
 * SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <stdio.h>

#define BLOCKS    24
#define MAX_SIZE  16
#define SEQUENCES 10
#define BATCHES   2
#define MAX_LEN   (BLOCKS * MAX_SIZE)
#define ROUND     2000 /* operations on one manager */

typedef struct model_sequence {
    clkv_sequence *handle;
    uint32_t tokens[MAX_LEN]; /* also the new ones of an open batch */
    uint64_t values[MAX_LEN];
    uint32_t length;
    uint64_t salt;
    int no_prefix;
    int batch; /* 1 + index of its batch, or 0 */
} model_sequence;

typedef struct model_batch {
    clkv_batch *handle;
    model_sequence *members[SEQUENCES];
    uint32_t n, new_tokens[SEQUENCES], accept[SEQUENCES];
    int reserved, written, orphans; /* orphans: some member was destroyed */
} model_batch;

static struct world {
    clkv_manager *m;
    uint32_t size;
    uint64_t rng, now, salts;
    uint64_t shadow[BLOCKS * MAX_SIZE];
    uint64_t held[BLOCKS];
    uint32_t rows[SEQUENCES][MAX_LEN];
    model_sequence sequences[SEQUENCES];
    model_batch batches[BATCHES];
    unsigned long op, hits, refused, rollbacks, copies;
} w;

static uint64_t fake_clock(void *user)
{
    (void)user;
    return w.now;
}

static uint32_t below(uint32_t n)
{
    return rng_below(&w.rng, n);
}

static uint64_t mix(uint64_t value, uint32_t token)
{
    value = (value ^ (token + 1)) * UINT64_C(0x9e3779b97f4a7c15);
    return (value ^ value >> 29) | 1;
}

static uint64_t value_before(const model_sequence *s, uint32_t position)
{
    return position ? s->values[position - 1] : mix(77, (uint32_t)s->salt);
}

static void make_tokens(model_sequence *s, uint32_t from, uint32_t n)
{
    const uint32_t choices = w.size == 1 ? 6 : 2;
    for (uint32_t i = from; i < from + n; i++) {
        s->tokens[i] = below(w.size * 4) ? 0 : below(choices);
        s->values[i] = mix(value_before(s, i), s->tokens[i]);
    }
}

static clkv_key salt_key(const uint64_t *salt)
{
    return (clkv_key){CLKV_KEY_SALT, 0, 0, salt, sizeof *salt};
}

/* ---- what must hold ---- */

static void check_contents(void)
{
    for (int i = 0; i < SEQUENCES; i++) {
        const model_sequence *s = &w.sequences[i];
        if (!s->handle) continue;
        must(clkv_sequence_length(s->handle) == s->length);
        /* While a copy is pending the table shows the copy already, which only exists once written. */
        if (s->batch && w.batches[s->batch - 1].reserved && !w.batches[s->batch - 1].written) continue;
        const uint32_t *table = s->handle->table;
        for (uint32_t p = s->handle->first_block * w.size; p < s->length; p++) {
            const uint64_t got = w.shadow[table[p / w.size] * w.size + p % w.size];
            if (got != s->values[p])
                ck_abort_msg("operation %lu: position %u of sequence %d holds another token's value", w.op, p, i);
        }
    }
}

static void check_rows(void)
{
    for (int i = 0; i < SEQUENCES; i++) {
        const clkv_sequence *seq = w.sequences[i].handle;
        for (uint32_t k = 0; seq && k < seq->synced; k++) must(w.rows[seq->row][k] == seq->table[k]);
    }
}

/* Unfilled slots of used blocks, by looking at every table. Not while a batch is reserved. */
static void check_waste(void)
{
    uint32_t filled[BLOCKS] = {0}, wasted = 0;
    for (int i = 0; i < BATCHES; i++) {
        if (w.batches[i].reserved) return;
    }
    for (int i = 0; i < SEQUENCES; i++) {
        const model_sequence *s = &w.sequences[i];
        for (uint32_t k = 0; s->handle && k < s->handle->n_blocks; k++) {
            const uint32_t block = s->handle->table[k], left = s->length - k * w.size;
            if (block == CLKV_NO_BLOCK) continue;
            if (filled[block] < left) filled[block] = left < w.size ? left : w.size;
        }
    }
    for (uint32_t b = 0; b < BLOCKS; b++) {
        if (filled[b] && !w.held[b]) wasted += w.size - filled[b];
    }
    must(stats_of(w.m).slots_wasted == wasted);
}

static int is_hidden(uint32_t block)
{
    return clkv_blocks_is_hidden(w.m, block);
}

/* The most and the least blocks that a lookup of n tokens may find. They differ only while the index may
 * prefer a hidden duplicate. */
static void expect_found(const model_sequence *s, uint32_t n, uint32_t *least, uint32_t *most)
{
    *least = *most = 0;
    int certain = 1;
    for (uint32_t end = w.size; end <= n; end += w.size) {
        int visible = 0, hidden = 0;
        for (uint32_t b = 0; b < BLOCKS; b++) {
            if (w.held[b] != s->values[end - 1]) continue;
            visible += !is_hidden(b);
            hidden += is_hidden(b);
        }
        if (!visible) return;
        *most += w.size;
        certain = certain && !hidden;
        if (certain) *least += w.size;
    }
}

/* ---- operations on sequences ---- */

static model_sequence *pick(int alive)
{
    const uint32_t start = below(SEQUENCES);
    for (uint32_t i = 0; i < SEQUENCES; i++) {
        model_sequence *s = &w.sequences[(start + i) % SEQUENCES];
        if (alive == (s->handle != NULL)) return s;
    }
    return NULL;
}

static int in_reserved(const model_sequence *s)
{
    return s->batch && w.batches[s->batch - 1].reserved;
}

static void op_create(void)
{
    model_sequence *s = pick(0);
    if (!s) return;
    memset(s, 0, sizeof *s);
    s->no_prefix = below(8) == 0;
    s->salt = s->no_prefix ? ++w.salts : below(3);
    const uint32_t n = 1 + below(w.size * 8);
    make_tokens(s, 0, n);
    const clkv_key key = salt_key(&s->salt);
    const clkv_sequence_params params = {.size = sizeof params,
                                         .tokens = s->tokens,
                                         .n_tokens = n,
                                         .keys = &key,
                                         .n_keys = s->salt ? 1 : 0,
                                         .prefix = s->no_prefix ? CLKV_PREFIX_OFF : CLKV_PREFIX_ON};
    uint32_t least = 0, most = 0;
    if (!s->no_prefix) expect_found(s, n - 1, &least, &most);
    size_t found = 0, matched = 99;
    if (!s->no_prefix) ck_ok(clkv_manager_lookup(w.m, &key, s->salt ? 1 : 0, s->tokens, n, &found));
    const clkv_status status = clkv_sequence_create(&s->handle, w.m, &params, &matched);
    if (status == CLKV_ERROR_LIMIT) { /* husks in batches hold rows still */
        s->handle = NULL;
        return;
    }
    ck_ok(status);
    must(matched == found);
    must(matched >= least);
    must(matched <= most);
    s->length = (uint32_t)matched;
    w.hits += matched > 0;
}

static void op_destroy(void)
{
    model_sequence *s = pick(1);
    if (!s) return;
    if (s->batch) {
        model_batch *b = &w.batches[s->batch - 1];
        b->orphans = 1;
        /* A reserved batch commits for the dead, too: the model keeps what it needs of them aside. */
        if (b->reserved || below(2)) return;
    }
    clkv_sequence_destroy(&s->handle);
    if (s->batch) {
        model_batch *b = &w.batches[s->batch - 1];
        must(clkv_batch_reserve(b->handle) == CLKV_ERROR_STATE);
        ck_ok(clkv_batch_clear(b->handle));
        for (uint32_t i = 0; i < b->n; i++) b->members[i]->batch = 0;
        b->n = 0;
    }
}

static void op_fork(void)
{
    model_sequence *s = pick(1), *t = pick(0);
    if (!s || !t) return;
    clkv_sequence *fork = NULL;
    if (in_reserved(s)) {
        must(clkv_sequence_fork(&fork, s->handle, 0) == CLKV_ERROR_BUSY);
        return;
    }
    ck_ok(clkv_sequence_fork(&fork, s->handle, 0));
    *t = *s;
    t->handle = fork;
    t->batch = 0;
}

static void op_truncate(void)
{
    model_sequence *s = pick(1);
    if (!s) return;
    const uint32_t length = below(3) ? s->length - below(s->length < 5 ? s->length + 1 : 5) : below(s->length + 2);
    const clkv_status status = clkv_sequence_truncate(s->handle, length);
    if (in_reserved(s)) {
        must(status == CLKV_ERROR_BUSY);
    } else if (length > s->length) {
        must(status == CLKV_ERROR_INVALID);
    } else if (status != CLKV_OK) {
        const uint32_t window = w.m->window, seen = length >= window ? length - window + 1 : 0;
        must(window > 0);
        must(seen / w.size < s->handle->first_block);
    } else if (!s->batch) {
        s->length = length;
    } else {
        /* In an open batch: the new tokens now stand elsewhere, so the test takes them out. */
        model_batch *b = &w.batches[s->batch - 1];
        s->length = length;
        ck_ok(clkv_batch_clear(b->handle));
        for (uint32_t i = 0; i < b->n; i++) b->members[i]->batch = 0;
        b->n = 0;
    }
}

static void op_preempt_and_resume(void)
{
    model_sequence *s = pick(1);
    if (!s || s->batch) return;
    size_t matched = 0;
    if (s->length % w.size) must(clkv_sequence_resume(s->handle, s->tokens, s->length, &matched) == CLKV_ERROR_STATE);
    const uint32_t n = s->length;
    ck_ok(clkv_sequence_preempt(s->handle));
    ck_valid(clkv_manager_validate(w.m));
    uint32_t least = 0, most = 0;
    if (!s->no_prefix && n) expect_found(s, n - 1, &least, &most);
    ck_ok(clkv_sequence_resume(s->handle, s->tokens, n, &matched));
    must(matched >= least);
    must(matched <= most);
    s->length = (uint32_t)matched;
}

/* ---- operations on batches ---- */

static void op_add(model_batch *b)
{
    model_sequence *s = pick(1);
    if (!s || b->reserved) return;
    const uint32_t n = 1 + (below(3) ? below(3) : below(w.size * 6));
    if (s->length + n > BLOCKS * w.size) return;
    if (s->batch) {
        must(clkv_batch_add(b->handle, s->handle, s->tokens, n, NULL) == CLKV_ERROR_BUSY);
        return;
    }
    make_tokens(s, s->length, n);
    uint32_t entry = 99;
    ck_ok(clkv_batch_add(b->handle, s->handle, s->no_prefix ? NULL : s->tokens + s->length, n, &entry));
    must(entry == b->n);
    b->members[b->n] = s;
    b->accept[b->n] = b->new_tokens[b->n] = n;
    b->n++;
    s->batch = (int)(b - w.batches) + 1;
}

static uint32_t blocks_for(uint32_t n)
{
    return (n + w.size - 1) / w.size;
}

static void op_reserve(model_batch *b)
{
    if (b->reserved || b->n == 0) return;
    uint32_t need = 0;
    for (uint32_t i = 0; i < b->n; i++) {
        const model_sequence *s = b->members[i];
        need += blocks_for(s->length + b->new_tokens[i]) - blocks_for(s->length);
        if (s->length % w.size == 0) continue;
        const uint32_t tail = block_at(s->handle, s->length / w.size);
        uint32_t holders = 0;
        for (int k = 0; k < SEQUENCES; k++) {
            const model_sequence *t = &w.sequences[k];
            if (!t->handle) continue;
            for (uint32_t j = t->handle->first_block; j < t->handle->n_blocks; j++)
                holders += t->handle->table[j] == tail;
        }
        /* Somebody else's pending copy holds its source, too. */
        need += holders > 1 || clkv_pool_refs(w.m->pool, tail) > 1 || w.held[tail];
    }
    const clkv_pool_counts before = counts_of(w.m);
    const uint32_t room = before.free + before.cached, missing = need > room ? need - room : 0;
    must(clkv_batch_missing(b->handle) == missing);
    const clkv_status status = clkv_batch_reserve(b->handle);
    if (missing) {
        must(status == CLKV_ERROR_NO_BLOCKS);
        const clkv_pool_counts after = counts_of(w.m);
        must(memcmp(&before, &after, sizeof before) == 0);
        w.refused++;
        return;
    }
    ck_ok(status);
    must(counts_of(w.m).used == before.used + need);
    b->reserved = 1;
    b->written = 0;
    for (uint32_t i = 0; i < b->n; i++) b->accept[i] = b->new_tokens[i];
}

/* What the device would do with the batch: copies, then new values into the slots. */
static void op_write(model_batch *b)
{
    if (!b->reserved) return;
    const clkv_block_copy *copies;
    const uint32_t *slots;
    uint32_t n_copies, n_slots, k = 0;
    clkv_batch_get_copies(b->handle, 0, &copies, &n_copies);
    clkv_batch_get_slots(b->handle, 0, &slots, &n_slots);
    for (uint32_t i = 0; i < n_copies; i++)
        memcpy(&w.shadow[copies[i].to * w.size], &w.shadow[copies[i].from * w.size], w.size * sizeof *w.shadow);
    for (uint32_t i = 0; i < b->n; i++) {
        for (uint32_t p = 0; p < b->new_tokens[i]; p++)
            w.shadow[slots[k++]] = b->members[i]->values[b->members[i]->length + p];
    }
    must(k == n_slots);
    clkv_batch_view view;
    ck_ok(clkv_batch_get_view(b->handle, w.m, &view));
    must(view.n_entries == b->n && view.n_tokens == n_slots && view.n_copies == n_copies);
    for (uint32_t i = 0; i < b->n; i++) {
        const clkv_batch_table *table = &view.tables[i];
        uint32_t *row = w.rows[b->members[i]->handle->row];
        for (k = table->synced; k < table->n_blocks; k++) row[k] = table->blocks[k];
    }
    clkv_batch_set_synced(b->handle);
    w.copies += n_copies;
    b->written = 1;
}

static void forget_members(model_batch *b)
{
    for (uint32_t i = 0; i < b->n; i++) b->members[i]->batch = 0;
    b->n = 0;
}

static void op_commit(model_batch *b)
{
    if (!b->reserved) return;
    if (!b->written) op_write(b);
    if (below(3) == 0) {
        const uint32_t i = below(b->n);
        b->accept[i] = below(b->new_tokens[i] + 1);
        ck_ok(clkv_batch_accept(b->handle, i, b->accept[i]));
    }
    for (uint32_t i = 0; i < b->handle->n_fresh; i++) w.held[b->handle->fresh[i]] = 0;
    const uint32_t n = b->n;
    uint32_t before[SEQUENCES];
    for (uint32_t i = 0; i < n; i++) before[i] = b->members[i]->length;
    /* A window may release a block in the same commit that fills it: note the tables first. */
    static uint32_t tables[SEQUENCES][BLOCKS * MAX_SIZE];
    for (uint32_t i = 0; i < n; i++) {
        const clkv_sequence *h = b->members[i]->handle;
        memcpy(tables[i], h->table, blocks_for(before[i] + b->new_tokens[i]) * sizeof(uint32_t));
    }
    ck_ok(clkv_batch_commit(b->handle));
    for (uint32_t i = 0; i < n; i++) {
        model_sequence *s = b->members[i];
        s->length += b->accept[i];
        if (s->handle->broken) continue;
        for (uint32_t k = before[i] / w.size; k < s->length / w.size; k++)
            w.held[tables[i][k]] = s->values[(k + 1) * w.size - 1];
    }
    forget_members(b);
    b->reserved = 0;
}

static void op_rollback(model_batch *b)
{
    if (!b->reserved) {
        must(clkv_batch_rollback(b->handle) == CLKV_ERROR_STATE);
        return;
    }
    for (uint32_t i = 0; b->written && i < b->handle->n_fresh; i++) w.held[b->handle->fresh[i]] = 0;
    ck_ok(clkv_batch_rollback(b->handle));
    b->reserved = 0;
    w.rollbacks++;
    if (below(2)) {
        ck_ok(clkv_batch_clear(b->handle));
        forget_members(b);
    }
}

static void op_pop_or_clear(model_batch *b)
{
    if (b->reserved) {
        must(clkv_batch_clear(b->handle) == CLKV_ERROR_STATE);
        must(clkv_batch_pop(b->handle) == CLKV_ERROR_STATE);
    } else if (b->n && below(4)) {
        ck_ok(clkv_batch_pop(b->handle));
        b->members[--b->n]->batch = 0;
    } else {
        ck_ok(clkv_batch_clear(b->handle));
        forget_members(b);
    }
}

/* ---- the rest ---- */

static void op_pin(void)
{
    static model_sequence s;
    s.salt = below(3);
    const uint32_t n = 1 + below(w.size * 5);
    make_tokens(&s, 0, n);
    const clkv_key key = salt_key(&s.salt);
    uint32_t least, most;
    expect_found(&s, n, &least, &most);
    size_t pinned = 0;
    ck_ok(clkv_manager_pin(w.m, &key, s.salt ? 1 : 0, s.tokens, n, below(8), below(2) * (1 + below(50)), &pinned));
    must(pinned * w.size >= least);
    must(pinned * w.size <= most);
    w.now += below(20);
}

static void op_reset(void)
{
    const clkv_status status = clkv_manager_reset(w.m);
    if (counts_of(w.m).used) {
        must(status == CLKV_ERROR_BUSY);
        return;
    }
    ck_ok(status);
    memset(w.held, 0, sizeof w.held);
}

static void op_victim(model_batch *b)
{
    const clkv_sequence *victim = clkv_batch_victim(b->handle);
    if (!victim) return;
    must(victim != w.m->oldest);
    must(!victim->batch || !victim->batch->reserved);
    must(victim->n_blocks > victim->first_block);
}

static void any_op(void)
{
    model_batch *b = &w.batches[below(BATCHES)];
    const uint32_t dice = below(1000);
    if (dice < 100)
        op_create();
    else if (dice < 150)
        op_destroy();
    else if (dice < 200)
        op_fork();
    else if (dice < 240)
        op_truncate();
    else if (dice < 270)
        op_preempt_and_resume();
    else if (dice < 500)
        op_add(b);
    else if (dice < 660)
        op_reserve(b);
    else if (dice < 700)
        op_write(b);
    else if (dice < 910)
        op_commit(b);
    else if (dice < 950)
        op_rollback(b);
    else if (dice < 960)
        op_pop_or_clear(b);
    else if (dice < 980)
        op_pin();
    else if (dice < 990)
        op_victim(b);
    else
        op_reset();
}

static void begin_round(uint64_t seed)
{
    const unsigned long op = w.op, hits = w.hits, refused = w.refused, rollbacks = w.rollbacks, copies = w.copies;
    memset(&w, 0, sizeof w);
    w.op = op, w.hits = hits, w.refused = refused, w.rollbacks = rollbacks, w.copies = copies;
    w.rng = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    static const uint32_t sizes[] = {4, 16, 4, 1, 8, 2};
    w.size = sizes[seed % 6];
    w.salts = 1000;
    const clkv_manager_params params = {.size = sizeof params,
                                        .blocks = BLOCKS,
                                        .block_size = w.size,
                                        .max_sequences = SEQUENCES,
                                        .hash_bits = seed % 5 ? 0 : 2,
                                        .hash_seed = seed,
                                        .shuffle_seed = seed % 3,
                                        .window = below(4) ? 0 : 1 + below(w.size * 3),
                                        .clock_ms = fake_clock};
    ck_ok(clkv_manager_create(&w.m, &params));
    for (int i = 0; i < BATCHES; i++) ck_ok(clkv_batch_create(&w.batches[i].handle, w.m));
}

START_TEST(a_million_operations_agree_with_the_model)
{
    const char *ops = getenv("CLKV_RANDOM_OPS"), *first = getenv("CLKV_RANDOM_SEED"),
               *grid = getenv("CLKV_TEST_GRID");
    const unsigned long total = ops ? strtoul(ops, NULL, 10) : grid ? 100000 : 1000000;
    uint64_t seed = first ? strtoull(first, NULL, 10) : 1;
    memset(&w, 0, sizeof w);
    for (; w.op < total; seed++) {
        begin_round(seed);
        for (int i = 0; i < ROUND; i++, w.op++) {
            any_op();
            const char *broken = clkv_manager_validate(w.m);
            if (broken) ck_abort_msg("seed %llu, operation %lu: %s", (unsigned long long)seed, w.op, broken);
            check_contents();
            check_rows();
            if (i % 8 == 0) check_waste();
        }
        end_manager(&w.m);
    }
    /* The mixture really exercises what it is for. */
    ck_assert_uint_gt(w.hits, total / 200);
    ck_assert_uint_gt(w.refused, total / 500);
    ck_assert_uint_gt(w.rollbacks, total / 500);
    ck_assert_uint_gt(w.copies, total / 500);
    printf("%lu operations: %lu prefix hits, %lu refusals, %lu rollbacks, %lu copies\n", w.op, w.hits, w.refused,
           w.rollbacks, w.copies);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("random");
    TCase *tests = tcase_create("random");
    tcase_set_timeout(tests, 600);
    tcase_add_test(tests, a_million_operations_agree_with_the_model);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
