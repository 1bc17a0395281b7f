/* test_sizes.c: params structs of programs that are older or newer than the library: smaller ones are filled up with
 * zeros, larger ones are accepted when the rest is zero. SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <clkv/clkv.h>

/* Any params struct, with room for what a newer program knows. */
typedef union any {
    size_t size;
    clkv_pool_params pool;
    clkv_prefix_params prefix;
    clkv_manager_params manager;
    clkv_sequence_params sequence;
    clkv_ref_attention_params attention;
    unsigned char bytes[512];
} any;

static clkv_manager *host;
static const float q[8], k[8], v[8];
static float o[8];

static clkv_status make_pool(const any *p)
{
    clkv_pool *pool = NULL;
    const clkv_status status = clkv_pool_create(&pool, p ? &p->pool : NULL);
    must((status == CLKV_OK) == (pool != NULL));
    clkv_pool_destroy(&pool);
    return status;
}

static clkv_status make_prefix(const any *p)
{
    clkv_prefix *prefix = NULL;
    const clkv_status status = clkv_prefix_create(&prefix, p ? &p->prefix : NULL);
    must((status == CLKV_OK) == (prefix != NULL));
    clkv_prefix_destroy(&prefix);
    return status;
}

static clkv_status make_manager(const any *p)
{
    clkv_manager *m = NULL;
    const clkv_status status = clkv_manager_create(&m, p ? &p->manager : NULL);
    must((status == CLKV_OK) == (m != NULL));
    if (m) must(clkv_manager_block_size(m) == 16 && m->max_batch_tokens == 0 && m->window == 0);
    clkv_manager_destroy(&m);
    return status;
}

static clkv_status make_sequence(const any *p)
{
    clkv_sequence *seq = NULL;
    const clkv_status status = clkv_sequence_create(&seq, host, p ? &p->sequence : NULL, NULL);
    must((status == CLKV_OK) == (seq != NULL));
    must(clkv_sequence_user_data(seq) == 0);
    clkv_sequence_destroy(&seq);
    return status;
}

static clkv_status attend(const any *p)
{
    return clkv_ref_attention(p ? &p->attention : NULL);
}

/* `least`: bytes up to the end of the last field that these values set. */
static void try_sizes(clkv_status (*use)(const any *), const any *good, size_t least)
{
    any p = *good;
    const size_t known = p.size;
    ck_assert_uint_lt(least, known);
    ck_ok(use(&p));
    memset(p.bytes + least, 0xee, sizeof p - least); /* nothing beyond the caller's size is looked at */
    p.size = least;
    ck_ok(use(&p));
    p = *good;
    p.size = known + 64;
    ck_ok(use(&p));
    p.bytes[known + 63] = 1;
    ck_assert_int_eq(use(&p), CLKV_ERROR_INVALID);
    p = *good;
    p.bytes[known] = 1;
    ck_ok(use(&p));
    p.size = known + 1;
    ck_assert_int_eq(use(&p), CLKV_ERROR_INVALID);
    static const size_t wrong[] = {0, 1, sizeof(size_t) - 1, ((size_t)1 << 16) + 1, SIZE_MAX};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        p.size = wrong[i];
        ck_assert_int_eq(use(&p), CLKV_ERROR_INVALID);
    }
    ck_assert_int_eq(use(NULL), CLKV_ERROR_INVALID);
}

#define END_OF(type, field) (offsetof(type, field) + sizeof((type){0}.field))

START_TEST(a_program_may_be_older_or_newer)
{
    host = new_manager(4);
    const any pool = {.pool = {.size = sizeof pool.pool, .blocks = 4}};
    try_sizes(make_pool, &pool, END_OF(clkv_pool_params, blocks));
    const any prefix = {.prefix = {.size = sizeof prefix.prefix, .blocks = 4}};
    try_sizes(make_prefix, &prefix, END_OF(clkv_prefix_params, blocks));
    const any manager = {.manager = {.size = sizeof manager.manager, .blocks = 4}};
    try_sizes(make_manager, &manager, END_OF(clkv_manager_params, blocks));
    const any sequence = {.sequence = {.size = sizeof sequence.sequence}};
    try_sizes(make_sequence, &sequence, END_OF(clkv_sequence_params, n_tokens));
    const any attention = {.attention = {.size = sizeof attention.attention,
                                         .q_len = 1,
                                         .kv_len = 1,
                                         .heads = 1,
                                         .kv_heads = 1,
                                         .head_dim = 8,
                                         .head_dim_v = 8,
                                         .q = q,
                                         .k = k,
                                         .v = v,
                                         .o = o}};
    try_sizes(attend, &attention, END_OF(clkv_ref_attention_params, o));
    end_manager(&host);
}
END_TEST

/* The sequence params of clkv 0.1 ended before `prefix`: what it knew still works. */
START_TEST(what_an_older_program_says_is_heard)
{
    uint32_t prompt[40];
    fill_tokens(prompt, 40, 1);
    clkv_manager *m = new_manager(20);
    clkv_sequence *first = serve(m, prompt, 40, NULL), *second = NULL;
    clkv_sequence_params params;
    memset(&params, 0xee, sizeof params);
    params.size = offsetof(clkv_sequence_params, keys);
    params.tokens = prompt;
    params.n_tokens = 40;
    size_t matched = 0;
    ck_ok(clkv_sequence_create(&second, m, &params, &matched));
    ck_assert_uint_eq(matched, 32);
    ck_assert_uint_eq(clkv_sequence_user_data(second), 0);
    clkv_sequence_destroy(&first);
    clkv_sequence_destroy(&second);
    end_manager(&m);
}
END_TEST

/* What the library fills has the caller's size: a smaller struct gets what it has room for, a larger one zeros. */
START_TEST(counts_are_filled_up_to_their_size)
{
    clkv_manager *m = new_manager(4);
    struct {
        clkv_pool_counts known;
        unsigned char rest[8];
    } later;
    memset(&later, 0xee, sizeof later);
    later.known.size = sizeof later;
    ck_ok(clkv_pool_get_counts(m->pool, &later.known));
    ck_assert_uint_eq(later.known.size, sizeof later.known);
    ck_assert_uint_eq(later.known.total, 4);
    for (size_t i = 0; i < sizeof later.rest; i++) ck_assert_uint_eq(later.rest[i], 0);
    clkv_prefix_counts earlier;
    memset(&earlier, 0xee, sizeof earlier);
    earlier.size = offsetof(clkv_prefix_counts, blocks);
    ck_ok(clkv_prefix_get_counts(m->prefix, &earlier));
    ck_assert_uint_eq(earlier.size, offsetof(clkv_prefix_counts, blocks));
    ck_assert_uint_eq(earlier.nodes, 0);
    ck_assert_uint_eq(earlier.blocks, UINT64_C(0xeeeeeeeeeeeeeeee));
    earlier.size = 0;
    ck_assert_int_eq(clkv_prefix_get_counts(m->prefix, &earlier), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_pool_get_counts(NULL, &later.known), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_pool_get_counts(m->pool, NULL), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_prefix_get_counts(NULL, &earlier), CLKV_ERROR_INVALID);
    end_manager(&m);
}
END_TEST

START_TEST(unknown_values_are_refused)
{
    clkv_manager *m = NULL;
    clkv_manager_params params = {.size = sizeof params, .blocks = 4, .prefix = (clkv_prefix_use)3};
    ck_assert_int_eq(clkv_manager_create(&m, &params), CLKV_ERROR_INVALID);
    params.prefix = CLKV_PREFIX_ON;
    ck_ok(clkv_manager_create(&m, &params));
    clkv_sequence *seq = NULL;
    const clkv_sequence_params wrong = {.size = sizeof wrong, .prefix = (clkv_prefix_use)-1};
    ck_assert_int_eq(clkv_sequence_create(&seq, m, &wrong, NULL), CLKV_ERROR_INVALID);
    ck_assert_ptr_null(seq);
    clkv_manager_destroy(&m);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sizes");
    TCase *tests = tcase_create("sizes");
    tcase_add_test(tests, a_program_may_be_older_or_newer);
    tcase_add_test(tests, what_an_older_program_says_is_heard);
    tcase_add_test(tests, counts_are_filled_up_to_their_size);
    tcase_add_test(tests, unknown_values_are_refused);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
