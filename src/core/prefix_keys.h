/* prefix_keys.h: extra keys of prefixes: checks, the canonical form (docs/formats.md), and a store. The store keeps
 * each distinct list of keys once and gives it a number, so that lists are compared by their numbers.
 *
 * The list of a first block continues the list of its root, which is called `base` below. Number 0 is the empty
 * list. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CORE_PREFIX_KEYS_H
#define CLKV_CORE_PREFIX_KEYS_H

#include <clkv/prefix.h>

#define CLKV_KEYS_NONE    0u
#define CLKV_KEYS_UNKNOWN UINT32_MAX

/* Keys in canonical order, each once. */
typedef struct clkv_key_list {
    const clkv_key *keys[CLKV_MAX_KEYS];
    uint32_t n;
} clkv_key_list;

typedef struct clkv_keys_entry {
    uint64_t hash;
    unsigned char *data; /* canonical form; NULL: the entry is free */
    size_t bytes;
    uint32_t refs;
    uint32_t next; /* in its bucket, or in the list of free entries; 0 ends it */
} clkv_keys_entry;

/* A zeroed store is empty. Invariants: entries[0] is never used; every live entry is in the bucket of its hash, and
 * no two live entries are equal. */
typedef struct clkv_keys {
    clkv_keys_entry *entries;
    uint32_t *buckets;
    size_t entries_capacity;
    uint64_t seed; /* seed of the hashes of lists; set before the first list */
    uint32_t n_buckets, n_entries, free, live;
    size_t data_bytes;
} clkv_keys;

/* Check all keys, and list the keys of one sort: those of the whole sequence (SALT, ADAPTER), or CONTENT.
 * INVALID: a bad key; the message names it. */
clkv_status clkv_key_list_sequence(clkv_key_list *list, const clkv_key *keys, size_t n_keys);
clkv_status clkv_key_list_content(clkv_key_list *list, const clkv_key *keys, size_t n_keys);

/* Lists the keys of a CONTENT list that overlap tokens [first, first + n). */
void clkv_key_list_overlapping(clkv_key_list *out, const clkv_key_list *content, uint64_t first, uint32_t n);

int clkv_key_list_equal(const clkv_key_list *a, const clkv_key_list *b);

/* The number of a list, or CLKV_KEYS_UNKNOWN. */
uint32_t clkv_keys_find(const clkv_keys *store, uint32_t base, const clkv_key_list *list);
/* Sets *number to the number of a list, adding the list if the store does not have it. Takes a reference.
 * NO_MEMORY. */
clkv_status clkv_keys_add(clkv_keys *store, uint32_t base, const clkv_key_list *list, uint32_t *number);
void clkv_keys_unref(clkv_keys *store, uint32_t number);

static inline uint64_t clkv_keys_hash(const clkv_keys *store, uint32_t number)
{
    return store->entries[number].hash;
}

void clkv_keys_free(clkv_keys *store);
size_t clkv_keys_host_bytes(const clkv_keys *store);
const char *clkv_keys_validate(const clkv_keys *store);

#endif
