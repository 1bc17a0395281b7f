/* clkv/prefix.h: the prefix index. It finds the blocks that already hold the keys and values of a list of
 * tokens. Most users need clkv/manager.h, which owns an index; this header is for users who want the index alone.
 *
 * The index is a tree. A node stands for one prefix: its parent node, the block_size tokens that follow the
 * parent, and the extra keys of these tokens. A node lists the blocks that hold these tokens (two sequences may
 * have computed the same block independently). Chained 64-bit hashes find a candidate node: XXH3 of the tokens
 * and keys, seeded with the hash of the parent; the first hash is seeded with a secret number. Parent, tokens and
 * keys are compared before a block is shared, so a collision only costs a comparison.
 *
 *   root(salt, adapter) ──▶ [16 tokens] ──▶ [16 tokens] ──▶ …        node
 *                             │  blocks 7, 31    │ block 8            blocks that hold it
 *
 * Invariants: a block belongs to at most one node; a node without blocks has children (it is dropped
 * with the last of both); every node is reachable by its hash.
 *
 * Only full blocks are indexed. Threads: not thread-safe. No function blocks.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_PREFIX_H
#define CLKV_PREFIX_H

#include <clkv/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct clkv_prefix clkv_prefix;

/* Extra keys: prefixes with equal tokens but different keys are different. Keys of kind SALT and ADAPTER apply to the
 * whole sequence. A CONTENT key identifies the content behind the placeholder tokens at [offset, offset + length),
 * for example by the digest of an image, and applies to every block that it overlaps. Kind and length are hashed and
 * compared together with the bytes, so keys of different kinds or lengths are never equal. The order of the keys does
 * not matter. */
typedef enum clkv_key_kind { CLKV_KEY_SALT = 1, CLKV_KEY_ADAPTER = 2, CLKV_KEY_CONTENT = 3 } clkv_key_kind;

typedef struct clkv_key {
    clkv_key_kind kind;
    uint32_t length;   /* CONTENT: tokens covered, ≥ 1; else 0 */
    uint64_t offset;   /* CONTENT: first token covered; else 0 */
    const void *data;  /* the bytes of the key; copied */
    size_t bytes;      /* 1 … 4096 */
} clkv_key;

#define CLKV_MAX_KEYS 64

/* Whether prefixes are looked up and registered. */
typedef enum clkv_prefix_use {
    CLKV_PREFIX_DEFAULT = 0, /* CLKV_PREFIX_ON */
    CLKV_PREFIX_ON = 1,
    CLKV_PREFIX_OFF = 2, /* neither looked up nor registered */
} clkv_prefix_use;

/* A prefix: a node of the tree. CLKV_PREFIX_ROOT is the empty prefix without salt or adapter. */
typedef uint32_t clkv_prefix_node;
#define CLKV_PREFIX_ROOT 0u

typedef enum clkv_cache_event_kind {
    CLKV_EVENT_STORED = 1,  /* a prefix got its first block */
    CLKV_EVENT_REMOVED = 2, /* a prefix lost its last block */
    CLKV_EVENT_CLEARED = 3, /* every prefix was removed */
} clkv_cache_event_kind;

/* An event of the index. With event_content the events are enough to rebuild the index elsewhere: apply stored
 * (parent_hash, hash, tokens, keys) and removed (hash) in order. Without event_content an event names prefixes by
 * hashes only; a reader without the seed of the index learns nothing about the tokens. Pointers are valid during the
 * callback only. The parent_hash of a first block is the hash of its root: 0 for CLKV_PREFIX_ROOT, otherwise a hash
 * of salt and adapter. Keys are in the canonical form of docs/formats.md. */
typedef struct clkv_cache_event {
    clkv_cache_event_kind kind;
    uint32_t block;        /* the block that was stored or removed; CLKV_NO_BLOCK for cleared */
    uint64_t hash, parent_hash;
    const uint32_t *tokens; /* NULL without event_content */
    uint32_t token_count;  /* block_size; 0 for cleared */
    const void *keys;      /* the CONTENT keys of the block; for a first block also the keys of its root. NULL
                              without event_content */
    size_t keys_bytes;     /* 0 without event_content */
} clkv_cache_event;

/* Called from inside the function that changes the index; must not call clkv. */
typedef void (*clkv_cache_event_fn)(void *user, const clkv_cache_event *event);

typedef struct clkv_prefix_params {
    size_t size;
    uint32_t blocks;      /* block ids are 0 … blocks − 1; no default */
    uint32_t block_size;  /* tokens: a power of two, 1 … 256; default 16 */
    uint32_t hash_bits;   /* 1 … 64; default 64. Fewer bits make collisions likely, for tests only */
    uint64_t hash_seed;   /* the seed of the first hash; default: a random number of the system, so that
                             nobody outside can make prefixes collide or guess tokens from a hash. A fixed
                             seed gives the same hashes in every process: keep it secret then */
    int event_content;    /* 1: events carry tokens and keys, that is, the text of users; default 0: events
                             carry hashes only */
    int wipe_tokens;      /* 1: the tokens of a prefix are overwritten when its node is removed; default 0 */
    clkv_cache_event_fn on_event; /* default none */
    void *user;
} clkv_prefix_params;

typedef struct clkv_prefix_counts {
    size_t size;
    uint64_t nodes;    /* prefixes in the index, without roots */
    uint64_t blocks;   /* registered blocks, duplicates included */
    uint64_t collisions; /* candidates with the right hash and the wrong content, so far */
    size_t host_bytes;   /* the largest size that the tables have had */
} clkv_prefix_counts;

/* Creates an index. INVALID, NO_MEMORY. */
CLKV_API clkv_status clkv_prefix_create(clkv_prefix **out, const clkv_prefix_params *params);
CLKV_API void clkv_prefix_destroy(clkv_prefix **prefix);

/* Sets *out to the root of these keys: CLKV_PREFIX_ROOT when there is no SALT and no ADAPTER key. Takes a reference
 * on the root; release it with clkv_prefix_unref. INVALID: bad key. NO_MEMORY. */
CLKV_API clkv_status clkv_prefix_root(clkv_prefix *prefix, const clkv_key *keys, size_t n_keys, clkv_prefix_node *out);

/* Adds and takes away a reference. A node with a reference stays in the index even if it has no block, so that its
 * children stay reachable. A live sequence holds a reference on the node of its last full block. CLKV_PREFIX_ROOT is
 * accepted and ignored. */
CLKV_API void clkv_prefix_ref(clkv_prefix *prefix, clkv_prefix_node node);
CLKV_API void clkv_prefix_unref(clkv_prefix *prefix, clkv_prefix_node node);

/* Matches the full blocks of tokens[0 … n) one after the other, beginning below the node `from`, as long as each has
 * a node with a block. `from` ends at token `position`, a multiple of the block size. Writes the block ids to out,
 * which has room for n / block_size, and their number to *n_out. *node, when not NULL, gets the last matched node
 * (`from` when none matched). Takes no reference. Where a node has several blocks, the one registered first is given.
 * INVALID. */
CLKV_API clkv_status clkv_prefix_match(clkv_prefix *prefix, clkv_prefix_node from, uint64_t position,
                                       const clkv_key *keys, size_t n_keys, const uint32_t *tokens, size_t n,
                                       uint32_t *out, size_t *n_out, clkv_prefix_node *node);

/* Registers a block: `block` now holds the block_size tokens that follow `parent`, which ends at `position`. Sets
 * *node to the node of the block. INVALID: among others, the block is registered already. NO_MEMORY. */
CLKV_API clkv_status clkv_prefix_register(clkv_prefix *prefix, clkv_prefix_node parent, uint64_t position,
                                          const clkv_key *keys, size_t n_keys, const uint32_t *tokens,
                                          uint32_t block, clkv_prefix_node *node);

/* Takes a block out of the index, since its content is lost. Does nothing if the block is not registered. */
CLKV_API void clkv_prefix_drop(clkv_prefix *prefix, uint32_t block);

/* Drops n blocks in this order. This is faster than single calls: the data of later blocks are fetched from memory
 * while earlier blocks are dropped. */
CLKV_API void clkv_prefix_drop_all(clkv_prefix *prefix, const uint32_t *blocks, size_t n);

/* Whether the block is registered. */
CLKV_API int clkv_prefix_has(const clkv_prefix *prefix, uint32_t block);

/* The node of a registered block, or CLKV_PREFIX_ROOT. */
CLKV_API clkv_prefix_node clkv_prefix_node_of(const clkv_prefix *prefix, uint32_t block);

/* Drops every block; referenced nodes stay, without blocks. Sends one CLEARED event. */
CLKV_API void clkv_prefix_reset(clkv_prefix *prefix);

/* INVALID: prefix is NULL, bad size. */
CLKV_API clkv_status clkv_prefix_get_counts(const clkv_prefix *prefix, clkv_prefix_counts *out);

/* Returns NULL when all invariants hold, else a static text that names the broken invariant. O(nodes + blocks). */
CLKV_API const char *clkv_prefix_validate(const clkv_prefix *prefix);

#ifdef __cplusplus
}
#endif
#endif
