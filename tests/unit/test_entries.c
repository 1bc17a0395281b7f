/* test_entries.c: contexts and data under keys: what is put is got, all or nothing, in the order of use; a random walk
 * against a model; threads. SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <clkv/entries.h>

#include "os/thread.h"

enum { PAGE = 64 };

static uint64_t now_ms;

static uint64_t fake_clock(void *user)
{
    (void)user;
    return now_ms;
}

/* Half of all keys have the same hash, so that only comparing them tells them apart. */
static clkv_entries *new_entries(clkv_manager *m, uint32_t most, uint32_t pages)
{
    clkv_entries *s = NULL;
    const clkv_entries_params params = { .size = sizeof params, .max_entries = most, .page_bytes = PAGE, .hash_bits = 1,
                                         .data_bytes = (uint64_t)pages * PAGE, .clock_ms = fake_clock };
    ck_ok(clkv_entries_create(&s, m, &params));
    return s;
}

static clkv_fingerprint key_of(uint64_t hash, const char *name)
{
    return (clkv_fingerprint){ .hash = hash, .length = 10, .name = name };
}

static clkv_entries_counts counts(clkv_entries *s)
{
    clkv_entries_counts c = CLKV_PARAMS_INIT(clkv_entries_counts);
    ck_ok(clkv_entries_get_counts(s, &c));
    return c;
}

static clkv_entry_info info_of(clkv_entries *s, const clkv_fingerprint *key)
{
    clkv_entry_info info = CLKV_PARAMS_INIT(clkv_entry_info);
    ck_ok(clkv_entries_get_info(s, key, &info));
    return info;
}

static int holds(clkv_entries *s, const clkv_fingerprint *key, const void *data, size_t n)
{
    char out[4096];
    size_t got = 0;
    return clkv_entries_get_data(s, key, out, sizeof out, &got) == CLKV_OK && got == n && !memcmp(out, data, n);
}

START_TEST(a_context)
{
    clkv_manager *m = new_manager(64);
    clkv_entries *s = new_entries(m, 4, 4);
    uint32_t tokens[100];
    fill_tokens(tokens, 100, 1);
    clkv_sequence *seq = serve(m, tokens, 70, NULL), *got = NULL;
    const clkv_fingerprint key = key_of(1, "model"), other = key_of(1, "other"), longer = { 1, 11, "model" };
    const uint64_t used = stats_of(m).blocks_used;
    now_ms = 1000;
    ck_ok(clkv_entries_put_sequence(s, &key, seq));
    ck_assert_uint_eq(stats_of(m).blocks_used, used); /* nothing is copied */
    append(m, seq, tokens + 70, 5);
    clkv_sequence_destroy(&seq);
    now_ms = 1500;
    ck_ok(clkv_entries_get_sequence(s, &key, 77, &got));
    ck_assert_uint_eq(clkv_sequence_length(got), 70);
    ck_assert_uint_eq(clkv_sequence_user_data(got), 77);
    append(m, got, tokens + 70, 30); /* and goes on by itself */
    now_ms = 1700;
    const clkv_entry_info info = info_of(s, &key);
    ck_assert(info.kind == CLKV_ENTRY_SEQUENCE && info.tokens == 70 && info.memory == 5 && info.bytes == 0);
    ck_assert(info.age_ms == 700 && info.idle_ms == 200 && info.accesses == 1);
    /* A key is compared whole. */
    seq = NULL;
    ck_assert_int_eq(clkv_entries_get_sequence(s, &other, 0, &seq), CLKV_ERROR_NOT_FOUND);
    ck_assert_int_eq(clkv_entries_get_sequence(s, &longer, 0, &seq), CLKV_ERROR_NOT_FOUND);
    ck_assert_ptr_null(seq);
    ck_assert_int_eq(clkv_entries_contains(s, &key), 1);
    ck_assert_int_eq(clkv_entries_contains(s, &other), 0);
    size_t n = 0;
    ck_assert_int_eq(clkv_entries_get_data(s, &key, NULL, 0, &n), CLKV_ERROR_NOT_FOUND); /* it is no data */
    const clkv_entries_counts c = counts(s);
    ck_assert(c.entries == 1 && c.sequences == 1 && c.tokens == 70 && c.hits == 1 && c.misses == 3);
    ck_valid(clkv_entries_validate(s));
    ck_ok(clkv_entries_remove(s, &key));
    ck_assert_int_eq(clkv_entries_remove(s, &key), CLKV_ERROR_NOT_FOUND);
    ck_assert_uint_eq(clkv_sequence_length(got), 100);
    clkv_sequence_destroy(&got);
    ck_assert_uint_eq(stats_of(m).blocks_used, 0);
    clkv_manager_destroy(&m); /* the entries keep it alive */
    clkv_entries_destroy(&s);
}
END_TEST

/* A scheduler never gets an entry's sequence to see, and an entry is not the oldest request. */
START_TEST(no_victim)
{
    clkv_manager *m = new_manager(64);
    clkv_entries *s = new_entries(m, 4, 4);
    uint32_t tokens[100];
    clkv_batch *batch = NULL;
    const clkv_fingerprint key = key_of(1, "model");
    fill_tokens(tokens, 100, 1);
    clkv_sequence *first = serve(m, tokens, 16, NULL);
    ck_ok(clkv_entries_put_sequence(s, &key, first));
    clkv_sequence_destroy(&first);
    clkv_sequence *a = serve(m, tokens + 1, 20, NULL), *b = serve(m, tokens + 2, 40, NULL);
    ck_ok(clkv_batch_create(&batch, m));
    ck_assert_ptr_eq(clkv_batch_victim(batch), b); /* a is the oldest */
    clkv_sequence_destroy(&b);
    ck_assert_ptr_null(clkv_batch_victim(batch));
    clkv_sequence_destroy(&a);
    ck_assert_ptr_null(clkv_batch_victim(batch));
    ck_ok(clkv_entries_get_sequence(s, &key, 0, &a));
    ck_ok(clkv_entries_get_sequence(s, &key, 0, &b));
    ck_assert_ptr_eq(clkv_batch_victim(batch), b); /* what was got is the caller's */
    ck_ok(clkv_sequence_preempt(b));
    ck_assert_uint_eq(info_of(s, &key).tokens, 16);
    clkv_sequence_destroy(&a);
    clkv_sequence_destroy(&b);
    clkv_batch_destroy(&batch);
    clkv_entries_destroy(&s);
    clkv_manager_destroy(&m);
}
END_TEST

START_TEST(data)
{
    clkv_manager *m = new_manager(4);
    clkv_entries *s = new_entries(m, 3, 4);
    char text[5 * PAGE], out[5 * PAGE];
    for (int i = 0; i < 5 * PAGE; i++) text[i] = (char)(i * 7 + 1);
    const clkv_fingerprint a = key_of(1, NULL), b = key_of(2, ""), c = key_of(3, NULL), d = key_of(4, NULL);
    const clkv_fingerprint same = key_of(1, "");
    size_t n = 0;
    ck_ok(clkv_entries_put_data(s, &a, text, PAGE + 1));
    ck_assert(holds(s, &same, text, PAGE + 1)); /* no name is the empty name */
    ck_assert_int_eq(clkv_entries_get_data(s, &a, out, PAGE, &n), CLKV_ERROR_LIMIT);
    ck_assert_uint_eq(n, PAGE + 1);
    const clkv_entry_info info = info_of(s, &a);
    ck_assert(info.kind == CLKV_ENTRY_DATA && info.bytes == PAGE + 1 && info.memory == 2 * PAGE);
    ck_ok(clkv_entries_put_data(s, &b, NULL, 0));
    ck_assert(holds(s, &b, text, 0));
    /* What does not fit changes nothing; what it replaces counts as free. */
    ck_assert_int_eq(clkv_entries_put_data(s, &c, text, 2 * PAGE + 1), CLKV_ERROR_LIMIT);
    ck_assert_int_eq(clkv_entries_contains(s, &c), 0);
    ck_assert_int_eq(clkv_entries_put_data(s, &a, text, 4 * PAGE + 1), CLKV_ERROR_LIMIT);
    ck_assert(holds(s, &a, text, PAGE + 1));
    ck_ok(clkv_entries_put_data(s, &a, text + 1, 4 * PAGE));
    ck_assert(holds(s, &a, text + 1, 4 * PAGE));
    ck_assert_uint_eq(counts(s).data_memory_free, 0);
    ck_ok(clkv_entries_put_data(s, &a, text + 2, 3));
    ck_ok(clkv_entries_put_data(s, &c, text, 2 * PAGE));
    ck_assert_int_eq(clkv_entries_put_data(s, &d, text, 1), CLKV_ERROR_LIMIT); /* three entries are the most */
    ck_valid(clkv_entries_validate(s));
    /* b was used least recently, then a, then c. */
    ck_assert_uint_eq(clkv_entries_evict(s, 1), 1);
    ck_assert(!clkv_entries_contains(s, &b) && holds(s, &a, text + 2, 3));
    ck_assert_uint_eq(clkv_entries_evict(s, 1), 1);
    ck_assert(!clkv_entries_contains(s, &c) && clkv_entries_contains(s, &a)); /* a was got since */
    ck_assert_uint_eq(clkv_entries_evict(s, 9), 1);
    ck_assert_uint_eq(counts(s).evictions, 3);
    clkv_entries_clear(s);
    ck_assert_uint_eq(counts(s).entries, 0);
    clkv_entries_destroy(&s);
    clkv_manager_destroy(&m);
}
END_TEST

/* A put that fails keeps what it would have replaced, of either kind. */
START_TEST(replacing)
{
    clkv_manager *m = NULL;
    const clkv_manager_params params = { .size = sizeof params, .blocks = 16, .max_sequences = 3 };
    ck_ok(clkv_manager_create(&m, &params));
    clkv_entries *s = new_entries(m, 2, 1);
    uint32_t tokens[32];
    fill_tokens(tokens, 32, 1);
    clkv_sequence *seq = serve(m, tokens, 20, NULL), *got = NULL, *more = NULL;
    const clkv_fingerprint key = key_of(1, "x");
    ck_ok(clkv_entries_put_sequence(s, &key, seq));
    ck_assert_int_eq(clkv_entries_put_data(s, &key, tokens, PAGE + 1), CLKV_ERROR_LIMIT);
    ck_assert_uint_eq(info_of(s, &key).tokens, 20);
    ck_ok(clkv_entries_get_sequence(s, &key, 0, &got));
    ck_assert_int_eq(clkv_entries_put_sequence(s, &key, seq), CLKV_ERROR_LIMIT); /* max_sequences */
    ck_assert_int_eq(clkv_entries_get_sequence(s, &key, 0, &more), CLKV_ERROR_LIMIT);
    ck_assert_uint_eq(info_of(s, &key).tokens, 20);
    ck_valid(clkv_entries_validate(s));
    clkv_sequence_destroy(&got);
    append(m, seq, tokens + 20, 4);
    ck_ok(clkv_entries_put_sequence(s, &key, seq));
    ck_assert_uint_eq(info_of(s, &key).tokens, 24);
    ck_ok(clkv_entries_put_data(s, &key, tokens, 5));
    ck_assert(holds(s, &key, tokens, 5));
    ck_assert_uint_eq(counts(s).sequences, 0);
    ck_ok(clkv_entries_put_sequence(s, &key, seq));
    ck_assert_uint_eq(counts(s).bytes, 0);
    clkv_sequence_destroy(&seq);
    clkv_entries_destroy(&s);
    ck_valid(clkv_manager_validate(m));
    ck_assert_uint_eq(stats_of(m).blocks_used, 0);
    clkv_manager_destroy(&m);
}
END_TEST

START_TEST(refused)
{
    clkv_manager *m = new_manager(16), *other = new_manager(16);
    clkv_entries *s = new_entries(m, 2, 1), *none = NULL;
    clkv_sequence *seq = new_sequence(other, NULL, 0, NULL), *out = NULL;
    const clkv_fingerprint key = key_of(1, "x");
    size_t n;
    clkv_entries_params params = { .size = sizeof params, .page_bytes = 63 };
    ck_assert_int_eq(clkv_entries_create(&none, m, &params), CLKV_ERROR_INVALID);
    params = (clkv_entries_params){ .size = sizeof params, .page_bytes = 4096, .data_bytes = 4095 };
    ck_assert_int_eq(clkv_entries_create(&none, m, &params), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_entries_create(&none, NULL, NULL), CLKV_ERROR_INVALID);
    params = (clkv_entries_params){ .size = sizeof params, .hash_bits = 65 };
    ck_assert_int_eq(clkv_entries_create(&none, m, &params), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_entries_put_sequence(s, &key, seq), CLKV_ERROR_INVALID); /* of another manager */
    ck_assert_int_eq(clkv_entries_put_sequence(s, NULL, seq), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_entries_put_data(s, &key, NULL, 1), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_entries_get_data(s, &key, NULL, 1, &n), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_entries_get_sequence(s, &key, 0, NULL), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_entries_contains(NULL, &key), 0);
    ck_assert_uint_eq(clkv_entries_evict(NULL, 1), 0);
    clkv_sequence_destroy(&seq);
    ck_assert_ptr_null(out);
    clkv_entries_destroy(&s);
    clkv_entries_destroy(&s);
    clkv_manager_destroy(&m);
    clkv_manager_destroy(&other);
}
END_TEST

/* Every allocation of a put fails in turn: nothing has changed then, and nothing is lost. */
START_TEST(without_memory)
{
    clkv_manager *m = new_manager(16);
    clkv_entries *s = new_entries(m, 4, 8);
    uint32_t tokens[40];
    fill_tokens(tokens, 40, 1);
    clkv_sequence *seq = serve(m, tokens, 40, NULL);
    const clkv_fingerprint first = key_of(1, "x"), second = key_of(2, "y");
    ck_ok(clkv_entries_put_data(s, &first, tokens, 100));
    fail_allocator failing = { 0 };
    int refusals = 0;
    for (long at = 1; at < 20; at++) {
        const clkv_allocator allocator = { .resize = fail_resize, .user = &failing };
        failing = (fail_allocator){ .fail_at = at };
        clkv_set_allocator(&allocator);
        const clkv_status status = at % 2 ? clkv_entries_put_data(s, &second, tokens, 90)
                                          : clkv_entries_put_sequence(s, &second, seq);
        failing.fail_at = 0;
        if (status == CLKV_OK) ck_ok(clkv_entries_remove(s, &second));
        clkv_set_allocator(NULL);
        ck_assert(status == CLKV_OK || status == CLKV_ERROR_NO_MEMORY);
        refusals += status != CLKV_OK;
        ck_assert(!clkv_entries_contains(s, &second) && holds(s, &first, tokens, 100));
        ck_valid(clkv_entries_validate(s));
        ck_valid(clkv_manager_validate(m));
    }
    ck_assert_int_gt(refusals, 1);
    clkv_sequence_destroy(&seq);
    clkv_entries_destroy(&s);
    clkv_manager_destroy(&m);
}
END_TEST

/* ---- a random walk against a model ---- */

enum { KEYS = 9, MOST = 6, PAGES = 10 };

typedef struct known {
    int there, is_data;
    uint32_t length, stamp; /* tokens or bytes; when it was last used */
    unsigned char fill;
} known;

static uint32_t pages_of(const known *k)
{
    return k->there && k->is_data ? (k->length + PAGE - 1) / PAGE : 0;
}

START_TEST(random_walk)
{
    static unsigned char bytes[PAGES * PAGE + PAGE], out[sizeof bytes];
    clkv_manager *m = new_manager(64);
    clkv_entries *s = new_entries(m, MOST, PAGES);
    clkv_sequence *texts[4];
    uint32_t tokens[100], there = 0, pages = 0, stamp = 0;
    uint64_t rng = 40 + (uint64_t)_i;
    known keys[KEYS] = { { 0 } };
    for (uint32_t t = 0; t < 4; t++) {
        fill_tokens(tokens, 100, t);
        texts[t] = serve(m, tokens, 1 + 30 * t, NULL);
    }
    for (uint32_t step = 0; step < random_steps(20000); step++) {
        const uint32_t i = rng_below(&rng, KEYS), what = rng_below(&rng, 10), length = rng_below(&rng, sizeof bytes);
        known *k = &keys[i];
        const clkv_fingerprint key = { .hash = i / 3, .length = i % 3, .name = i % 2 ? "odd" : NULL };
        const int room = k->there || there < MOST;
        if (what < 3) {
            const unsigned char fill = (unsigned char)step;
            const uint32_t need = (length + PAGE - 1) / PAGE;
            memset(bytes, fill, length);
            const int fits = room && need <= PAGES - pages + pages_of(k);
            must(clkv_entries_put_data(s, &key, bytes, length) == (fits ? CLKV_OK : CLKV_ERROR_LIMIT));
            if (fits) {
                pages += need - pages_of(k);
                there += !k->there;
                *k = (known){ 1, 1, length, ++stamp, fill };
            }
        } else if (what < 5) {
            const uint32_t t = rng_below(&rng, 4);
            must(clkv_entries_put_sequence(s, &key, texts[t]) == (room ? CLKV_OK : CLKV_ERROR_LIMIT));
            if (room) {
                pages -= pages_of(k);
                there += !k->there;
                *k = (known){ 1, 0, 1 + 30 * t, ++stamp, 0 };
            }
        } else if (what == 5) {
            must(clkv_entries_remove(s, &key) == (k->there ? CLKV_OK : CLKV_ERROR_NOT_FOUND));
            pages -= pages_of(k);
            there -= (uint32_t)k->there;
            k->there = 0;
        } else if (what == 6 && rng_below(&rng, 4) == 0) {
            known *oldest = NULL;
            for (uint32_t j = 0; j < KEYS; j++)
                if (keys[j].there && (!oldest || keys[j].stamp < oldest->stamp)) oldest = &keys[j];
            must(clkv_entries_evict(s, 1) == (oldest != NULL));
            if (oldest) pages -= pages_of(oldest), there--, oldest->there = 0;
        } else if (what < 9) {
            size_t n = 0;
            must((clkv_entries_get_data(s, &key, out, sizeof out, &n) == CLKV_OK) == (k->there && k->is_data));
            if (k->there && k->is_data) {
                must(n == k->length);
                for (size_t b = 0; b < n; b++) must(out[b] == k->fill);
                k->stamp = ++stamp;
            }
        } else {
            clkv_sequence *got = NULL;
            must((clkv_entries_get_sequence(s, &key, 0, &got) == CLKV_OK) == (k->there && !k->is_data));
            if (got) {
                must(clkv_sequence_length(got) == k->length);
                k->stamp = ++stamp;
            }
            clkv_sequence_destroy(&got);
        }
        const char *broken = clkv_entries_validate(s);
        if (broken) ck_abort_msg("step %u: %s", step, broken);
        must(counts(s).entries == there && counts(s).data_memory == (uint64_t)pages * PAGE);
        must(clkv_entries_contains(s, &key) == k->there);
    }
    for (uint32_t t = 0; t < 4; t++) clkv_sequence_destroy(&texts[t]);
    clkv_entries_destroy(&s);
    ck_valid(clkv_manager_validate(m));
    ck_assert_uint_eq(stats_of(m).blocks_used, 0);
    clkv_manager_destroy(&m);
}
END_TEST

/* ---- threads ---- */

typedef struct user_thread {
    clkv_thread thread;
    clkv_entries *s;
    clkv_manager *m;
    uint32_t number;
    int failed;
} user_thread;

static void use(void *arg)
{
    user_thread *t = arg;
    uint64_t rng = t->number + 1;
    uint32_t tokens[40], out[40];
    fill_tokens(tokens, 40, t->number);
    clkv_sequence *seq = new_sequence(t->m, NULL, 0, NULL), *got = NULL;
    t->failed |= try_append(t->m, seq, tokens, 40) != CLKV_OK;
    for (uint32_t i = 0; i < random_steps(2000); i++) {
        const clkv_fingerprint key = { .hash = rng_below(&rng, 5), .length = 1 };
        size_t n = 0;
        switch (rng_below(&rng, 5)) {
        case 0: clkv_entries_put_sequence(t->s, &key, seq); break;
        case 1: clkv_entries_put_data(t->s, &key, tokens, sizeof tokens); break;
        case 2: clkv_entries_evict(t->s, 1); break;
        case 3:
            if (clkv_entries_get_data(t->s, &key, out, sizeof out, &n) == CLKV_OK)
                t->failed |= n != sizeof out || out[1] != out[0] + 7; /* one thread's, whole */
            break;
        default:
            if (clkv_entries_get_sequence(t->s, &key, 0, &got) == CLKV_OK) {
                t->failed |= clkv_sequence_length(got) != 40;
                clkv_sequence_destroy(&got);
            }
        }
    }
    clkv_sequence_destroy(&seq);
}

START_TEST(threads)
{
    user_thread users[4];
    clkv_manager *m = new_manager(64);
    clkv_entries *s = new_entries(m, 4, 8);
    for (uint32_t i = 0; i < 4; i++) {
        users[i] = (user_thread){ .s = s, .m = m, .number = i };
        ck_assert_int_eq(clkv_thread_start(&users[i].thread, 1 << 20, use, &users[i]), 0);
    }
    for (uint32_t i = 0; i < 4; i++) {
        clkv_thread_join(&users[i].thread);
        ck_assert_int_eq(users[i].failed, 0);
    }
    ck_valid(clkv_entries_validate(s));
    clkv_entries_destroy(&s);
    ck_valid(clkv_manager_validate(m));
    clkv_manager_destroy(&m);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("entries");
    TCase *tcase = tcase_create("entries");
    tcase_add_test(tcase, a_context);
    tcase_add_test(tcase, no_victim);
    tcase_add_test(tcase, data);
    tcase_add_test(tcase, replacing);
    tcase_add_test(tcase, refused);
    tcase_add_test(tcase, without_memory);
    tcase_add_loop_test(tcase, random_walk, 0, 3);
    tcase_add_test(tcase, threads);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
