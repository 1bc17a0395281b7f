/* test_prefix.c: the prefix index: matching, keys, collisions, duplicates, references.
 * test_prefix_random.c has its events and its random run. SPDX-License-Identifier: Apache-2.0 */
#include <clkv/prefix.h>

#include "support.h"

#include <string.h>

enum { B = 16, MANY = 4096 };

static clkv_prefix *make(uint32_t blocks, uint32_t block_size, uint32_t hash_bits)
{
    clkv_prefix_params params = CLKV_PARAMS_INIT(clkv_prefix_params);
    params.blocks = blocks;
    params.block_size = block_size;
    params.hash_bits = hash_bits;
    clkv_prefix *prefix = NULL;
    ck_ok(clkv_prefix_create(&prefix, &params));
    ck_valid(clkv_prefix_validate(prefix));
    return prefix;
}

static void finish(clkv_prefix *prefix)
{
    ck_valid(clkv_prefix_validate(prefix));
    clkv_prefix_destroy(&prefix);
    ck_assert_ptr_null(prefix);
}

static clkv_prefix_counts counts_of(const clkv_prefix *prefix)
{
    clkv_prefix_counts counts = CLKV_PARAMS_INIT(clkv_prefix_counts);
    clkv_prefix_get_counts(prefix, &counts);
    return counts;
}

/* 0, 1, 2 … with one token changed, so that lists differ from there on. */
static void fill(uint32_t *tokens, size_t n, size_t change, uint32_t value)
{
    for (size_t i = 0; i < n; i++) tokens[i] = i == change ? value : (uint32_t)i + 1;
}

/* Registers the full blocks of a list as blocks first, first + 1, …; returns the last node. */
static clkv_prefix_node put(clkv_prefix *prefix, clkv_prefix_node root, const clkv_key *keys, size_t n_keys,
                            const uint32_t *tokens, size_t n, uint32_t first)
{
    clkv_prefix_node node = root;
    for (size_t i = 0; (i + 1) * B <= n; i++) {
        const clkv_prefix_node parent = node;
        ck_ok(clkv_prefix_register(prefix, parent, i * B, keys, n_keys, tokens + i * B, first + (uint32_t)i, &node));
        ck_assert_uint_eq(clkv_prefix_node_of(prefix, first + (uint32_t)i), node);
        ck_valid(clkv_prefix_validate(prefix));
    }
    return node;
}

static size_t hits(clkv_prefix *prefix, clkv_prefix_node root, const clkv_key *keys, size_t n_keys,
                   const uint32_t *tokens, size_t n, uint32_t *out)
{
    uint32_t found[MANY];
    size_t n_found = 99;
    ck_ok(clkv_prefix_match(prefix, root, 0, keys, n_keys, tokens, n, out ? out : found, &n_found, NULL));
    return n_found;
}

static clkv_key key_of(clkv_key_kind kind, const char *text)
{
    return (clkv_key){ .kind = kind, .data = text, .bytes = strlen(text) };
}

static clkv_key content_of(uint64_t offset, uint32_t length, const char *text)
{
    return (clkv_key){ .kind = CLKV_KEY_CONTENT, .offset = offset, .length = length, .data = text, .bytes = strlen(text) };
}

START_TEST(bad_parameters_are_refused)
{
    clkv_prefix *prefix = NULL;
    clkv_prefix_params params = CLKV_PARAMS_INIT(clkv_prefix_params);
    ck_assert_int_eq(clkv_prefix_create(&prefix, &params), CLKV_ERROR_INVALID);
    params.blocks = (1u << 31) + 1;
    ck_assert_int_eq(clkv_prefix_create(&prefix, &params), CLKV_ERROR_INVALID);
    params.blocks = 8;
    ck_assert_int_eq(clkv_prefix_create(NULL, &params), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_prefix_create(&prefix, NULL), CLKV_ERROR_INVALID);
    params.block_size = 24;
    ck_assert_int_eq(clkv_prefix_create(&prefix, &params), CLKV_ERROR_INVALID);
    params.block_size = 512;
    ck_assert_int_eq(clkv_prefix_create(&prefix, &params), CLKV_ERROR_INVALID);
    params.block_size = 0;
    params.hash_bits = 65;
    ck_assert_int_eq(clkv_prefix_create(&prefix, &params), CLKV_ERROR_INVALID);
    params.hash_bits = 0;
    params.size = sizeof params.size - 1;
    ck_assert_int_eq(clkv_prefix_create(&prefix, &params), CLKV_ERROR_INVALID);
    ck_assert_ptr_null(prefix);
    clkv_prefix_destroy(&prefix);
    clkv_prefix_destroy(NULL);
}
END_TEST

START_TEST(full_blocks_are_found_and_the_partial_one_is_not)
{
    clkv_prefix *prefix = make(64, 0, 0);
    uint32_t tokens[64], out[4];
    fill(tokens, 64, 64, 0);
    ck_assert_uint_eq(hits(prefix, CLKV_PREFIX_ROOT, NULL, 0, tokens, 55, out), 0);
    put(prefix, CLKV_PREFIX_ROOT, NULL, 0, tokens, 55, 10);
    ck_assert_uint_eq(hits(prefix, CLKV_PREFIX_ROOT, NULL, 0, tokens, 55, out), 3);
    for (uint32_t i = 0; i < 3; i++) ck_assert_uint_eq(out[i], 10 + i);
    ck_assert_uint_eq(hits(prefix, CLKV_PREFIX_ROOT, NULL, 0, tokens, 64, out), 3);
    ck_assert_uint_eq(hits(prefix, CLKV_PREFIX_ROOT, NULL, 0, tokens, 47, out), 2);
    ck_assert_uint_eq(hits(prefix, CLKV_PREFIX_ROOT, NULL, 0, tokens, 15, out), 0);
    ck_assert_uint_eq(hits(prefix, CLKV_PREFIX_ROOT, NULL, 0, NULL, 0, NULL), 0);
    for (size_t change = 0; change < 48; change++) {
        fill(tokens, 64, change, 999);
        ck_assert_uint_eq(hits(prefix, CLKV_PREFIX_ROOT, NULL, 0, tokens, 64, out), change / B);
    }
    ck_assert_uint_eq(counts_of(prefix).nodes, 3);
    ck_assert_uint_eq(counts_of(prefix).blocks, 3);
    finish(prefix);
}
END_TEST

START_TEST(a_walk_can_start_below_the_root)
{
    clkv_prefix *prefix = make(64, 0, 0);
    uint32_t tokens[96], out[8];
    size_t n = 0;
    clkv_prefix_node at = 0, end = 0;
    fill(tokens, 96, 96, 0);
    const clkv_prefix_node last = put(prefix, CLKV_PREFIX_ROOT, NULL, 0, tokens, 96, 0);
    ck_ok(clkv_prefix_match(prefix, CLKV_PREFIX_ROOT, 0, NULL, 0, tokens, 40, out, &n, &at));
    ck_assert_uint_eq(n, 2);
    ck_ok(clkv_prefix_match(prefix, at, 32, NULL, 0, tokens + 32, 64, out, &n, &end));
    ck_assert_uint_eq(n, 4);
    ck_assert_uint_eq(out[0], 2);
    ck_assert_uint_eq(end, last);
    ck_ok(clkv_prefix_match(prefix, end, 96, NULL, 0, tokens, 96, out, &n, &at));
    ck_assert_uint_eq(n, 0);
    ck_assert_uint_eq(at, end);
    finish(prefix);
}
END_TEST

START_TEST(every_block_size_works)
{
    for (uint32_t size = 1; size <= 256; size *= 2) {
        clkv_prefix *prefix = make(64, size, 0);
        uint32_t tokens[1024], out[64];
        size_t n;
        fill(tokens, 1024, 1024, 0);
        clkv_prefix_node node = CLKV_PREFIX_ROOT;
        for (uint32_t i = 0; i < 4; i++)
            ck_ok(clkv_prefix_register(prefix, node, i * size, NULL, 0, tokens + i * size, i, &node));
        ck_ok(clkv_prefix_match(prefix, 0, 0, NULL, 0, tokens, 4 * size, out, &n, NULL));
        ck_assert_uint_eq(n, 4);
        tokens[4 * size - 1]++;
        ck_ok(clkv_prefix_match(prefix, 0, 0, NULL, 0, tokens, 4 * size, out, &n, NULL));
        ck_assert_uint_eq(n, 3);
        finish(prefix);
    }
}
END_TEST

START_TEST(bad_arguments_change_nothing)
{
    clkv_prefix *prefix = make(8, 0, 0);
    uint32_t tokens[32], out[2];
    size_t n;
    fill(tokens, 32, 32, 0);
    const clkv_prefix_node node = put(prefix, CLKV_PREFIX_ROOT, NULL, 0, tokens, 16, 3);
    const clkv_prefix_counts before = counts_of(prefix);
#define REFUSED(parent, position, tokens, block)                                                              \
    ck_assert_int_eq(clkv_prefix_register(prefix, parent, position, NULL, 0, tokens, block, NULL), CLKV_ERROR_INVALID)
    REFUSED(node, 16, tokens + 16, 3); /* registered already */
    REFUSED(node, 16, tokens + 16, 8); /* no such block */
    REFUSED(node, 16, tokens + 16, CLKV_NO_BLOCK);
    REFUSED(node, 16, NULL, 4);
    REFUSED(node, 0, tokens + 16, 4); /* it ends at 16 */
    REFUSED(node, 17, tokens + 16, 4);
    REFUSED(node + 1, 16, tokens + 16, 4); /* no such node */
    REFUSED(UINT32_MAX, 16, tokens + 16, 4);
    ck_assert_int_eq(clkv_prefix_match(prefix, 99, 0, NULL, 0, tokens, 32, out, &n, NULL), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_prefix_match(prefix, 0, 16, NULL, 0, tokens, 32, out, &n, NULL), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_prefix_match(prefix, 0, 0, NULL, 0, NULL, 32, out, &n, NULL), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_prefix_match(prefix, 0, 0, NULL, 0, tokens, 32, NULL, &n, NULL), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_prefix_match(prefix, 0, 0, NULL, 0, tokens, 32, out, NULL, NULL), CLKV_ERROR_INVALID);
    clkv_prefix_drop(prefix, 4);
    clkv_prefix_drop(prefix, 8);
    clkv_prefix_unref(prefix, node); /* it has no reference to give back */
    clkv_prefix_unref(prefix, 99);
    clkv_prefix_ref(prefix, 99);
    const clkv_prefix_counts after = counts_of(prefix);
    ck_assert_mem_eq(&before, &after, sizeof before);
    ck_assert_int_eq(clkv_prefix_has(prefix, 3), 1);
    ck_assert_int_eq(clkv_prefix_has(prefix, 4), 0);
    ck_assert_uint_eq(clkv_prefix_node_of(prefix, 8), CLKV_PREFIX_ROOT);
    finish(prefix);
}
END_TEST

START_TEST(bad_keys_are_refused)
{
    static const char long_key[4097];
    const clkv_key bad[] = {
        { .kind = (clkv_key_kind)0, .data = "x", .bytes = 1 },
        { .kind = (clkv_key_kind)4, .data = "x", .bytes = 1 },
        { .kind = CLKV_KEY_SALT, .data = NULL, .bytes = 1 },
        { .kind = CLKV_KEY_SALT, .data = "x", .bytes = 0 },
        { .kind = CLKV_KEY_SALT, .data = long_key, .bytes = 4097 },
        { .kind = CLKV_KEY_SALT, .data = "x", .bytes = 1, .length = 1 },
        { .kind = CLKV_KEY_ADAPTER, .data = "x", .bytes = 1, .offset = 1 },
        { .kind = CLKV_KEY_CONTENT, .data = "x", .bytes = 1, .length = 0 },
        { .kind = CLKV_KEY_CONTENT, .data = "x", .bytes = 1, .length = 2, .offset = UINT64_MAX - 1 },
    };
    clkv_prefix *prefix = make(8, 0, 0);
    uint32_t tokens[16] = { 0 }, out[1];
    size_t n;
    clkv_prefix_node node;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const clkv_key two[] = { key_of(CLKV_KEY_SALT, "good"), bad[i] };
        ck_assert_int_eq(clkv_prefix_root(prefix, two, 2, &node), CLKV_ERROR_INVALID);
        ck_assert_int_eq(clkv_prefix_match(prefix, 0, 0, two, 2, tokens, 16, out, &n, NULL), CLKV_ERROR_INVALID);
        ck_assert_int_eq(clkv_prefix_register(prefix, 0, 0, two, 2, tokens, 1, NULL), CLKV_ERROR_INVALID);
    }
    clkv_key many[CLKV_MAX_KEYS + 1];
    for (int i = 0; i <= CLKV_MAX_KEYS; i++) many[i] = key_of(CLKV_KEY_SALT, "x");
    ck_assert_int_eq(clkv_prefix_root(prefix, many, CLKV_MAX_KEYS + 1, &node), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_prefix_root(prefix, NULL, 1, &node), CLKV_ERROR_INVALID);
    ck_ok(clkv_prefix_root(prefix, many, CLKV_MAX_KEYS, &node));
    clkv_prefix_unref(prefix, node);
    ck_assert_uint_eq(counts_of(prefix).nodes, 0);
    finish(prefix);
}
END_TEST

START_TEST(a_block_that_is_reused_is_no_longer_found)
{
    clkv_prefix *prefix = make(8, 0, 0);
    uint32_t tokens[48], other[48], out[3];
    fill(tokens, 48, 48, 0);
    fill(other, 48, 0, 77);
    put(prefix, CLKV_PREFIX_ROOT, NULL, 0, tokens, 48, 0);
    clkv_prefix_drop(prefix, 1);
    ck_valid(clkv_prefix_validate(prefix));
    ck_assert_uint_eq(hits(prefix, 0, NULL, 0, tokens, 48, out), 1);
    ck_assert_uint_eq(counts_of(prefix).nodes, 3); /* the hole keeps its node: block 2 hangs on it */
    const clkv_prefix_node hole = clkv_prefix_node_of(prefix, 2);
    ck_ok(clkv_prefix_register(prefix, clkv_prefix_node_of(prefix, 0), 16, NULL, 0, tokens + 16, 5, NULL));
    ck_assert_uint_eq(hits(prefix, 0, NULL, 0, tokens, 48, out), 3); /* the hole is filled: 2 is found again */
    ck_assert_uint_eq(out[1], 5);
    ck_assert_uint_eq(out[2], 2);
    ck_assert_uint_eq(clkv_prefix_node_of(prefix, 2), hole);
    clkv_prefix_drop(prefix, 2);
    clkv_prefix_drop(prefix, 0);
    clkv_prefix_drop(prefix, 5);
    ck_assert_uint_eq(counts_of(prefix).nodes, 0);
    ck_valid(clkv_prefix_validate(prefix));
    put(prefix, CLKV_PREFIX_ROOT, NULL, 0, other, 48, 0);
    ck_assert_uint_eq(hits(prefix, 0, NULL, 0, tokens, 48, out), 0);
    ck_assert_uint_eq(hits(prefix, 0, NULL, 0, other, 48, out), 3);
    finish(prefix);
}
END_TEST

START_TEST(blocks_computed_twice_are_both_kept)
{
    clkv_prefix *prefix = make(16, 0, 0);
    uint32_t tokens[32], out[2];
    fill(tokens, 32, 32, 0);
    const clkv_prefix_node first = put(prefix, CLKV_PREFIX_ROOT, NULL, 0, tokens, 32, 8);
    ck_assert_uint_eq(put(prefix, CLKV_PREFIX_ROOT, NULL, 0, tokens, 32, 2), first);
    ck_assert_uint_eq(put(prefix, CLKV_PREFIX_ROOT, NULL, 0, tokens, 32, 4), first);
    ck_assert_uint_eq(put(prefix, CLKV_PREFIX_ROOT, NULL, 0, tokens, 32, 6), first);
    ck_assert_uint_eq(counts_of(prefix).nodes, 2);
    ck_assert_uint_eq(counts_of(prefix).blocks, 8);
    static const struct {
        uint32_t drop, found;
    } steps[] = { { 2, 8 }, { 8, 4 }, { 4, 6 }, { 6, CLKV_NO_BLOCK } }; /* the middle, then the longest registered */
    ck_assert_uint_eq(hits(prefix, 0, NULL, 0, tokens, 32, out), 2);
    ck_assert_uint_eq(out[0], 8);
    for (int i = 0; i < 4; i++) {
        clkv_prefix_drop(prefix, steps[i].drop);
        ck_valid(clkv_prefix_validate(prefix));
        const size_t n = hits(prefix, 0, NULL, 0, tokens, 32, out);
        ck_assert_uint_eq(n, steps[i].found == CLKV_NO_BLOCK ? 0 : 2);
        if (n) ck_assert_uint_eq(out[0], steps[i].found);
    }
    finish(prefix);
}
END_TEST

START_TEST(other_keys_are_other_prefixes)
{
    clkv_prefix *prefix = make(1024, 0, (uint32_t)_i);
    uint32_t tokens[32], out[2];
    fill(tokens, 32, 32, 0);
    const clkv_key sets[][2] = {
        { key_of(CLKV_KEY_SALT, "a"), key_of(CLKV_KEY_SALT, "bc") },
        { key_of(CLKV_KEY_SALT, "ab"), key_of(CLKV_KEY_SALT, "c") },
        { key_of(CLKV_KEY_SALT, "abc"), key_of(CLKV_KEY_SALT, "abc") },
        { key_of(CLKV_KEY_ADAPTER, "abc"), key_of(CLKV_KEY_ADAPTER, "abc") },
        { key_of(CLKV_KEY_SALT, "a"), key_of(CLKV_KEY_ADAPTER, "bc") },
        { key_of(CLKV_KEY_ADAPTER, "a"), key_of(CLKV_KEY_SALT, "bc") },
        { key_of(CLKV_KEY_SALT, "a"), key_of(CLKV_KEY_SALT, "a") },
        { { .kind = CLKV_KEY_SALT, .data = "a\0", .bytes = 2 }, { .kind = CLKV_KEY_SALT, .data = "a\0", .bytes = 2 } },
    };
    enum { SETS = sizeof sets / sizeof *sets };
    clkv_prefix_node roots[SETS], again;
    for (uint32_t s = 0; s < SETS; s++) {
        ck_ok(clkv_prefix_root(prefix, sets[s], 2, &roots[s]));
        for (uint32_t t = 0; t < s; t++) ck_assert_uint_ne(roots[s], roots[t]);
        ck_assert_uint_eq(hits(prefix, roots[s], sets[s], 2, tokens, 32, out), 0);
        put(prefix, roots[s], sets[s], 2, tokens, 32, s * 2);
        const clkv_key swapped[] = { sets[s][1], sets[s][0] };
        ck_ok(clkv_prefix_root(prefix, swapped, 2, &again));
        ck_assert_uint_eq(again, roots[s]);
        clkv_prefix_unref(prefix, again);
        ck_assert_uint_eq(hits(prefix, again, swapped, 2, tokens, 32, out), 2);
        ck_assert_uint_eq(out[0], s * 2);
        ck_assert_uint_eq(out[1], s * 2 + 1);
    }
    ck_assert_uint_eq(hits(prefix, CLKV_PREFIX_ROOT, NULL, 0, tokens, 32, out), 0);
    ck_assert_uint_eq(counts_of(prefix).nodes, 2 * SETS);
    for (uint32_t s = 0; s < SETS; s++) {
        clkv_prefix_unref(prefix, roots[s]);
        clkv_prefix_drop(prefix, s * 2);
        clkv_prefix_drop(prefix, s * 2 + 1);
        ck_valid(clkv_prefix_validate(prefix));
    }
    ck_assert_uint_eq(counts_of(prefix).nodes, 0);
    ck_ok(clkv_prefix_root(prefix, NULL, 0, &again));
    ck_assert_uint_eq(again, CLKV_PREFIX_ROOT);
    const clkv_key content = content_of(0, 5, "x");
    ck_ok(clkv_prefix_root(prefix, &content, 1, &again));
    ck_assert_uint_eq(again, CLKV_PREFIX_ROOT);
    finish(prefix);
}
END_TEST

START_TEST(content_keys_bind_the_blocks_they_overlap)
{
    clkv_prefix *prefix = make(1024, 0, (uint32_t)_i);
    uint32_t tokens[64], out[4];
    fill(tokens, 64, 64, 0);
    const clkv_key cat = content_of(20, 13, "cat"); /* tokens 20 … 32: blocks 1 and 2, not 3 */
    put(prefix, CLKV_PREFIX_ROOT, &cat, 1, tokens, 64, 0);
    ck_assert_uint_eq(hits(prefix, 0, &cat, 1, tokens, 64, out), 4);
    ck_assert_uint_eq(hits(prefix, 0, NULL, 0, tokens, 64, out), 1);
    const clkv_key other[] = { content_of(20, 13, "dog"), content_of(21, 12, "cat"), content_of(20, 12, "cat"),
                               content_of(20, 13, "ca"), content_of(20, 13, "cats") };
    for (int i = 0; i < 5; i++) ck_assert_uint_eq(hits(prefix, 0, &other[i], 1, tokens, 64, out), 1);
    const clkv_key more[] = { content_of(48, 1, "hat"), cat }, twice[] = { cat, cat };
    ck_assert_uint_eq(hits(prefix, 0, more, 2, tokens, 64, out), 3);
    ck_assert_uint_eq(hits(prefix, 0, twice, 2, tokens, 64, out), 4);
    /* The blocks 1 and 3 with and without keys are four nodes, and all can be there. */
    put(prefix, CLKV_PREFIX_ROOT, NULL, 0, tokens, 64, 100);
    put(prefix, CLKV_PREFIX_ROOT, more, 2, tokens, 64, 200);
    ck_assert_uint_eq(counts_of(prefix).nodes, 1 + 3 + 3 + 1);
    ck_assert_uint_eq(hits(prefix, 0, NULL, 0, tokens, 64, out), 4);
    ck_assert_uint_eq(out[1], 101);
    ck_assert_uint_eq(hits(prefix, 0, more, 2, tokens, 64, out), 4);
    ck_assert_uint_eq(out[1], 1);
    ck_assert_uint_eq(out[3], 203);

    /* Under a salt the first block inherits the root's keys, and has its own. */
    const clkv_key salted[] = { content_of(0, 1, "first"), key_of(CLKV_KEY_SALT, "tenant") };
    clkv_prefix_node root;
    ck_ok(clkv_prefix_root(prefix, salted, 2, &root));
    put(prefix, root, salted, 2, tokens, 64, 300);
    ck_assert_uint_eq(hits(prefix, root, salted, 2, tokens, 64, out), 4);
    ck_assert_uint_eq(hits(prefix, root, salted + 1, 1, tokens, 64, out), 0);
    ck_assert_uint_eq(hits(prefix, 0, salted, 2, tokens, 64, out), 0);
    clkv_prefix_unref(prefix, root);
    for (uint32_t b = 0; b < 304; b++) clkv_prefix_drop(prefix, b);
    ck_assert_uint_eq(counts_of(prefix).nodes, 0);
    finish(prefix);
}
END_TEST

START_TEST(colliding_lists_never_share)
{
    const uint32_t bits = (uint32_t)_i;
    clkv_prefix *prefix = make(256, 0, bits);
    uint32_t tokens[64][32], out[2];
    for (uint32_t s = 0; s < 64; s++) {
        fill(tokens[s], 32, s % 32, 1000 + s);
        put(prefix, CLKV_PREFIX_ROOT, NULL, 0, tokens[s], 32, s * 2);
    }
    for (uint32_t s = 0; s < 64; s++) {
        ck_assert_uint_eq(hits(prefix, 0, NULL, 0, tokens[s], 32, out), 2);
        ck_assert_uint_eq(clkv_prefix_node_of(prefix, out[1]), clkv_prefix_node_of(prefix, s * 2 + 1));
        tokens[s][31] += 5000;
        ck_assert_uint_le(hits(prefix, 0, NULL, 0, tokens[s], 32, out), 1);
        tokens[s][0] += 5000;
        ck_assert_uint_eq(hits(prefix, 0, NULL, 0, tokens[s], 32, out), 0);
    }
    ck_assert_uint_gt(counts_of(prefix).collisions, 64);
    for (uint32_t b = 0; b < 128; b++) {
        clkv_prefix_drop(prefix, b * 37 % 128);
        ck_valid(clkv_prefix_validate(prefix));
    }
    ck_assert_uint_eq(counts_of(prefix).nodes, 0);
    finish(prefix);
}
END_TEST

START_TEST(a_reference_keeps_a_node_without_blocks)
{
    clkv_prefix *prefix = make(4, 0, 0);
    enum { DEEP = 300 };
    uint32_t tokens[DEEP * B];
    fill(tokens, DEEP * B, DEEP * B, 0);
    clkv_prefix_node nodes[DEEP + 1] = { CLKV_PREFIX_ROOT };
    /* A window of one block over a long sequence: many more nodes than blocks. */
    for (uint32_t i = 0; i < DEEP; i++) {
        ck_ok(clkv_prefix_register(prefix, nodes[i], (uint64_t)i * B, NULL, 0, tokens + i * B, i % 4, &nodes[i + 1]));
        clkv_prefix_ref(prefix, nodes[i + 1]);
        clkv_prefix_unref(prefix, nodes[i]);
        clkv_prefix_drop(prefix, i % 4);
        ck_valid(clkv_prefix_validate(prefix));
    }
    ck_assert_uint_eq(counts_of(prefix).nodes, DEEP);
    ck_assert_uint_eq(counts_of(prefix).blocks, 0);
    uint32_t out[DEEP];
    ck_assert_uint_eq(hits(prefix, 0, NULL, 0, tokens, DEEP * B, out), 0);
    ck_ok(clkv_prefix_register(prefix, nodes[DEEP], (uint64_t)DEEP * B, NULL, 0, tokens, 0, NULL));
    clkv_prefix_unref(prefix, nodes[DEEP]);
    ck_assert_uint_eq(counts_of(prefix).nodes, DEEP + 1);
    clkv_prefix_drop(prefix, 0);
    ck_assert_uint_eq(counts_of(prefix).nodes, 0);
    finish(prefix);
}
END_TEST

START_TEST(reset_forgets_the_blocks_and_keeps_what_is_referenced)
{
    clkv_prefix *prefix = make(64, 0, 0);
    uint32_t tokens[48], out[3];
    fill(tokens, 48, 48, 0);
    const clkv_key salt = key_of(CLKV_KEY_SALT, "s");
    clkv_prefix_node root;
    ck_ok(clkv_prefix_root(prefix, &salt, 1, &root));
    put(prefix, root, NULL, 0, tokens, 48, 0);
    put(prefix, CLKV_PREFIX_ROOT, NULL, 0, tokens, 48, 10);
    put(prefix, CLKV_PREFIX_ROOT, NULL, 0, tokens, 48, 20);
    const clkv_prefix_node middle = clkv_prefix_node_of(prefix, 11);
    clkv_prefix_ref(prefix, middle);
    clkv_prefix_reset(prefix);
    ck_valid(clkv_prefix_validate(prefix));
    ck_assert_uint_eq(counts_of(prefix).blocks, 0);
    ck_assert_uint_eq(counts_of(prefix).nodes, 2);
    ck_assert_int_eq(clkv_prefix_has(prefix, 20), 0);
    ck_assert_uint_eq(hits(prefix, 0, NULL, 0, tokens, 48, out), 0);
    ck_ok(clkv_prefix_register(prefix, middle, 32, NULL, 0, tokens + 32, 12, NULL));
    clkv_prefix_unref(prefix, middle);
    clkv_prefix_unref(prefix, root);
    ck_assert_uint_eq(counts_of(prefix).nodes, 3);
    clkv_prefix_reset(prefix);
    ck_assert_uint_eq(counts_of(prefix).nodes, 0);
    finish(prefix);
}
END_TEST

START_TEST(a_failed_allocation_changes_nothing)
{
    fail_allocator failing = { 0 };
    const clkv_allocator allocator = { fail_resize, &failing };
    clkv_set_allocator(&allocator);
    clkv_prefix *prefix = make(64, 0, 0);
    uint32_t tokens[16] = { 1 }, failures = 0;
    for (uint32_t i = 0; i < 40; i++) {
        char name[8] = { 'k', (char)('a' + i) };
        const clkv_key keys[] = { key_of(CLKV_KEY_SALT, name), content_of(0, 1, name) };
        const clkv_prefix_counts before = counts_of(prefix);
        clkv_prefix_node root = CLKV_PREFIX_ROOT, node = CLKV_PREFIX_ROOT;
        for (long at = 1;; at++) {
            failing.requests = 0;
            failing.fail_at = at;
            clkv_status status = clkv_prefix_root(prefix, keys, 2, &root);
            if (!status) {
                status = clkv_prefix_register(prefix, root, 0, keys, 2, tokens, i, &node);
                if (status) clkv_prefix_unref(prefix, root);
            }
            failing.fail_at = 0;
            ck_valid(clkv_prefix_validate(prefix));
            if (!status) break;
            failures++;
            ck_assert_int_eq(status, CLKV_ERROR_NO_MEMORY);
            ck_assert_uint_eq(counts_of(prefix).nodes, before.nodes);
            ck_assert_uint_eq(counts_of(prefix).blocks, before.blocks);
        }
    }
    ck_assert_uint_ge(failures, 80);
    finish(prefix);
    ck_assert_uint_eq(failing.live_bytes, 0);
    clkv_set_allocator(NULL);
}
END_TEST

START_TEST(an_index_grows)
{
    enum { NODES = 100000, LONG = 50 };
    clkv_prefix *prefix = make(NODES, 0, 0);
    uint32_t tokens[LONG * B], out[LONG];
    for (uint32_t pass = 0; pass < 2; pass++) {
        for (uint32_t s = 0; s < NODES / LONG; s++) {
            fill(tokens, LONG * B, 0, s);
            clkv_prefix_node node = CLKV_PREFIX_ROOT;
            for (uint32_t i = 0; i < LONG; i++) {
                if (pass) clkv_prefix_drop(prefix, s * LONG + i);
                ck_ok(clkv_prefix_register(prefix, node, i * B, NULL, 0, tokens + i * B, s * LONG + i, &node));
            }
        }
        ck_valid(clkv_prefix_validate(prefix));
        ck_assert_uint_eq(counts_of(prefix).nodes, NODES);
        for (uint32_t s = 0; s < NODES / LONG; s++) {
            fill(tokens, LONG * B, 0, s);
            ck_assert_uint_eq(hits(prefix, 0, NULL, 0, tokens, LONG * B, out), LONG);
            for (uint32_t i = 0; i < LONG; i++) ck_assert_uint_eq(out[i], s * LONG + i);
        }
    }
    ck_assert_uint_eq(counts_of(prefix).collisions, 0);
    finish(prefix);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("prefix");
    TCase *tests = tcase_create("prefix");
    tcase_set_timeout(tests, 300);
    tcase_add_test(tests, bad_parameters_are_refused);
    tcase_add_test(tests, full_blocks_are_found_and_the_partial_one_is_not);
    tcase_add_test(tests, a_walk_can_start_below_the_root);
    tcase_add_test(tests, every_block_size_works);
    tcase_add_test(tests, bad_arguments_change_nothing);
    tcase_add_test(tests, bad_keys_are_refused);
    tcase_add_test(tests, a_block_that_is_reused_is_no_longer_found);
    tcase_add_test(tests, blocks_computed_twice_are_both_kept);
    tcase_add_loop_test(tests, other_keys_are_other_prefixes, 0, 5);
    tcase_add_loop_test(tests, content_keys_bind_the_blocks_they_overlap, 0, 5);
    tcase_add_loop_test(tests, colliding_lists_never_share, 1, 5);
    tcase_add_test(tests, a_reference_keeps_a_node_without_blocks);
    tcase_add_test(tests, reset_forgets_the_blocks_and_keeps_what_is_referenced);
    tcase_add_test(tests, a_failed_allocation_changes_nothing);
    tcase_add_test(tests, an_index_grows);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
