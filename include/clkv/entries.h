/* clkv/entries.h: contexts and data under keys of the caller's: for callers who have no tokens at hand to find a prefix
 * with, such as the slots of a server.
 *
 *   key ──▶ entry ──┬─ a context: a fork of a sequence, which shares its blocks; nothing is copied
 *                   └─ data: a run of bytes in pages of the entries' own, in host memory
 *
 * A put either succeeds or changes nothing: an entry that it would have replaced stays. No entry goes away by itself: call
 * clkv_entries_evict when a put, or a reservation, finds no room.
 *
 * The blocks of a context are used while its entry is there: they are neither evicted nor reused, and clear_freed and
 * clkv_manager_forget do not reach them. To remove the data of one tenant, remove its entries too. Each context takes one
 * of the manager's max_sequences; clkv_batch_victim never returns it.
 *
 * Thread-safe: every function may be called from any thread; the entries lock themselves. A sequence that is handed over
 * or returned belongs to one thread at a time, as always. No function blocks beyond the locks of entries and manager.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_ENTRIES_H
#define CLKV_ENTRIES_H

#include <clkv/sequence.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct clkv_entries clkv_entries;

/* The key of an entry. Two keys are equal when all three fields are. */
typedef struct clkv_fingerprint {
    uint64_t hash;    /* of what the entry stands for, such as a prompt */
    uint64_t length;  /* of the same, in any unit */
    const char *name; /* of a model or a user; copied; NULL is the same as "" */
} clkv_fingerprint;

typedef struct clkv_entries_params {
    size_t size;
    uint32_t max_entries; /* 1 … 2^24; default 1024 */
    uint32_t page_bytes;  /* of the pages for data: 64 … 2^20; default 4096. An entry's last page is filled with zeros */
    uint64_t data_bytes;  /* of all pages: the limit for data, rounded down to whole pages. Default 64 MiB; memory is used
                             from the first use of a page on */
    uint32_t hash_bits;   /* of the hash by which keys are looked up before they are compared; default 64; fewer only
                             to test collisions */
    uint64_t (*clock_ms)(void *user); /* monotonic milliseconds, for ages; default: the system clock */
    void *user;           /* for clock_ms */
} clkv_entries_params;

/* Creates a store without entries. It keeps the manager alive. INVALID: a manager of NULL, max_entries, page_bytes, hash_bits, no whole page.
 * NO_MEMORY. */
CLKV_API clkv_status clkv_entries_create(clkv_entries **out, clkv_manager *manager, const clkv_entries_params *params);

/* Removes all entries. Sequences that were got from them stay. */
CLKV_API void clkv_entries_destroy(clkv_entries **entries);

/* Stores the context of a sequence: all its tokens now. The sequence goes on by itself; what it appends later is not in
 * the entry. A context that is replaced goes only after the new one is there, so one more sequence must be free.
 * INVALID: a sequence of another manager. BUSY: it is in a reserved batch. LIMIT: max_entries, or the manager's
 * max_sequences. NO_MEMORY. */
CLKV_API clkv_status clkv_entries_put_sequence(clkv_entries *entries, const clkv_fingerprint *key,
                                               clkv_sequence *sequence);

/* Makes a sequence with the context of an entry; it shares the entry's blocks and is the caller's. NOT_FOUND: no entry,
 * or one of data. LIMIT: max_sequences. INVALID, NO_MEMORY. */
CLKV_API clkv_status clkv_entries_get_sequence(clkv_entries *entries, const clkv_fingerprint *key, uint64_t user_data,
                                               clkv_sequence **out);

/* Stores a copy of n bytes; n may be 0. LIMIT: max_entries, or too few pages are free (the pages of the entry that is
 * replaced count as free). INVALID, NO_MEMORY. */
CLKV_API clkv_status clkv_entries_put_data(clkv_entries *entries, const clkv_fingerprint *key, const void *data,
                                           size_t n);

/* Copies the data of an entry to out, and sets *n to its exact length. When the length is more than `room`, nothing is
 * copied and LIMIT is returned, with *n set. NOT_FOUND: no entry, or one of a context. INVALID. */
CLKV_API clkv_status clkv_entries_get_data(clkv_entries *entries, const clkv_fingerprint *key, void *out, size_t room,
                                           size_t *n);

typedef enum clkv_entry_kind {
    CLKV_ENTRY_SEQUENCE = 1,
    CLKV_ENTRY_DATA = 2,
} clkv_entry_kind;

typedef struct clkv_entry_info {
    size_t size;
    clkv_entry_kind kind;
    uint64_t tokens;      /* of a context */
    uint64_t bytes;       /* of data */
    uint64_t memory;      /* blocks of a context, shared ones included; or bytes of the pages of data */
    uint64_t age_ms;      /* since it was put */
    uint64_t idle_ms;     /* since it was last put or got */
    uint64_t accesses;    /* times it was got */
} clkv_entry_info;

/* Describes an entry; does not count as an access. NOT_FOUND. INVALID. */
CLKV_API clkv_status clkv_entries_get_info(clkv_entries *entries, const clkv_fingerprint *key, clkv_entry_info *out);

/* 1 when there is an entry with this key, else 0; 0 for NULL. Does not count as an access. */
CLKV_API int clkv_entries_contains(clkv_entries *entries, const clkv_fingerprint *key);

/* NOT_FOUND. INVALID. */
CLKV_API clkv_status clkv_entries_remove(clkv_entries *entries, const clkv_fingerprint *key);

/* Removes all entries. */
CLKV_API void clkv_entries_clear(clkv_entries *entries);

/* Removes the n entries that were put or got least recently. Returns how many there were. */
CLKV_API uint32_t clkv_entries_evict(clkv_entries *entries, uint32_t n);

typedef struct clkv_entries_counts {
    size_t size;
    uint32_t entries, sequences; /* in all; of which contexts */
    uint64_t tokens;             /* of all contexts */
    uint64_t bytes;              /* of all data, as given */
    uint64_t data_memory;        /* bytes of the pages that hold data */
    uint64_t data_memory_free;   /* bytes of the pages that are free */
    uint64_t hits, misses;       /* calls of the two get functions that found an entry (even if its data had no room),
                                    and that did not */
    uint64_t evictions;          /* entries that clkv_entries_evict removed */
    size_t host_bytes;           /* address space of the tables and pages */
} clkv_entries_counts;

/* INVALID. */
CLKV_API clkv_status clkv_entries_get_counts(clkv_entries *entries, clkv_entries_counts *out);

/* Checks lists, counts and pages. Returns NULL, or a static text that names the broken invariant. */
CLKV_API const char *clkv_entries_validate(clkv_entries *entries);

#ifdef __cplusplus
}
#endif
#endif
