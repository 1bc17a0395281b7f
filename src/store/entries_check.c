/* entries_check.c: checks the entries. SPDX-License-Identifier: Apache-2.0 */
#include "store/entries_state.h"

#include "core/memory.h"

static const char *check_entry(clkv_entries *s, uint32_t i, clkv_entries_counts *found, uint8_t *pages)
{
    const clkv_entry *e = &s->items[i];
    if (!e->key.name) return "entries: an entry on the list is not used";
    if (clkv_entry_find(s, e->hash, &e->key) != i) return "entries: an entry is not in the table, or is there twice";
    if (e->sequence && e->data.n) return "entries: an entry is a context and data";
    found->entries++;
    found->sequences += e->sequence != NULL;
    found->tokens += e->sequence ? clkv_sequence_length(e->sequence) : 0;
    found->bytes += e->data.bytes;
    found->data_memory += (uint64_t)e->data.n * s->pages.page_bytes;
    if (e->data.bytes > (size_t)e->data.n * s->pages.page_bytes) return "entries: data is longer than its pages";
    for (uint32_t k = 0; k < e->data.n; k++) {
        const uint32_t page = e->data.pages[k];
        if (clkv_pool_refs(s->pages.pool, page) != 1) return "entries: a page of an entry is free";
        if (pages[page]++) return "entries: two entries have the same page";
    }
    return NULL;
}

static const char *check(clkv_entries *s, uint8_t *pages)
{
    clkv_entries_counts found = {0};
    uint32_t before = CLKV_NO_ENTRY, unused = 0;
    for (uint32_t i = s->oldest; i != CLKV_NO_ENTRY; before = i, i = s->items[i].newer) {
        if (i >= s->max_entries || s->items[i].older != before || found.entries > s->max_entries)
            return "entries: the list of uses is broken";
        const char *broken = check_entry(s, i, &found, pages);
        if (broken) return broken;
    }
    if (before != s->newest) return "entries: the newest entry is not the last of the list";
    for (uint32_t i = s->unused; i != CLKV_NO_ENTRY && unused <= s->max_entries; i = s->items[i].newer) unused++;
    if (unused + found.entries != s->max_entries) return "entries: an item is lost";
    const clkv_entries_counts *c = &s->counts;
    if (found.entries != c->entries || found.sequences != c->sequences || found.tokens != c->tokens ||
        found.bytes != c->bytes || found.data_memory != c->data_memory)
        return "entries: a count is not what is there";
    clkv_pool_counts pool = CLKV_PARAMS_INIT(clkv_pool_counts);
    clkv_pool_get_counts(s->pages.pool, &pool);
    if ((uint64_t)pool.used * s->pages.page_bytes != found.data_memory) return "entries: a page is lost";
    return clkv_pool_validate(s->pages.pool);
}

const char *clkv_entries_validate(clkv_entries *s)
{
    if (!s) return "entries is NULL";
    clkv_mutex_lock(&s->lock);
    uint8_t *pages = clkv_alloc(s->pages.pages);
    const char *broken = pages ? check(s, pages) : "entries: no memory to validate";
    clkv_free(pages, s->pages.pages);
    clkv_mutex_unlock(&s->lock);
    return broken;
}
