/* entries.c: contexts and data under keys; entries_state.h has a drawing. SPDX-License-Identifier: Apache-2.0 */
#include "store/entries_state.h"

#include "core/error.h"
#include "core/memory.h"
#include "core/params.h"
#include "core/sequence.h"
#include "os/clock.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define DEFAULT_ENTRIES    1024u
#define MAX_ENTRIES        (1u << 24)
#define DEFAULT_PAGE_BYTES 4096u
#define DEFAULT_DATA_BYTES (UINT64_C(64) << 20)
#define MAX_PAGES          (1u << 31)

static uint64_t system_clock_ms(void *user)
{
    (void)user;
    return clkv_os_clock_ns() / 1000000;
}

/* ---- keys ---- */

static uint64_t hash_of(const clkv_entries *s, const clkv_fingerprint *key)
{
    const uint64_t numbers[2] = {key->hash, key->length};
    const char *name = key->name ? key->name : "";
    return XXH3_64bits_withSeed(name, strlen(name), XXH3_64bits(numbers, sizeof numbers)) & s->hash_mask;
}

static int is_key(const clkv_entry *e, const clkv_fingerprint *key)
{
    return e->key.hash == key->hash && e->key.length == key->length && !strcmp(e->key.name, key->name ? key->name : "");
}

uint32_t clkv_entry_find(clkv_entries *s, uint64_t hash, const clkv_fingerprint *key)
{
    const clkv_table *table = &s->table;
    clkv_table_settle(&s->table);
    uint32_t at = clkv_table_home(table, hash);
    for (uint32_t seen = 0; seen < table->n_lines; seen++) {
        const clkv_table_line *line = &table->lines[at];
        for (uint32_t places = clkv_table_places(line, clkv_table_tag(hash)); places; places &= places - 1) {
            const uint32_t i = line->ids[__builtin_ctz(places)];
            if (s->items[i].hash == hash && is_key(&s->items[i], key)) return i;
        }
        if (!line->passed) break;
        at = clkv_table_next(table, at);
    }
    return CLKV_NO_ENTRY;
}

/* ---- life ---- */

static clkv_status resolve(clkv_entries_params *p)
{
    if (p->max_entries == 0) p->max_entries = DEFAULT_ENTRIES;
    if (p->page_bytes == 0) p->page_bytes = DEFAULT_PAGE_BYTES;
    if (p->data_bytes == 0) p->data_bytes = DEFAULT_DATA_BYTES;
    if (p->hash_bits == 0) p->hash_bits = 64;
    if (!p->clock_ms) p->clock_ms = system_clock_ms;
    if (p->hash_bits > 64) return CLKV_FAIL(CLKV_ERROR_INVALID, "hash_bits is %u, more than 64", p->hash_bits);
    if (p->max_entries > MAX_ENTRIES)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "max_entries is %u, more than 2^24", p->max_entries);
    if (p->page_bytes < 64 || p->page_bytes > 1u << 20)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "page_bytes is %u: 64 to 2^20", p->page_bytes);
    const uint64_t pages = p->data_bytes / p->page_bytes;
    if (pages == 0 || pages > MAX_PAGES)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "data_bytes is %llu: 1 to 2^31 pages of %u bytes",
                         (unsigned long long)p->data_bytes, p->page_bytes);
    return CLKV_OK;
}

static clkv_status make(clkv_entries *s, const clkv_entries_params *p)
{
    if (clkv_mutex_init(&s->lock) != 0) return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "no mutex");
    s->has_lock = 1;
    s->max_entries = p->max_entries;
    s->hash_mask = UINT64_MAX << (64 - p->hash_bits);
    s->clock_ms = p->clock_ms;
    s->user = p->user;
    s->oldest = s->newest = CLKV_NO_ENTRY;
    s->items = clkv_map(p->max_entries * sizeof *s->items);
    if (!s->items || clkv_table_init(&s->table, p->max_entries))
        return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "tables of %u entries", p->max_entries);
    for (uint32_t i = 0; i < p->max_entries; i++)
        s->items[i].newer = i + 1 < p->max_entries ? i + 1 : CLKV_NO_ENTRY;
    return clkv_page_store_init(&s->pages, (uint32_t)(p->data_bytes / p->page_bytes), p->page_bytes);
}

static clkv_status create(clkv_entries **out, clkv_manager *manager, const clkv_entries_params *params)
{
    if (!out || !manager) return CLKV_FAIL(CLKV_ERROR_INVALID, "%s is NULL", out ? "manager" : "out");
    clkv_entries_params p = CLKV_PARAMS_INIT(clkv_entries_params);
    clkv_status status = params ? CLKV_PARAMS_READ(p, params) : CLKV_OK;
    if (status == CLKV_OK) status = resolve(&p);
    if (status != CLKV_OK) return status;
    clkv_entries *s = clkv_alloc(sizeof *s);
    if (!s) return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "%zu bytes", sizeof *s);
    status = make(s, &p);
    if (status != CLKV_OK) {
        clkv_entries_destroy(&s);
        return status;
    }
    clkv_manager_lock(manager);
    manager->references++;
    clkv_manager_unlock(manager);
    s->manager = manager;
    *out = s;
    return CLKV_OK;
}

clkv_status clkv_entries_create(clkv_entries **out, clkv_manager *manager, const clkv_entries_params *params)
{
    return CLKV_PUBLIC(create(out, manager, params));
}

/* ---- the list of uses ---- */

static void unlink_use(clkv_entries *s, uint32_t i)
{
    const clkv_entry *e = &s->items[i];
    *(e->older == CLKV_NO_ENTRY ? &s->oldest : &s->items[e->older].newer) = e->newer;
    *(e->newer == CLKV_NO_ENTRY ? &s->newest : &s->items[e->newer].older) = e->older;
}

static void link_newest(clkv_entries *s, uint32_t i)
{
    clkv_entry *e = &s->items[i];
    e->older = s->newest;
    e->newer = CLKV_NO_ENTRY;
    *(s->newest == CLKV_NO_ENTRY ? &s->oldest : &s->items[s->newest].newer) = i;
    s->newest = i;
}

static void note_use(clkv_entries *s, uint32_t i)
{
    unlink_use(s, i);
    link_newest(s, i);
    s->items[i].used_ms = s->clock_ms(s->user);
    s->items[i].accesses++;
}

/* ---- content ---- */

/* Counts the content of an entry, or with sign −1 takes it off the counts. */
static void count_content(clkv_entries *s, const clkv_entry *e, int sign)
{
    const uint64_t tokens = e->sequence ? clkv_sequence_length(e->sequence) : 0;
    const uint64_t memory = (uint64_t)e->data.n * s->pages.page_bytes;
    s->counts.sequences += (uint32_t)(sign * (e->sequence != NULL));
    s->counts.tokens += (uint64_t)sign * tokens;
    s->counts.bytes += (uint64_t)sign * e->data.bytes;
    s->counts.data_memory += (uint64_t)sign * memory;
}

static void drop_content(clkv_entries *s, clkv_entry *e)
{
    clkv_sequence_destroy(&e->sequence);
    clkv_page_data_drop(&s->pages, &e->data);
}

static void remove_entry(clkv_entries *s, uint32_t i)
{
    clkv_entry *e = &s->items[i];
    unlink_use(s, i);
    clkv_table_remove(&s->table, e->hash, i);
    count_content(s, e, -1);
    drop_content(s, e);
    clkv_free((void *)e->key.name, e->name_bytes);
    *e = (clkv_entry){.newer = s->unused};
    s->unused = i;
    s->counts.entries--;
}

/* Makes an entry without content. LIMIT, NO_MEMORY. */
static clkv_status add_entry(clkv_entries *s, uint64_t hash, const clkv_fingerprint *key, uint32_t *out)
{
    const uint32_t i = s->unused;
    if (i == CLKV_NO_ENTRY) return CLKV_FAIL(CLKV_ERROR_LIMIT, "%u entries are there, the most", s->max_entries);
    const char *name = key->name ? key->name : "";
    const size_t bytes = strlen(name) + 1;
    char *copy = clkv_alloc(bytes);
    if (!copy) return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "a name of %zu bytes", bytes);
    memcpy(copy, name, bytes);
    s->unused = s->items[i].newer;
    s->items[i] = (clkv_entry){.hash = hash, .key = {key->hash, key->length, copy}, .name_bytes = bytes};
    clkv_table_insert(&s->table, hash, i);
    link_newest(s, i);
    s->counts.entries++;
    *out = i;
    return CLKV_OK;
}

/* What a put stores: a sequence, which the entry takes over, or bytes. */
typedef struct content {
    clkv_sequence *sequence;
    const void *bytes;
    size_t n;
} content;

static clkv_status put_locked(clkv_entries *s, const clkv_fingerprint *key, const content *c)
{
    const uint64_t hash = hash_of(s, key);
    uint32_t i = clkv_entry_find(s, hash, key);
    const int is_new = i == CLKV_NO_ENTRY;
    clkv_status status = is_new ? add_entry(s, hash, key, &i) : CLKV_OK;
    if (status != CLKV_OK) return status;
    clkv_entry *e = &s->items[i], old = *e;
    count_content(s, e, -1);
    clkv_page_data data = {0};
    if (!c->sequence) status = clkv_page_data_put(&s->pages, c->bytes, c->n, &e->data, &data);
    if (status == CLKV_OK) {
        if (c->sequence) clkv_page_data_drop(&s->pages, &e->data);
        e->sequence = c->sequence;
        e->data = data;
        clkv_sequence_destroy(&old.sequence);
        unlink_use(s, i);
        link_newest(s, i);
        e->put_ms = e->used_ms = s->clock_ms(s->user);
        e->accesses = 0;
    }
    count_content(s, e, 1);
    if (status != CLKV_OK && is_new) remove_entry(s, i);
    return status;
}

static clkv_status put_sequence(clkv_entries *s, const clkv_fingerprint *key, clkv_sequence *sequence)
{
    if (!s || !key || !sequence)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "%s is NULL", !s ? "entries" : key ? "sequence" : "key");
    if (sequence->manager != s->manager)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "the sequence belongs to another manager");
    content c = {0};
    clkv_status status = clkv_sequence_fork_kept(&c.sequence, sequence);
    if (status != CLKV_OK) return status;
    clkv_mutex_lock(&s->lock);
    status = put_locked(s, key, &c);
    clkv_mutex_unlock(&s->lock);
    if (status != CLKV_OK) clkv_sequence_destroy(&c.sequence);
    return status;
}

clkv_status clkv_entries_put_sequence(clkv_entries *s, const clkv_fingerprint *key, clkv_sequence *sequence)
{
    return CLKV_PUBLIC(put_sequence(s, key, sequence));
}

clkv_status clkv_entries_put_data(clkv_entries *s, const clkv_fingerprint *key, const void *data, size_t n)
{
    if (!s || !key || (n && !data))
        return CLKV_FAIL(CLKV_ERROR_INVALID, "%s is NULL", !s ? "entries" : key ? "data" : "key");
    const content c = {.bytes = data, .n = n};
    clkv_mutex_lock(&s->lock);
    const clkv_status status = put_locked(s, key, &c);
    clkv_mutex_unlock(&s->lock);
    return CLKV_PUBLIC(status);
}

/* ---- looking up ---- */

static clkv_status find(clkv_entries *s, const clkv_fingerprint *key, uint32_t *i)
{
    *i = clkv_entry_find(s, hash_of(s, key), key);
    return *i != CLKV_NO_ENTRY ? CLKV_OK : CLKV_FAIL(CLKV_ERROR_NOT_FOUND, "no entry has this key");
}

/* Finds an entry of a kind, and counts the hit or the miss. */
static clkv_status find_kind(clkv_entries *s, const clkv_fingerprint *key, int sequence, uint32_t *i)
{
    clkv_status status = find(s, key, i);
    if (status == CLKV_OK && (s->items[*i].sequence != NULL) != sequence)
        status = CLKV_FAIL(CLKV_ERROR_NOT_FOUND, "the entry with this key is %s", sequence ? "data" : "a context");
    s->counts.hits += status == CLKV_OK;
    s->counts.misses += status != CLKV_OK;
    return status;
}

clkv_status clkv_entries_get_sequence(clkv_entries *s, const clkv_fingerprint *key, uint64_t user_data,
                                      clkv_sequence **out)
{
    if (!s || !key || !out) return CLKV_FAIL(CLKV_ERROR_INVALID, "%s is NULL", !s ? "entries" : key ? "out" : "key");
    uint32_t i;
    clkv_mutex_lock(&s->lock);
    clkv_status status = find_kind(s, key, 1, &i);
    if (status == CLKV_OK) status = clkv_sequence_fork(out, s->items[i].sequence, user_data);
    if (status == CLKV_OK) note_use(s, i);
    clkv_mutex_unlock(&s->lock);
    return CLKV_PUBLIC(status);
}

clkv_status clkv_entries_get_data(clkv_entries *s, const clkv_fingerprint *key, void *out, size_t room, size_t *n)
{
    if (!s || !key || !n || (room && !out))
        return CLKV_FAIL(CLKV_ERROR_INVALID, "%s is NULL", !s ? "entries" : !key ? "key" : n ? "out" : "n");
    uint32_t i;
    clkv_mutex_lock(&s->lock);
    clkv_status status = find_kind(s, key, 0, &i);
    if (status == CLKV_OK) {
        const clkv_page_data *data = &s->items[i].data;
        *n = data->bytes;
        if (data->bytes > room) {
            status = CLKV_FAIL(CLKV_ERROR_LIMIT, "%zu bytes, and room for %zu", data->bytes, room);
        } else {
            clkv_page_data_get(&s->pages, data, out);
            note_use(s, i);
        }
    }
    clkv_mutex_unlock(&s->lock);
    return CLKV_PUBLIC(status);
}

int clkv_entries_contains(clkv_entries *s, const clkv_fingerprint *key)
{
    if (!s || !key) return 0;
    clkv_mutex_lock(&s->lock);
    const int found = clkv_entry_find(s, hash_of(s, key), key) != CLKV_NO_ENTRY;
    clkv_mutex_unlock(&s->lock);
    return found;
}

static clkv_entry_info describe(const clkv_entries *s, const clkv_entry *e)
{
    clkv_entry_info info = CLKV_PARAMS_INIT(clkv_entry_info);
    const uint64_t now = s->clock_ms(s->user);
    info.kind = e->sequence ? CLKV_ENTRY_SEQUENCE : CLKV_ENTRY_DATA;
    info.tokens = e->sequence ? clkv_sequence_length(e->sequence) : 0;
    info.bytes = e->data.bytes;
    info.memory = e->sequence ? clkv_blocks_for(s->manager, info.tokens) : (uint64_t)e->data.n * s->pages.page_bytes;
    info.age_ms = now - e->put_ms;
    info.idle_ms = now - e->used_ms;
    info.accesses = e->accesses;
    return info;
}

clkv_status clkv_entries_get_info(clkv_entries *s, const clkv_fingerprint *key, clkv_entry_info *out)
{
    if (!s || !key) return CLKV_FAIL(CLKV_ERROR_INVALID, "%s is NULL", s ? "key" : "entries");
    uint32_t i;
    clkv_mutex_lock(&s->lock);
    clkv_status status = find(s, key, &i);
    if (status == CLKV_OK) {
        const clkv_entry_info info = describe(s, &s->items[i]);
        status = CLKV_PARAMS_WRITE(out, info);
    }
    clkv_mutex_unlock(&s->lock);
    return CLKV_PUBLIC(status);
}

clkv_status clkv_entries_get_counts(clkv_entries *s, clkv_entries_counts *out)
{
    if (!s) return CLKV_FAIL(CLKV_ERROR_INVALID, "entries is NULL");
    clkv_mutex_lock(&s->lock);
    clkv_entries_counts counts = s->counts;
    clkv_pool_counts pages = CLKV_PARAMS_INIT(clkv_pool_counts);
    clkv_pool_get_counts(s->pages.pool, &pages);
    counts.size = sizeof counts;
    counts.data_memory_free = (uint64_t)pages.free * s->pages.page_bytes;
    counts.host_bytes = sizeof *s + s->max_entries * sizeof *s->items + clkv_table_bytes(&s->table) + pages.host_bytes +
                        (size_t)s->pages.pages * s->pages.page_bytes;
    clkv_mutex_unlock(&s->lock);
    return CLKV_PUBLIC(CLKV_PARAMS_WRITE(out, counts));
}

/* ---- removing ---- */

clkv_status clkv_entries_remove(clkv_entries *s, const clkv_fingerprint *key)
{
    if (!s || !key) return CLKV_FAIL(CLKV_ERROR_INVALID, "%s is NULL", s ? "key" : "entries");
    uint32_t i;
    clkv_mutex_lock(&s->lock);
    const clkv_status status = find(s, key, &i);
    if (status == CLKV_OK) remove_entry(s, i);
    clkv_mutex_unlock(&s->lock);
    return CLKV_PUBLIC(status);
}

static uint32_t remove_oldest(clkv_entries *s, uint32_t n)
{
    uint32_t removed = 0;
    for (; removed < n && s->oldest != CLKV_NO_ENTRY; removed++) remove_entry(s, s->oldest);
    return removed;
}

void clkv_entries_clear(clkv_entries *s)
{
    if (!s) return;
    clkv_mutex_lock(&s->lock);
    remove_oldest(s, UINT32_MAX);
    clkv_mutex_unlock(&s->lock);
}

uint32_t clkv_entries_evict(clkv_entries *s, uint32_t n)
{
    if (!s) return 0;
    clkv_mutex_lock(&s->lock);
    const uint32_t removed = remove_oldest(s, n);
    s->counts.evictions += removed;
    clkv_mutex_unlock(&s->lock);
    return removed;
}

void clkv_entries_destroy(clkv_entries **entries)
{
    if (!entries || !*entries) return;
    clkv_entries *s = *entries;
    *entries = NULL;
    if (s->manager) {
        remove_oldest(s, UINT32_MAX);
        clkv_manager_lock(s->manager);
        s->manager->references--;
        clkv_manager_unlock_last(s->manager);
    }
    clkv_page_store_free(&s->pages);
    clkv_table_free(&s->table);
    clkv_unmap(s->items, s->max_entries * sizeof *s->items);
    if (s->has_lock) clkv_mutex_destroy(&s->lock);
    clkv_free(s, sizeof *s);
}
