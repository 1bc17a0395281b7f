/* test_prefix_random.c: the prefix index's events, and random operations against a plain model. The model
 * knows whole prefixes as token lists and nothing of trees or hashes; the replica of the index that is
 * rebuilt from events decodes the keys as docs/formats.md tells. SPDX-License-Identifier: Apache-2.0 */
#include <clkv/prefix.h>

#include "support.h"

#include <string.h>

enum { B = 2, DEPTH = 5, BLOCKS = 24, KEYSETS = 4 };

/* What two prefixes differ in: tokens, and which of the key sets below they were made with. */
typedef struct path {
    uint32_t tokens[DEPTH * B];
    uint32_t depth, keyset;
} path;

static const clkv_key salt_key = { .kind = CLKV_KEY_SALT, .data = "tenant", .bytes = 6 };
static const clkv_key keysets[KEYSETS][2] = {
    { { 0 } },
    { { .kind = CLKV_KEY_SALT, .data = "tenant", .bytes = 6 } },
    { { .kind = CLKV_KEY_CONTENT, .offset = 3, .length = 2, .data = "cat", .bytes = 3 } }, /* blocks 1 and 2 */
    { { .kind = CLKV_KEY_CONTENT, .offset = 0, .length = 1, .data = "cat", .bytes = 3 },
      { .kind = CLKV_KEY_SALT, .data = "tenant", .bytes = 6 } },
};
static const size_t keyset_sizes[KEYSETS] = { 0, 1, 1, 2 };

/* Whether two paths are the same prefix: same tokens, and keys that say the same as far as the prefix
 * goes. Set 2 differs from set 0 from the second block on. */
static int is_same(const path *a, const path *b, uint32_t depth)
{
    const int same_keys = a->keyset == b->keyset || (a->keyset + b->keyset == 2 && a->keyset != 1 && depth <= 1);
    return same_keys && memcmp(a->tokens, b->tokens, depth * B * sizeof *a->tokens) == 0;
}

/* ---- a replica out of events ---- */

typedef struct stored {
    uint64_t hash, parent_hash;
    uint32_t tokens[B], block;
    unsigned char keys[128];
    size_t keys_bytes;
} stored;

typedef struct replica {
    stored list[BLOCKS];
    uint32_t n, cleared;
} replica;

static void on_event(void *user, const clkv_cache_event *event)
{
    replica *r = user;
    if (event->kind == CLKV_EVENT_CLEARED) {
        ck_assert_uint_eq(event->block, CLKV_NO_BLOCK);
        ck_assert_uint_eq(event->token_count, 0);
        r->n = 0;
        r->cleared++;
        return;
    }
    must(event->token_count == B);
    must(event->block < BLOCKS);
    uint32_t at = 0;
    while (at < r->n && r->list[at].hash != event->hash) at++;
    if (event->kind == CLKV_EVENT_REMOVED) {
        must(at < r->n);
        must(r->list[at].parent_hash == event->parent_hash);
        r->list[at] = r->list[--r->n];
        return;
    }
    must(event->kind == CLKV_EVENT_STORED);
    must(at == r->n);
    must(r->n < BLOCKS);
    must(event->keys_bytes <= sizeof r->list[at].keys);
    r->list[at] = (stored){ .hash = event->hash, .parent_hash = event->parent_hash, .block = event->block,
                            .keys_bytes = event->keys_bytes };
    memcpy(r->list[at].tokens, event->tokens, sizeof r->list[at].tokens);
    if (event->keys_bytes) memcpy(r->list[at].keys, event->keys, event->keys_bytes);
    r->n++;
}

static uint64_t get_le(const unsigned char **at, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++) value |= (uint64_t) * (*at)++ << (8 * i);
    return value;
}

/* Whether the canonical form says exactly these keys: those of the sequence, if `first`, and the contents
 * that overlap block `block` of the path. */
static int says_keys(const stored *s, uint32_t keyset, uint32_t block)
{
    const unsigned char *at = s->keys, *end = s->keys + s->keys_bytes;
    uint32_t wanted = 0, found = 0;
    for (size_t k = 0; k < keyset_sizes[keyset]; k++) {
        const clkv_key *key = &keysets[keyset][k];
        const int applies = key->kind == CLKV_KEY_CONTENT
                                ? key->offset < (block + 1) * B && key->offset + key->length > block * B
                                : block == 0;
        wanted |= (uint32_t)applies << k;
    }
    while (at < end) {
        const uint64_t kind = get_le(&at, 4), length = get_le(&at, 4), offset = get_le(&at, 8), bytes = get_le(&at, 4);
        const uint32_t before = found;
        for (size_t k = 0; k < keyset_sizes[keyset]; k++) {
            const clkv_key *key = &keysets[keyset][k];
            if (kind == key->kind && length == key->length && offset == key->offset && bytes == key->bytes &&
                memcmp(at, key->data, bytes) == 0)
                found |= 1u << k;
        }
        if (found == before) return 0; /* a key that the set does not have */
        at += bytes;
    }
    must(at == end);
    return found == wanted && (wanted != 0) == (s->keys_bytes != 0);
}

/* How many blocks of a path the replica has. */
static uint32_t replica_match(const replica *r, const path *p)
{
    uint64_t hash = 0;
    const int salted = p->keyset == 1 || p->keyset == 3;
    for (uint32_t block = 0; block < p->depth; block++) {
        uint32_t at = 0;
        while (at < r->n && !((r->list[at].parent_hash == hash || (block == 0 && salted)) &&
                              says_keys(&r->list[at], p->keyset, block) &&
                              memcmp(r->list[at].tokens, p->tokens + block * B, sizeof r->list[at].tokens) == 0))
            at++;
        if (at == r->n) return block;
        hash = r->list[at].hash;
    }
    return p->depth;
}

/* ---- the model ---- */

typedef struct model {
    struct {
        path path;
        uint64_t since; /* 0: not registered */
    } blocks[BLOCKS];
    clkv_prefix_node held[8]; /* nodes with a reference of ours, and their paths */
    path held_paths[8];
    uint32_t n_held;
    clkv_prefix_node salt_root;
    uint64_t clock;
} model;

/* The block that a prefix should be found by, or CLKV_NO_BLOCK. */
static uint32_t model_find(const model *m, const path *p, uint32_t depth)
{
    uint32_t best = CLKV_NO_BLOCK;
    for (uint32_t b = 0; b < BLOCKS; b++) {
        if (!m->blocks[b].since || m->blocks[b].path.depth != depth || !is_same(&m->blocks[b].path, p, depth)) continue;
        if (best == CLKV_NO_BLOCK || m->blocks[b].since < m->blocks[best].since) best = b;
    }
    return best;
}

static clkv_prefix_node root_of(const model *m, uint32_t keyset)
{
    return keyset == 1 || keyset == 3 ? m->salt_root : CLKV_PREFIX_ROOT;
}

/* The node of a prefix of a path, if it is known: a block holds it, or we do. */
static int model_node(const model *m, const clkv_prefix *prefix, const path *p, uint32_t depth, clkv_prefix_node *node)
{
    *node = root_of(m, p->keyset);
    if (depth == 0) return 1;
    const uint32_t block = model_find(m, p, depth);
    if (block != CLKV_NO_BLOCK) {
        *node = clkv_prefix_node_of(prefix, block);
        return 1;
    }
    for (uint32_t i = 0; i < m->n_held; i++) {
        if (m->held_paths[i].depth != depth || !is_same(&m->held_paths[i], p, depth)) continue;
        *node = m->held[i];
        return 1;
    }
    return 0;
}

static path random_path(uint64_t *rng)
{
    path p = { .depth = 1 + rng_below(rng, DEPTH), .keyset = rng_below(rng, KEYSETS) };
    for (uint32_t i = 0; i < p.depth * B; i++) p.tokens[i] = i % B ? 7 : rng_below(rng, 2);
    return p;
}

static void step_register(model *m, clkv_prefix *prefix, uint64_t *rng)
{
    path p = random_path(rng);
    clkv_prefix_node parent, node = UINT32_MAX;
    while (!model_node(m, prefix, &p, p.depth - 1, &parent)) p.depth--;
    const uint32_t block = rng_below(rng, BLOCKS), position = (p.depth - 1) * B;
    const clkv_status status = clkv_prefix_register(prefix, parent, position, keysets[p.keyset], keyset_sizes[p.keyset],
                                                    p.tokens + position, block, &node);
    if (m->blocks[block].since) {
        must(status == CLKV_ERROR_INVALID);
        return;
    }
    ck_ok(status);
    must(clkv_prefix_node_of(prefix, block) == node);
    m->blocks[block].path = p;
    m->blocks[block].since = m->clock;
}

static void step_hold(model *m, clkv_prefix *prefix, uint64_t *rng)
{
    const uint32_t block = rng_below(rng, BLOCKS);
    if (m->n_held == 8 || (m->n_held && rng_below(rng, 2))) {
        const uint32_t i = rng_below(rng, m->n_held);
        clkv_prefix_unref(prefix, m->held[i]);
        m->held[i] = m->held[--m->n_held];
        m->held_paths[i] = m->held_paths[m->n_held];
    } else if (m->blocks[block].since) {
        m->held[m->n_held] = clkv_prefix_node_of(prefix, block);
        m->held_paths[m->n_held++] = m->blocks[block].path;
        clkv_prefix_ref(prefix, clkv_prefix_node_of(prefix, block));
    }
}

static void step_match(const model *m, clkv_prefix *prefix, const replica *copy, int exact, uint64_t *rng)
{
    const path p = random_path(rng);
    uint32_t out[DEPTH], expected = 0;
    size_t n = 99;
    clkv_prefix_node node;
    ck_ok(clkv_prefix_match(prefix, root_of(m, p.keyset), 0, keysets[p.keyset], keyset_sizes[p.keyset], p.tokens,
                            p.depth * B, out, &n, &node));
    while (expected < p.depth && model_find(m, &p, expected + 1) != CLKV_NO_BLOCK) expected++;
    must(n == expected);
    for (uint32_t i = 0; i < n; i++) must(out[i] == model_find(m, &p, i + 1));
    must(node == (n ? clkv_prefix_node_of(prefix, out[n - 1]) : root_of(m, p.keyset)));
    if (exact) must(replica_match(copy, &p) == expected);
}

/* One block, or many at once: some twice, some not registered, and BLOCKS is no block. */
static void step_drop(model *m, clkv_prefix *prefix, uint32_t block, uint64_t *rng)
{
    if (rng_below(rng, 16)) {
        clkv_prefix_drop(prefix, block);
        m->blocks[block].since = 0;
        return;
    }
    uint32_t list[64];
    const uint32_t n = rng_below(rng, 65);
    for (uint32_t i = 0; i < n; i++) {
        list[i] = rng_below(rng, 8) ? rng_below(rng, BLOCKS + 1) : CLKV_NO_BLOCK;
        if (list[i] < BLOCKS) m->blocks[list[i]].since = 0;
    }
    clkv_prefix_drop_all(prefix, list, n);
}

START_TEST(random_operations_agree_with_a_model)
{
    static const uint32_t bits[] = { 64, 2, 1 };
    const int exact = bits[_i] == 64; /* else hashes in events do not name a prefix */
    replica copy = { .n = 0 };
    clkv_prefix_params params = CLKV_PARAMS_INIT(clkv_prefix_params);
    params.blocks = BLOCKS;
    params.block_size = B;
    params.hash_bits = bits[_i];
    params.hash_seed = 2026; /* a failure repeats */
    params.event_content = 1;
    params.on_event = exact ? on_event : NULL;
    params.user = &copy;
    clkv_prefix *prefix;
    ck_ok(clkv_prefix_create(&prefix, &params));
    model m = { .clock = 0 };
    ck_ok(clkv_prefix_root(prefix, &salt_key, 1, &m.salt_root));
    uint64_t rng = 4711 + (uint64_t)_i, matched = 0;
    const uint32_t steps = random_steps(400000);
    for (m.clock = 1; m.clock <= steps; m.clock++) {
        const uint32_t what = rng_below(&rng, 1000), block = rng_below(&rng, BLOCKS);
        if (what < 400) {
            step_register(&m, prefix, &rng);
        } else if (what < 600) {
            step_drop(&m, prefix, block, &rng);
        } else if (what < 700) {
            step_hold(&m, prefix, &rng);
        } else if (what < 998) {
            step_match(&m, prefix, &copy, exact, &rng);
            matched++;
        } else {
            clkv_prefix_reset(prefix);
            for (uint32_t b = 0; b < BLOCKS; b++) m.blocks[b].since = 0;
        }
        must(clkv_prefix_has(prefix, block) == (m.blocks[block].since != 0));
        ck_valid(clkv_prefix_validate(prefix));
    }
    ck_assert_uint_gt(matched, steps / 5);
    if (exact) ck_assert_uint_gt(copy.cleared, steps / 4000);
    for (uint32_t b = 0; b < BLOCKS; b++) clkv_prefix_drop(prefix, b);
    while (m.n_held) clkv_prefix_unref(prefix, m.held[--m.n_held]);
    clkv_prefix_unref(prefix, m.salt_root);
    clkv_prefix_counts counts = CLKV_PARAMS_INIT(clkv_prefix_counts);
    clkv_prefix_get_counts(prefix, &counts);
    ck_assert_uint_eq(counts.nodes, 0);
    ck_assert_uint_eq(counts.blocks, 0);
    if (exact) ck_assert_uint_eq(copy.n, 0);
    ck_assert_int_eq(counts.collisions > 0, !exact);
    ck_valid(clkv_prefix_validate(prefix));
    clkv_prefix_destroy(&prefix);
}
END_TEST

START_TEST(events_tell_of_the_first_and_the_last_block_only)
{
    replica copy = { .n = 0 };
    clkv_prefix_params params = CLKV_PARAMS_INIT(clkv_prefix_params);
    params.blocks = BLOCKS;
    params.block_size = B;
    params.event_content = 1;
    params.on_event = on_event;
    params.user = &copy;
    clkv_prefix *prefix;
    ck_ok(clkv_prefix_create(&prefix, &params));
    const uint32_t tokens[2 * B] = { 5, 6, 7, 8 };
    clkv_prefix_node root, node;
    ck_ok(clkv_prefix_root(prefix, &salt_key, 1, &root));
    ck_assert_uint_eq(copy.n, 0); /* a root is no prefix with a block */
    ck_ok(clkv_prefix_register(prefix, root, 0, &salt_key, 1, tokens, 3, &node));
    ck_assert_uint_eq(copy.n, 1);
    ck_assert_uint_eq(copy.list[0].block, 3);
    ck_assert_uint_ne(copy.list[0].parent_hash, 0);
    ck_ok(clkv_prefix_register(prefix, root, 0, &salt_key, 1, tokens, 4, &node));
    ck_ok(clkv_prefix_register(prefix, node, B, &salt_key, 1, tokens + B, 5, NULL));
    ck_assert_uint_eq(copy.n, 2);
    ck_assert_uint_eq(copy.list[1].parent_hash, copy.list[0].hash);
    ck_assert_uint_eq(copy.list[1].keys_bytes, 0);

    /* The bytes of docs/formats.md: kind 1, length 0, offset 0, 6 bytes. */
    static const unsigned char canonical[] = { 1, 0, 0, 0, 0, 0, 0,   0,   0,   0,   0,   0,   0,
                                               0, 0, 0, 6, 0, 0, 0, 't', 'e', 'n', 'a', 'n', 't' };
    ck_assert_uint_eq(copy.list[0].keys_bytes, sizeof canonical);
    ck_assert_mem_eq(copy.list[0].keys, canonical, sizeof canonical);
    clkv_prefix_drop(prefix, 3);
    ck_assert_uint_eq(copy.n, 2);
    clkv_prefix_drop(prefix, 4); /* its node stays for block 5, but nothing holds it any more */
    ck_assert_uint_eq(copy.n, 1);
    ck_assert_uint_eq(copy.list[0].block, 5);
    clkv_prefix_drop(prefix, 5);
    ck_assert_uint_eq(copy.n, 0);
    clkv_prefix_reset(prefix);
    ck_assert_uint_eq(copy.cleared, 1);
    clkv_prefix_unref(prefix, root);
    clkv_prefix_destroy(&prefix);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("prefix_random");
    TCase *tests = tcase_create("prefix_random");
    tcase_set_timeout(tests, 300);
    tcase_add_test(tests, events_tell_of_the_first_and_the_last_block_only);
    tcase_add_loop_test(tests, random_operations_agree_with_a_model, 0, 3);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
