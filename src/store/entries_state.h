/* entries_state.h: the data structures of the entries, for entries.c and entries_check.c.
 *
 *   table   hash of the key ──▶ number of the entry        (core/prefix_table.h)
 *   items   [ entry | – | entry | … ]                      unused ones are a list through `next`
 *   list    oldest ⇄ … ⇄ newest                            in the order of their last use
 *
 * Invariants: an item that is used is in the table and on the list; it holds a sequence, or data, not both.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_STORE_ENTRIES_STATE_H
#define CLKV_STORE_ENTRIES_STATE_H

#include "core/prefix_table.h"
#include "os/thread.h"
#include "store/entry_data.h"

#include <clkv/entries.h>

#define CLKV_NO_ENTRY UINT32_MAX

typedef struct clkv_entry {
    uint64_t hash;    /* of the whole key */
    clkv_fingerprint key; /* the name is owned; never NULL in an entry that is used */
    size_t name_bytes;
    clkv_sequence *sequence;
    clkv_page_data data;
    uint32_t older, newer; /* on the list of uses; CLKV_NO_ENTRY at its ends. `newer` also links unused items */
    uint64_t put_ms, used_ms, accesses;
} clkv_entry;

struct clkv_entries {
    clkv_mutex lock;
    int has_lock;
    clkv_manager *manager;
    uint32_t max_entries, unused;
    uint64_t hash_mask; /* the upper bits, by which the table chooses its lines */
    uint32_t oldest, newest;
    clkv_entry *items; /* [max_entries] */
    clkv_table table;
    clkv_page_store pages;
    uint64_t (*clock_ms)(void *user);
    void *user;
    clkv_entries_counts counts; /* kept up to date, except data_memory_free and host_bytes */
};

/* The number of the entry with this key, or CLKV_NO_ENTRY. */
uint32_t clkv_entry_find(clkv_entries *entries, uint64_t hash, const clkv_fingerprint *key);

#endif
