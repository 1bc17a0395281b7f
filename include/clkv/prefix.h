/* clkv/prefix.h: the prefix index. Finds the blocks that already hold the keys and values of a list of
 * tokens. Most users need clkv/manager.h, which owns an index; this one is for those who want it alone.
 *
 * The index is a tree. A node stands for one prefix: its parent node, the block_size tokens that follow
 * it, and the extra keys that belong to them. A node lists the blocks that hold it (two sequences may
 * have computed the same one independently). Chained 64-bit hashes (XXH3 of the tokens and keys, seeded
 * with the parent's hash, the first with a secret number) find a candidate node; parent, tokens and keys
 * are compared before it is shared, so a collision costs a comparison and nothing else.
 *
 *   root(salt, adapter) ──▶ [16 tokens] ──▶ [16 tokens] ──▶ …        node
 *                             │  blocks 7, 31    │ block 8            blocks that hold it
 *
 * Invariants: a block belongs to at most one node; a node without blocks has children (it is dropped
 * with the last of both); every node is reachable by its hash.
 *
 * Only full blocks are indexed. Not thread-safe; never blocks. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_PREFIX_H
#define CLKV_PREFIX_H

#include <clkv/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct clkv_prefix clkv_prefix;

/* What else, beside the tokens, makes two prefixes different. Keys of SALT and ADAPTER kind apply to the
 * whole sequence; a CONTENT key names what the placeholder tokens at [offset, offset + length) really
 * are (an image's digest, say) and applies to every block that it overlaps.
 * Type and length travel with the bytes, so keys of different kinds or lengths never collide.
 * The order in which keys are given does not matter. */
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
    CLKV_EVENT_CLEARED = 3, /* everything is gone */
} clkv_cache_event_kind;

/* With event_content enough to rebuild the index elsewhere: apply stored (parent_hash, hash, tokens, keys)
 * and removed (hash) in order. Without, an event names prefixes by hashes alone, which without the index's
 * seed tell nothing of the tokens. Pointers are valid during the callback only. `parent_hash` of a first
 * block is the hash of its root: 0 for CLKV_PREFIX_ROOT, else one that covers salt and adapter. Keys are in
 * the canonical form of docs/formats.md. */
typedef struct clkv_cache_event {
    clkv_cache_event_kind kind;
    uint32_t block;        /* the block that was stored or removed; CLKV_NO_BLOCK for cleared */
    uint64_t hash, parent_hash;
    const uint32_t *tokens; /* NULL without event_content */
    uint32_t token_count;  /* block_size; 0 for cleared */
    const void *keys;      /* the block's own CONTENT keys; with its root's keys for a first block. NULL
                              without event_content */
    size_t keys_bytes;     /* 0 without event_content */
} clkv_cache_event;

/* Called synchronously from inside the mutation; must not call clkv. */
typedef void (*clkv_cache_event_fn)(void *user, const clkv_cache_event *event);

typedef struct clkv_prefix_params {
    size_t size;
    uint32_t blocks;      /* block ids are 0 … blocks − 1; no default */
    uint32_t block_size;  /* tokens: a power of two, 1 … 256; default 16 */
    uint32_t hash_bits;   /* 1 … 64; default 64. Fewer make collisions, for tests only */
    uint64_t hash_seed;   /* what the hashes begin with; default: a random number of the system's, so that
                             nobody outside can make prefixes collide or guess tokens from a hash. A fixed
                             one gives the same hashes in every process: then it is a secret to keep */
    int event_content;    /* 1: events carry tokens and keys as they are, that is, what users have written;
                             default 0: hashes only */
    int wipe_tokens;      /* 1: the tokens of a prefix are overwritten when it is forgotten; default 0 */
    clkv_cache_event_fn on_event; /* default none */
    void *user;
} clkv_prefix_params;

typedef struct clkv_prefix_counts {
    uint64_t nodes;    /* prefixes known, roots not counted */
    uint64_t blocks;   /* blocks registered, duplicates included */
    uint64_t collisions; /* candidates with the right hash and the wrong content, so far */
    size_t host_bytes;   /* of its tables, as far as they were ever used */
} clkv_prefix_counts;

/* INVALID, NO_MEMORY. */
CLKV_API clkv_status clkv_prefix_create(clkv_prefix **out, const clkv_prefix_params *params);
CLKV_API void clkv_prefix_destroy(clkv_prefix **prefix);

/* The root for a set of keys: CLKV_PREFIX_ROOT when it has no SALT and no ADAPTER key. Takes one
 * reference on the root, which clkv_prefix_unref gives back. INVALID: bad key. NO_MEMORY. */
CLKV_API clkv_status clkv_prefix_root(clkv_prefix *prefix, const clkv_key *keys, size_t n_keys, clkv_prefix_node *out);

/* A reference keeps a node alive (and so its children reachable) although it has no block; the chain
 * tail of every live sequence holds one. ROOT may be passed and is ignored. */
CLKV_API void clkv_prefix_ref(clkv_prefix *prefix, clkv_prefix_node node);
CLKV_API void clkv_prefix_unref(clkv_prefix *prefix, clkv_prefix_node node);

/* Walks the full blocks of tokens[0 … n) down from `from` (which ends at token `position`, a multiple of
 * the block size) as long as each has a block; writes the block ids to out (room for n / block_size) and
 * sets *n_out and, when not NULL, *node to the last one matched (or `from`). Takes no reference.
 * Among duplicates the longest registered block is given. INVALID. */
CLKV_API clkv_status clkv_prefix_match(clkv_prefix *prefix, clkv_prefix_node from, uint64_t position,
                                       const clkv_key *keys, size_t n_keys, const uint32_t *tokens, size_t n,
                                       uint32_t *out, size_t *n_out, clkv_prefix_node *node);

/* Says that `block` now holds the block_size tokens that follow `parent`, which ends at `position`.
 * Sets *node. A block that is registered already is INVALID. NO_MEMORY. */
CLKV_API clkv_status clkv_prefix_register(clkv_prefix *prefix, clkv_prefix_node parent, uint64_t position,
                                          const clkv_key *keys, size_t n_keys, const uint32_t *tokens,
                                          uint32_t block, clkv_prefix_node *node);

/* The block's content is gone. Not registered: nothing happens. */
CLKV_API void clkv_prefix_drop(clkv_prefix *prefix, uint32_t block);

/* The same for n blocks, in this order. Faster than one by one: what later ones need is fetched from memory
 * while earlier ones are dropped. */
CLKV_API void clkv_prefix_drop_all(clkv_prefix *prefix, const uint32_t *blocks, size_t n);

/* Whether the block is registered. */
CLKV_API int clkv_prefix_has(const clkv_prefix *prefix, uint32_t block);

/* The node of a registered block, or CLKV_PREFIX_ROOT. */
CLKV_API clkv_prefix_node clkv_prefix_node_of(const clkv_prefix *prefix, uint32_t block);

/* Forgets every block; referenced nodes stay (without blocks). Sends one CLEARED event. */
CLKV_API void clkv_prefix_reset(clkv_prefix *prefix);

CLKV_API void clkv_prefix_get_counts(const clkv_prefix *prefix, clkv_prefix_counts *out);

/* NULL when all invariants hold, else a static text naming the broken one. O(nodes + blocks). */
CLKV_API const char *clkv_prefix_validate(const clkv_prefix *prefix);

#ifdef __cplusplus
}
#endif
#endif
