/* prefix.c: the prefix index: the tree, its blocks and its events. prefix_index.h has a drawing.
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/prefix.h"

#include "core/error.h"
#include "core/memory.h"
#include "core/params.h"
#include "core/prefix_index.h"
#include "core/random.h"

#include <string.h>

#define MAX_BLOCKS     (1u << 31)
#define MAX_BLOCK_SIZE 256u
#define FIRST_ROOM     (1u << 24) /* ids with address space from the beginning */
#define FIRST_TABLE    (1u << 12)

/* How many blocks before a block is dropped its node id is fetched, then the node, then the node's parent. */
#define AHEAD_OWNER  32u
#define AHEAD_NODE   22u
#define AHEAD_PARENT 12u
/* How many ids below the top of the stack of free ids a node is fetched. */
#define DEAD_AHEAD 8u

/* ---- life ---- */

static size_t tokens_bytes(const clkv_prefix *prefix, uint32_t nodes)
{
    return (size_t)nodes * prefix->block_size * sizeof *prefix->tokens;
}

static uint64_t mask_of_bits(uint32_t bits)
{
    /* Keep the upper bits, because the table chooses its lines by them. */
    return bits ? UINT64_MAX << (64 - bits) : UINT64_MAX;
}

static clkv_status check_params(const clkv_prefix_params *params)
{
    if (params->blocks == 0 || params->blocks > MAX_BLOCKS)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "%u blocks, not 1 to 2^31", params->blocks);
    if (params->block_size & (params->block_size - 1) || params->block_size > MAX_BLOCK_SIZE)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "block_size %u is not a power of two from 1 to %u", params->block_size,
                         MAX_BLOCK_SIZE);
    if (params->hash_bits > 64) return CLKV_FAIL(CLKV_ERROR_INVALID, "hash_bits %u, at most 64", params->hash_bits);
    return CLKV_OK;
}

clkv_status clkv_prefix_check_use(clkv_prefix_use use)
{
    if (use == CLKV_PREFIX_DEFAULT || use == CLKV_PREFIX_ON || use == CLKV_PREFIX_OFF) return CLKV_OK;
    return CLKV_FAIL(CLKV_ERROR_INVALID, "prefix is %d: none of clkv_prefix_use", (int)use);
}

clkv_status clkv_prefix_create(clkv_prefix **out, const clkv_prefix_params *params)
{
    if (!out) return CLKV_FAIL(CLKV_ERROR_INVALID, "out is NULL");
    clkv_prefix_params own;
    clkv_status status = CLKV_PARAMS_READ(own, params);
    if (status == CLKV_OK) status = check_params(&own);
    if (status != CLKV_OK) return CLKV_PUBLIC(status);
    params = &own;

    clkv_prefix *prefix = clkv_alloc(sizeof *prefix);
    if (!prefix) return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "%zu bytes", sizeof *prefix);
    prefix->blocks = params->blocks;
    prefix->block_size = params->block_size ? params->block_size : 16;
    prefix->hash_mask = mask_of_bits(params->hash_bits);
    prefix->event_content = params->event_content;
    prefix->wipe_tokens = params->wipe_tokens;
    prefix->on_event = params->on_event;
    prefix->user = params->user;
    const uint32_t room = params->blocks < FIRST_ROOM ? params->blocks + 1 : FIRST_ROOM;
    prefix->nodes_room = prefix->tokens_room = prefix->dead_room = room;
    prefix->nodes = clkv_map(room * sizeof *prefix->nodes);
    prefix->tokens = clkv_map(tokens_bytes(prefix, room));
    prefix->dead_ids = clkv_map(room * sizeof *prefix->dead_ids);
    prefix->owners = clkv_map(prefix->blocks * sizeof *prefix->owners);
    prefix->twins = clkv_map(prefix->blocks * sizeof *prefix->twins);
    const uint32_t limit = params->blocks < FIRST_TABLE ? params->blocks : FIRST_TABLE;
    if (!prefix->nodes || !prefix->tokens || !prefix->dead_ids || !prefix->owners || !prefix->twins ||
        clkv_table_init(&prefix->table, limit)) {
        clkv_prefix_destroy(&prefix);
        return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "tables for %u blocks", params->blocks);
    }
    const uint64_t seed = params->hash_seed ? params->hash_seed : clkv_random_seed();
    prefix->nodes[CLKV_PREFIX_ROOT] =
        (clkv_node){.hash = seed, .parent = CLKV_NODE_NONE, .block = CLKV_NO_BLOCK};
    prefix->keys.seed = seed;
    prefix->n_nodes = 1;
    *out = prefix;
    return CLKV_OK;
}

void clkv_prefix_destroy(clkv_prefix **prefix)
{
    if (!prefix || !*prefix) return;
    clkv_prefix *p = *prefix;
    clkv_unmap(p->nodes, p->nodes_room * sizeof *p->nodes);
    clkv_unmap(p->tokens, tokens_bytes(p, p->tokens_room));
    clkv_unmap(p->dead_ids, p->dead_room * sizeof *p->dead_ids);
    clkv_unmap(p->owners, p->blocks * sizeof *p->owners);
    clkv_unmap(p->twins, p->blocks * sizeof *p->twins);
    clkv_table_free(&p->table);
    clkv_keys_free(&p->keys);
    clkv_free(p, sizeof *p);
    *prefix = NULL;
}

/* ---- nodes ---- */

static int more_room(void **array, uint32_t *room, uint32_t want, size_t each)
{
    if (*room >= want) return 0;
    void *grown = clkv_remap(*array, *room * each, want * each);
    if (!grown) return -1;
    *array = grown;
    *room = want;
    return 0;
}

/* Doubles the room for nodes; 0 on success. */
static int more_nodes(clkv_prefix *prefix)
{
    if (prefix->n_nodes >= CLKV_DEPTH_DEAD / 2) return -1;
    const uint32_t want = prefix->n_nodes * 2;
    return more_room((void **)&prefix->nodes, &prefix->nodes_room, want, sizeof *prefix->nodes) ||
           more_room((void **)&prefix->tokens, &prefix->tokens_room, want, tokens_bytes(prefix, 1)) ||
           more_room((void **)&prefix->dead_ids, &prefix->dead_room, want, sizeof *prefix->dead_ids);
}

static int nodes_are_full(const clkv_prefix *prefix)
{
    const uint32_t n = prefix->n_nodes;
    return !prefix->dead && (n == prefix->nodes_room || n == prefix->tokens_room || n == prefix->dead_room);
}

/* Makes a table of twice the size from the live nodes; 0 on success. Changes that wait in the old table are in the
 * nodes already. */
static int more_table(clkv_prefix *prefix)
{
    clkv_table table;
    if (prefix->table.limit > UINT32_MAX / 2 || clkv_table_init(&table, prefix->table.limit * 2)) return -1;
    for (uint32_t node = 1; node < prefix->n_nodes; node++)
        if (prefix->nodes[node].depth != CLKV_DEPTH_DEAD) clkv_table_insert(&table, prefix->nodes[node].hash, node);
    clkv_table_free(&prefix->table);
    prefix->table = table;
    return 0;
}

/* Makes room for one more node. */
static clkv_status reserve_node(clkv_prefix *prefix)
{
    if ((nodes_are_full(prefix) && more_nodes(prefix)) ||
        (prefix->table.used == prefix->table.limit && more_table(prefix)))
        return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "no room for node %u", prefix->n_nodes);
    return CLKV_OK;
}

/* Makes a node without block, child or reference; the caller must give it one of these. Call reserve_node before.
 * Takes over the caller's reference on `keys`. */
static uint32_t new_node(clkv_prefix *prefix, uint64_t hash, uint32_t parent, uint32_t keys)
{
    const uint32_t node = prefix->dead ? prefix->dead_ids[--prefix->dead] : prefix->n_nodes++;
    if (prefix->dead >= DEAD_AHEAD) {
        /* The ids of dropped nodes may be scattered: fetch a node that will be made a few nodes later. */
        const uint32_t soon = prefix->dead_ids[prefix->dead - DEAD_AHEAD];
        __builtin_prefetch(&prefix->nodes[soon], 1);
        __builtin_prefetch(clkv_node_tokens(prefix, soon), 1);
    }
    const int root = parent == CLKV_NODE_NONE;
    prefix->nodes[node] = (clkv_node){
        .hash = hash,
        .parent = parent,
        .block = CLKV_NO_BLOCK,
        .keys = keys,
        .depth = root ? 0 : prefix->nodes[parent].depth + 1,
    };
    if (root)
        prefix->roots++;
    else
        prefix->nodes[parent].children++;
    clkv_table_insert(&prefix->table, hash, node);
    return node;
}

/* Drops the node if it has no block, child or reference, then its parent in the same way, up to the root. */
static void collapse(clkv_prefix *prefix, uint32_t node)
{
    while (node != CLKV_PREFIX_ROOT) {
        clkv_node *at = &prefix->nodes[node];
        if (at->block != CLKV_NO_BLOCK || at->children || at->refs) return;
        const uint32_t parent = at->parent;
        clkv_table_remove(&prefix->table, at->hash, node);
        clkv_keys_unref(&prefix->keys, at->keys);
        if (prefix->wipe_tokens)
            memset(prefix->tokens + (size_t)node * prefix->block_size, 0, tokens_bytes(prefix, 1));
        *at = (clkv_node){.parent = CLKV_NODE_NONE, .block = CLKV_NO_BLOCK, .depth = CLKV_DEPTH_DEAD};
        prefix->dead_ids[prefix->dead++] = node;
        if (parent == CLKV_NODE_NONE) {
            prefix->roots--;
            return;
        }
        /* The nodes of a chain mostly have neighbouring ids: fetch one cache line ahead. */
        const uint32_t ancestor = parent + 3 * (parent - node);
        if (ancestor < prefix->n_nodes) __builtin_prefetch(&prefix->nodes[ancestor], 1);
        prefix->nodes[parent].children--;
        node = parent;
    }
}

static clkv_status find_root(clkv_prefix *prefix, const clkv_key *keys, size_t n_keys, clkv_prefix_node *out)
{
    clkv_key_list list;
    clkv_status status = clkv_key_list_sequence(&list, keys, n_keys);
    if (status) return status;
    if (list.n == 0) {
        *out = CLKV_PREFIX_ROOT;
        return CLKV_OK;
    }
    uint32_t number;
    status = clkv_keys_add(&prefix->keys, CLKV_KEYS_NONE, &list, &number);
    if (status) return status;
    const uint64_t hash = clkv_keys_hash(&prefix->keys, number) & prefix->hash_mask;
    uint32_t root = clkv_node_find(prefix, hash, CLKV_NODE_NONE, NULL, number);
    if (root != CLKV_NODE_NONE) {
        clkv_keys_unref(&prefix->keys, number);
    } else {
        status = reserve_node(prefix);
        if (status) {
            clkv_keys_unref(&prefix->keys, number);
            return status;
        }
        root = new_node(prefix, hash, CLKV_NODE_NONE, number);
    }
    prefix->nodes[root].refs++;
    *out = root;
    return CLKV_OK;
}

clkv_status clkv_prefix_root(clkv_prefix *prefix, const clkv_key *keys, size_t n_keys, clkv_prefix_node *out)
{
    if (!prefix || !out) return CLKV_FAIL(CLKV_ERROR_INVALID, "%s is NULL", prefix ? "out" : "prefix");
    return CLKV_PUBLIC(find_root(prefix, keys, n_keys, out));
}

void clkv_prefix_ref(clkv_prefix *prefix, clkv_prefix_node node)
{
    if (node != CLKV_PREFIX_ROOT && prefix && clkv_node_alive(prefix, node)) prefix->nodes[node].refs++;
}

void clkv_prefix_unref(clkv_prefix *prefix, clkv_prefix_node node)
{
    if (node == CLKV_PREFIX_ROOT || !prefix || !clkv_node_alive(prefix, node) || !prefix->nodes[node].refs) return;
    prefix->nodes[node].refs--;
    collapse(prefix, node);
}

/* ---- blocks ---- */

void clkv_prefix_stop_events(clkv_prefix *prefix)
{
    if (prefix) prefix->on_event = NULL;
}

/* The hash in events. The hash of the root without keys is the secret seed, so it is given as 0. */
static uint64_t parent_hash(const clkv_prefix *prefix, uint32_t node)
{
    const uint32_t parent = prefix->nodes[node].parent;
    return parent == CLKV_PREFIX_ROOT ? 0 : prefix->nodes[parent].hash;
}

void clkv_prefix_hashes(const clkv_prefix *prefix, uint32_t block, uint64_t *hash, uint64_t *parent)
{
    const uint32_t node = prefix->owners[block];
    *hash = prefix->nodes[node].hash;
    *parent = parent_hash(prefix, node);
}

static void send_event(const clkv_prefix *prefix, clkv_cache_event_kind kind, uint32_t node, uint32_t block)
{
    if (!prefix->on_event) return;
    const clkv_node *at = &prefix->nodes[node];
    clkv_cache_event event = {
        .kind = kind,
        .block = block,
        .hash = at->hash,
        .parent_hash = parent_hash(prefix, node),
        .tokens = prefix->event_content ? clkv_node_tokens(prefix, node) : NULL,
        .token_count = prefix->block_size,
    };
    if (prefix->event_content && at->keys != CLKV_KEYS_NONE) {
        event.keys = prefix->keys.entries[at->keys].data;
        event.keys_bytes = prefix->keys.entries[at->keys].bytes;
    }
    prefix->on_event(prefix->user, &event);
}

static void add_block(clkv_prefix *prefix, uint32_t node, uint32_t block)
{
    clkv_node *at = &prefix->nodes[node];
    clkv_twin *twins = prefix->twins;
    prefix->owners[block] = node;
    prefix->n_blocks++;
    if (block >= prefix->blocks_high) prefix->blocks_high = block + 1;
    if (at->block == CLKV_NO_BLOCK) {
        at->block = block;
        send_event(prefix, CLKV_EVENT_STORED, node, block);
        return;
    }
    const uint32_t first = at->block;
    if (!at->shared) twins[first] = (clkv_twin){first, first};
    const uint32_t last = twins[first].prev;
    twins[block] = (clkv_twin){last, first};
    twins[last].next = block;
    twins[first].prev = block;
    at->shared = 1;
}

static void remove_block(clkv_prefix *prefix, uint32_t node, uint32_t block)
{
    clkv_node *at = &prefix->nodes[node];
    clkv_twin *twins = prefix->twins;
    prefix->owners[block] = CLKV_PREFIX_ROOT;
    prefix->n_blocks--;
    if (!at->shared) {
        at->block = CLKV_NO_BLOCK;
        send_event(prefix, CLKV_EVENT_REMOVED, node, block);
        return;
    }
    const clkv_twin of = twins[block];
    twins[of.prev].next = of.next;
    twins[of.next].prev = of.prev;
    if (at->block == block) at->block = of.next;
    at->shared = of.prev != of.next;
}

void clkv_prefix_move(clkv_prefix *prefix, uint32_t from, uint32_t to)
{
    const uint32_t node = prefix->owners[from];
    clkv_node *at = &prefix->nodes[node];
    clkv_twin *twins = prefix->twins;
    prefix->owners[to] = node;
    prefix->owners[from] = CLKV_PREFIX_ROOT;
    if (to >= prefix->blocks_high) prefix->blocks_high = to + 1;
    if (at->block == from) at->block = to;
    if (!at->shared) return;
    twins[to] = twins[from];
    twins[twins[to].prev].next = to;
    twins[twins[to].next].prev = to;
}

/* Finds the keys of the block that follows `parent`, and takes a reference on them. */
static clkv_status keys_of_block(clkv_prefix *prefix, uint32_t parent, uint64_t position, const clkv_key *keys,
                                 size_t n_keys, uint32_t *number)
{
    clkv_key_list content, own;
    const clkv_status status = clkv_key_list_content(&content, keys, n_keys);
    if (status) return status;
    clkv_key_list_overlapping(&own, &content, position, prefix->block_size);
    return clkv_keys_add(&prefix->keys, clkv_node_base_keys(prefix, parent), &own, number);
}

static clkv_status register_block(clkv_prefix *prefix, clkv_prefix_node parent, uint64_t position,
                                  const clkv_key *keys, size_t n_keys, const uint32_t *tokens, uint32_t block,
                                  clkv_prefix_node *node)
{
    clkv_status status = clkv_node_check(prefix, parent, position, "parent");
    if (status) return status;
    if (!tokens) return CLKV_FAIL(CLKV_ERROR_INVALID, "tokens is NULL");
    if (block >= prefix->blocks) return CLKV_FAIL(CLKV_ERROR_INVALID, "no such block: %u", block);
    if (prefix->owners[block]) return CLKV_FAIL(CLKV_ERROR_INVALID, "block %u is registered already", block);

    uint32_t number = CLKV_KEYS_NONE;
    if (n_keys || clkv_node_base_keys(prefix, parent)) {
        status = keys_of_block(prefix, parent, position, keys, n_keys, &number);
        if (status) return status;
    }
    const uint64_t hash = clkv_node_hash(prefix, prefix->nodes[parent].hash, tokens, number);
    uint32_t at = CLKV_NODE_NONE;
    if (prefix->nodes[parent].children) at = clkv_node_find(prefix, hash, parent, tokens, number);
    if (at != CLKV_NODE_NONE) {
        clkv_keys_unref(&prefix->keys, number);
    } else {
        status = reserve_node(prefix);
        if (status) {
            clkv_keys_unref(&prefix->keys, number);
            return status;
        }
        at = new_node(prefix, hash, parent, number);
        memcpy(prefix->tokens + (size_t)at * prefix->block_size, tokens, prefix->block_size * sizeof *tokens);
    }
    add_block(prefix, at, block);
    if (node) *node = at;
    return CLKV_OK;
}

clkv_status clkv_prefix_register(clkv_prefix *prefix, clkv_prefix_node parent, uint64_t position,
                                 const clkv_key *keys, size_t n_keys, const uint32_t *tokens, uint32_t block,
                                 clkv_prefix_node *node)
{
    return CLKV_PUBLIC(register_block(prefix, parent, position, keys, n_keys, tokens, block, node));
}

void clkv_prefix_drop(clkv_prefix *prefix, uint32_t block)
{
    const uint32_t node = clkv_prefix_node_of(prefix, block);
    if (node == CLKV_PREFIX_ROOT) return;
    remove_block(prefix, node, block);
    collapse(prefix, node);
}

/* Prefetches the data for dropping the blocks from `at` on. Each step uses data that an earlier step has fetched. */
static void prefetch(const clkv_prefix *prefix, const uint32_t *blocks, size_t n, size_t at)
{
    if (at + AHEAD_OWNER < n && blocks[at + AHEAD_OWNER] < prefix->blocks)
        __builtin_prefetch(&prefix->owners[blocks[at + AHEAD_OWNER]], 1);
    uint32_t node = at + AHEAD_NODE < n ? clkv_prefix_node_of(prefix, blocks[at + AHEAD_NODE]) : CLKV_PREFIX_ROOT;
    if (node != CLKV_PREFIX_ROOT) __builtin_prefetch(&prefix->nodes[node], 1);
    node = at + AHEAD_PARENT < n ? clkv_prefix_node_of(prefix, blocks[at + AHEAD_PARENT]) : CLKV_PREFIX_ROOT;
    /* Only a leaf is dropped with its block. */
    if (node != CLKV_PREFIX_ROOT && !prefix->nodes[node].children)
        __builtin_prefetch(&prefix->nodes[prefix->nodes[node].parent], 1);
}

void clkv_prefix_drop_all(clkv_prefix *prefix, const uint32_t *blocks, size_t n)
{
    if (!prefix) return;
    for (size_t i = 0; i < n && i < AHEAD_OWNER; i++)
        if (blocks[i] < prefix->blocks) __builtin_prefetch(&prefix->owners[blocks[i]], 1);
    for (size_t i = 0; i < n; i++) {
        prefetch(prefix, blocks, n, i);
        clkv_prefix_drop(prefix, blocks[i]);
    }
}

int clkv_prefix_has(const clkv_prefix *prefix, uint32_t block)
{
    return clkv_prefix_node_of(prefix, block) != CLKV_PREFIX_ROOT;
}

clkv_prefix_node clkv_prefix_node_of(const clkv_prefix *prefix, uint32_t block)
{
    return prefix && block < prefix->blocks ? prefix->owners[block] : CLKV_PREFIX_ROOT;
}

void clkv_prefix_reset(clkv_prefix *prefix)
{
    if (!prefix) return;
    memset(prefix->owners, 0, prefix->blocks_high * sizeof *prefix->owners);
    prefix->n_blocks = 0;
    for (uint32_t node = 1; node < prefix->n_nodes; node++) {
        prefix->nodes[node].block = CLKV_NO_BLOCK;
        prefix->nodes[node].shared = 0;
    }
    for (uint32_t node = 1; node < prefix->n_nodes; node++)
        if (clkv_node_alive(prefix, node)) collapse(prefix, node);
    const clkv_cache_event event = {.kind = CLKV_EVENT_CLEARED, .block = CLKV_NO_BLOCK};
    if (prefix->on_event) prefix->on_event(prefix->user, &event);
}

clkv_status clkv_prefix_get_counts(const clkv_prefix *prefix, clkv_prefix_counts *out)
{
    if (!prefix) return CLKV_FAIL(CLKV_ERROR_INVALID, "prefix is NULL");
    const clkv_prefix_counts counts = {
        .size = sizeof counts,
        .nodes = prefix->n_nodes - 1 - prefix->dead - prefix->roots,
        .blocks = prefix->n_blocks,
        .collisions = prefix->collisions,
        .host_bytes = sizeof *prefix + prefix->n_nodes * sizeof *prefix->nodes +
                      tokens_bytes(prefix, prefix->n_nodes) +
                      prefix->blocks_high * (sizeof *prefix->owners + sizeof *prefix->twins) +
                      clkv_table_bytes(&prefix->table) + clkv_keys_host_bytes(&prefix->keys),
    };
    return CLKV_PUBLIC(CLKV_PARAMS_WRITE(out, counts));
}
