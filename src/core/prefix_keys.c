/* prefix_keys.c: extra keys of prefixes; see prefix_keys.h and docs/formats.md.
 *
 * The hash of a list is chained key by key, so the hash of a longer list continues the hash of its base.
 * SPDX-License-Identifier: Apache-2.0 */
#define XXH_INLINE_ALL
#include "core/prefix_keys.h"

#include "core/error.h"
#include "core/memory.h"

#include <string.h>

#include <xxhash.h>

#define MAX_KEY_BYTES 4096
#define HEADER_BYTES  20

/* ---- lists ---- */

static clkv_status check_key(const clkv_key *key, size_t at)
{
    const int content = key->kind == CLKV_KEY_CONTENT;
    if (!content && key->kind != CLKV_KEY_SALT && key->kind != CLKV_KEY_ADAPTER)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "keys[%zu]: kind %d", at, (int)key->kind);
    if (!key->data || key->bytes == 0 || key->bytes > MAX_KEY_BYTES)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "keys[%zu]: %zu bytes%s, not 1 to %d", at, key->bytes,
                         key->data ? "" : " at NULL", MAX_KEY_BYTES);
    if (content ? key->length == 0 : key->length != 0 || key->offset != 0)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "keys[%zu]: %s", at,
                         content ? "a content key of length 0" : "offset and length are for content keys");
    if (key->offset > UINT64_MAX - key->length)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "keys[%zu]: offset + length overflows", at);
    return CLKV_OK;
}

#define COMPARE(x, y)                                                                                              \
    do {                                                                                                           \
        if ((x) != (y)) return (x) < (y) ? -1 : 1;                                                                 \
    } while (0)

/* The canonical order. */
static int compare_keys(const clkv_key *a, const clkv_key *b)
{
    COMPARE(a->kind, b->kind);
    COMPARE(a->offset, b->offset);
    COMPARE(a->length, b->length);
    COMPARE(a->bytes, b->bytes);
    return memcmp(a->data, b->data, a->bytes);
}

static void list_insert(clkv_key_list *list, const clkv_key *key)
{
    uint32_t at = list->n;
    while (at > 0) {
        const int order = compare_keys(list->keys[at - 1], key);
        if (order == 0) return; /* the same key twice counts once */
        if (order < 0) break;
        at--;
    }
    memmove(list->keys + at + 1, list->keys + at, (list->n - at) * sizeof *list->keys);
    list->keys[at] = key;
    list->n++;
}

static clkv_status make_list(clkv_key_list *list, const clkv_key *keys, size_t n_keys, int content)
{
    list->n = 0;
    if (n_keys == 0) return CLKV_OK;
    if (!keys) return CLKV_FAIL(CLKV_ERROR_INVALID, "keys is NULL");
    if (n_keys > CLKV_MAX_KEYS) return CLKV_FAIL(CLKV_ERROR_INVALID, "%zu keys, at most %d", n_keys, CLKV_MAX_KEYS);
    for (size_t i = 0; i < n_keys; i++) {
        const clkv_status status = check_key(&keys[i], i);
        if (status) return status;
        if ((keys[i].kind == CLKV_KEY_CONTENT) == content) list_insert(list, &keys[i]);
    }
    return CLKV_OK;
}

clkv_status clkv_key_list_sequence(clkv_key_list *list, const clkv_key *keys, size_t n_keys)
{
    return make_list(list, keys, n_keys, 0);
}

clkv_status clkv_key_list_content(clkv_key_list *list, const clkv_key *keys, size_t n_keys)
{
    return make_list(list, keys, n_keys, 1);
}

void clkv_key_list_overlapping(clkv_key_list *out, const clkv_key_list *content, uint64_t first, uint32_t n)
{
    out->n = 0;
    for (uint32_t i = 0; i < content->n; i++) {
        const clkv_key *key = content->keys[i];
        if (key->offset < first + n && key->offset + key->length > first) out->keys[out->n++] = key;
    }
}

int clkv_key_list_equal(const clkv_key_list *a, const clkv_key_list *b)
{
    if (a->n != b->n) return 0;
    for (uint32_t i = 0; i < a->n; i++)
        if (compare_keys(a->keys[i], b->keys[i]) != 0) return 0;
    return 1;
}

/* ---- the canonical form ---- */

static unsigned char *put_le(unsigned char *at, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) *at++ = (unsigned char)(value >> (8 * i));
    return at;
}

static void put_header(unsigned char header[HEADER_BYTES], const clkv_key *key)
{
    unsigned char *at = put_le(header, key->kind, 4);
    at = put_le(at, key->length, 4);
    at = put_le(at, key->offset, 8);
    put_le(at, key->bytes, 4);
}

static size_t list_bytes(const clkv_key_list *list)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < list->n; i++) bytes += HEADER_BYTES + list->keys[i]->bytes;
    return bytes;
}

static void write_list(unsigned char *at, const clkv_key_list *list)
{
    for (uint32_t i = 0; i < list->n; i++) {
        put_header(at, list->keys[i]);
        memcpy(at + HEADER_BYTES, list->keys[i]->data, list->keys[i]->bytes);
        at += HEADER_BYTES + list->keys[i]->bytes;
    }
}

static uint64_t hash_list(uint64_t hash, const clkv_key_list *list)
{
    unsigned char header[HEADER_BYTES];
    for (uint32_t i = 0; i < list->n; i++) {
        put_header(header, list->keys[i]);
        hash = XXH3_64bits_withSeed(header, sizeof header, hash);
        hash = XXH3_64bits_withSeed(list->keys[i]->data, list->keys[i]->bytes, hash);
    }
    return hash;
}

/* ---- the store ---- */

static int is_list(const clkv_keys *store, const clkv_keys_entry *entry, uint32_t base, const clkv_key_list *list)
{
    const size_t base_bytes = base ? store->entries[base].bytes : 0;
    if (entry->bytes != base_bytes + list_bytes(list)) return 0;
    if (base && memcmp(entry->data, store->entries[base].data, base_bytes) != 0) return 0;
    const unsigned char *at = entry->data + base_bytes;
    unsigned char header[HEADER_BYTES];
    for (uint32_t i = 0; i < list->n; i++) {
        put_header(header, list->keys[i]);
        if (memcmp(at, header, HEADER_BYTES) != 0) return 0;
        if (memcmp(at + HEADER_BYTES, list->keys[i]->data, list->keys[i]->bytes) != 0) return 0;
        at += HEADER_BYTES + list->keys[i]->bytes;
    }
    return 1;
}

static uint64_t hash_of(const clkv_keys *store, uint32_t base, const clkv_key_list *list)
{
    return hash_list(base ? store->entries[base].hash : store->seed, list);
}

static uint32_t find_hashed(const clkv_keys *store, uint64_t hash, uint32_t base, const clkv_key_list *list)
{
    if (!store->n_buckets) return CLKV_KEYS_UNKNOWN;
    uint32_t at = store->buckets[hash % store->n_buckets];
    while (at && !(store->entries[at].hash == hash && is_list(store, &store->entries[at], base, list)))
        at = store->entries[at].next;
    return at ? at : CLKV_KEYS_UNKNOWN;
}

uint32_t clkv_keys_find(const clkv_keys *store, uint32_t base, const clkv_key_list *list)
{
    if (list->n == 0) return base;
    return find_hashed(store, hash_of(store, base, list), base, list);
}

/* Doubles the buckets and distributes the entries again; 0 on success. */
static int more_buckets(clkv_keys *store)
{
    const uint32_t n = store->n_buckets ? store->n_buckets * 2 : 16;
    uint32_t *buckets = clkv_alloc(n * sizeof *buckets);
    if (!buckets) return -1;
    for (uint32_t i = 1; i < store->n_entries; i++) {
        clkv_keys_entry *entry = &store->entries[i];
        if (!entry->data) continue;
        entry->next = buckets[entry->hash % n];
        buckets[entry->hash % n] = i;
    }
    clkv_free(store->buckets, store->n_buckets * sizeof *buckets);
    store->buckets = buckets;
    store->n_buckets = n;
    return 0;
}

clkv_status clkv_keys_add(clkv_keys *store, uint32_t base, const clkv_key_list *list, uint32_t *number)
{
    *number = clkv_keys_find(store, base, list);
    if (*number != CLKV_KEYS_UNKNOWN) {
        if (*number) store->entries[*number].refs++;
        return CLKV_OK;
    }
    const size_t base_bytes = base ? store->entries[base].bytes : 0;
    const size_t bytes = base_bytes + list_bytes(list);
    unsigned char *data = clkv_alloc(bytes);
    const size_t need = (store->n_entries ? store->n_entries : 1) + 1;
    if (!data || (store->live >= store->n_buckets && more_buckets(store)) ||
        (!store->free &&
         clkv_grow((void **)&store->entries, &store->entries_capacity, need, sizeof *store->entries))) {
        clkv_free(data, bytes);
        return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "%zu bytes of keys", bytes);
    }
    uint32_t at = store->free;
    if (at) {
        store->free = store->entries[at].next;
    } else {
        if (!store->n_entries) store->entries[store->n_entries++] = (clkv_keys_entry){0};
        at = store->n_entries++;
    }
    if (base) memcpy(data, store->entries[base].data, base_bytes);
    write_list(data + base_bytes, list);
    const uint64_t hash = hash_of(store, base, list);
    uint32_t *bucket = &store->buckets[hash % store->n_buckets];
    store->entries[at] = (clkv_keys_entry){.hash = hash, .data = data, .bytes = bytes, .refs = 1, .next = *bucket};
    *bucket = at;
    store->live++;
    store->data_bytes += bytes;
    *number = at;
    return CLKV_OK;
}

void clkv_keys_unref(clkv_keys *store, uint32_t number)
{
    if (number == CLKV_KEYS_NONE || --store->entries[number].refs) return;
    clkv_keys_entry *entry = &store->entries[number];
    uint32_t *link = &store->buckets[entry->hash % store->n_buckets];
    while (*link != number) link = &store->entries[*link].next;
    *link = entry->next;
    store->live--;
    store->data_bytes -= entry->bytes;
    clkv_free(entry->data, entry->bytes);
    *entry = (clkv_keys_entry){.next = store->free};
    store->free = number;
}

void clkv_keys_free(clkv_keys *store)
{
    for (uint32_t i = 1; i < store->n_entries; i++) clkv_free(store->entries[i].data, store->entries[i].bytes);
    clkv_free(store->entries, store->entries_capacity * sizeof *store->entries);
    clkv_free(store->buckets, store->n_buckets * sizeof *store->buckets);
    *store = (clkv_keys){0};
}

size_t clkv_keys_host_bytes(const clkv_keys *store)
{
    return store->data_bytes + store->entries_capacity * sizeof *store->entries +
           store->n_buckets * sizeof *store->buckets;
}

const char *clkv_keys_validate(const clkv_keys *store)
{
    uint32_t live = 0, chained = 0;
    size_t bytes = 0;
    for (uint32_t i = 1; i < store->n_entries; i++) {
        if (!store->entries[i].data) continue;
        if (!store->entries[i].refs) return "a list of keys without references is kept";
        bytes += store->entries[i].bytes;
        live++;
    }
    for (uint32_t b = 0; b < store->n_buckets; b++) {
        for (uint32_t at = store->buckets[b]; at; at = store->entries[at].next) {
            if (!store->entries[at].data || store->entries[at].hash % store->n_buckets != b || ++chained > live)
                return "a bucket of the key store is broken";
        }
    }
    if (live != store->live || chained != live || bytes != store->data_bytes)
        return "the counts of the key store do not agree with its entries";
    return NULL;
}
