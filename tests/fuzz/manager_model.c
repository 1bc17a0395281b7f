/* manager_model.c: see manager_model.h. SPDX-License-Identifier: Apache-2.0 */
#include "manager_model.h"

static uint64_t mix(uint64_t value, uint64_t more)
{
    value = (value ^ (more + 1)) * UINT64_C(0x9e3779b97f4a7c15);
    return (value ^ value >> 29) | 1;
}

size_t model_keys_list(const model_keys *keys, clkv_key *out)
{
    static const char bytes[256 * 3 + 8] = {1, 2, 3}; /* names of keys: the first so many bytes of this */
    size_t n = 0;
    /* contents first: the order must not matter */
    for (uint32_t i = 0; i < keys->n; i++)
        out[n++] = (clkv_key){CLKV_KEY_CONTENT, keys->contents[i].length, keys->contents[i].offset, bytes,
                              keys->contents[i].id + 1u};
    if (keys->salt) out[n++] = (clkv_key){CLKV_KEY_SALT, 0, 0, bytes, keys->salt};
    if (keys->adapter) out[n++] = (clkv_key){CLKV_KEY_ADAPTER, 0, 0, bytes, keys->adapter};
    return n;
}

static uint64_t root_value(const model_sequence *s)
{
    return mix(mix(77, s->keys.salt), s->keys.adapter);
}

/* The contents that overlap [first, first + n), in no order, equal ones once. */
static uint64_t contents_at(const model_keys *keys, uint32_t first, uint32_t n)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < keys->n; i++) {
        const uint64_t offset = keys->contents[i].offset, end = offset + keys->contents[i].length;
        int again = 0;
        for (uint32_t k = 0; k < i; k++)
            again |= !memcmp(&keys->contents[k], &keys->contents[i], sizeof keys->contents[i]);
        if (!again && offset < (uint64_t)first + n && end > first)
            sum += mix(mix(mix(5, keys->contents[i].id), offset), end);
    }
    return sum;
}

void model_extend(model_sequence *s, const uint32_t *tokens, uint32_t n)
{
    for (uint32_t p = s->length; p < s->length + n; p++) {
        FUZZ_CHECK(p < MODEL_TOKENS);
        s->tokens[p] = tokens[p - s->length];
        const uint64_t before = p ? s->values[p - 1] : root_value(s);
        s->values[p] = mix(mix(before, s->tokens[p]), contents_at(&s->keys, p, 1));
    }
}

uint64_t model_prefix(const model *m, const model_sequence *s, uint32_t k)
{
    uint64_t value = root_value(s);
    for (uint32_t i = 0; i <= k; i++) {
        value = mix(value, contents_at(&s->keys, i * m->size, m->size));
        for (uint32_t p = i * m->size; p < (i + 1) * m->size; p++) value = mix(value, s->tokens[p]);
    }
    return value;
}

static int is_committed(const model *m, uint64_t prefix)
{
    for (uint32_t i = 0; i < m->n_committed; i++)
        if (m->committed[i] == prefix) return 1;
    return 0;
}

void model_commit(model *m, const model_sequence *s, uint32_t from)
{
    for (uint32_t k = from / m->size; !s->no_prefix && k < s->length / m->size; k++) {
        const uint64_t prefix = model_prefix(m, s, k);
        if (is_committed(m, prefix)) continue;
        FUZZ_CHECK(m->n_committed < MODEL_COMMITTED);
        m->committed[m->n_committed++] = prefix;
    }
}

/* Whether a live sequence holds this prefix's block, so that it cannot have been evicted. */
static int is_held(const model *m, uint64_t prefix, uint32_t k)
{
    for (int i = 0; i < MODEL_SEQUENCES; i++) {
        const model_sequence *s = &m->sequences[i];
        if (!s->handle || s->no_prefix || m->params.window || s->length < (k + 1) * m->size) continue;
        if (model_prefix(m, s, k) == prefix) return 1;
    }
    return 0;
}

void model_expect(const model *m, const model_sequence *s, uint32_t n, uint32_t *least, uint32_t *most)
{
    int certain = 1;
    /* While a batch is reserved the index may prefer a block that it has hidden. */
    for (int i = 0; i < MODEL_BATCHES; i++) certain = certain && !m->batches[i].reserved;
    *least = *most = 0;
    if (s->no_prefix) return;
    for (uint32_t k = 0; (k + 1) * m->size <= n; k++) {
        const uint64_t prefix = model_prefix(m, s, k);
        if (!is_committed(m, prefix)) return;
        *most += m->size;
        certain = certain && is_held(m, prefix, k);
        if (certain) *least += m->size;
    }
}

/* A window may take away only what no later query sees. */
static void check_sequence(const model *m, const model_sequence *s)
{
    const uint32_t *table;
    size_t n;
    FUZZ_CHECK(clkv_sequence_length(s->handle) == s->length);
    FUZZ_CHECK(clkv_sequence_user_data(s->handle) == s->age);
    clkv_sequence_get_table(s->handle, 0, &table, &n);
    const model_batch *b = s->batch ? &m->batches[s->batch - 1] : NULL;
    if (b && b->reserved && !b->written) return; /* the table has a copy already that is not made yet */
    FUZZ_CHECK(n == (s->length + m->size - 1) / m->size);
    const uint32_t window = m->params.window, seen = window && s->length >= window ? s->length - window + 1 : 0;
    for (uint32_t p = 0; p < s->length; p++) {
        uint32_t block, offset;
        FUZZ_CHECK(!clkv_sequence_locate(s->handle, 0, p, &block, &offset));
        FUZZ_CHECK(block == table[p / m->size] && offset == p % m->size);
        if (block == CLKV_NO_BLOCK)
            FUZZ_CHECK(p < seen);
        else
            FUZZ_CHECK(block < m->blocks && m->slots[block * m->size + offset] == s->values[p]);
    }
    uint32_t block, offset;
    FUZZ_CHECK(clkv_sequence_locate(s->handle, 0, s->length, &block, &offset) == CLKV_ERROR_INVALID);
}

static void check_stats(const model *m)
{
    clkv_stats stats = {.size = sizeof stats};
    uint32_t live = 0, distinct = 0;
    int reserved = 0;
    uint8_t used[MODEL_BLOCKS] = {0};
    FUZZ_CHECK(!clkv_manager_get_stats(m->manager, &stats));
    for (int i = 0; i < MODEL_BATCHES; i++) reserved |= m->batches[i].reserved;
    for (int i = 0; i < MODEL_SEQUENCES; i++) {
        const uint32_t *table;
        size_t n;
        if (!m->sequences[i].handle) continue;
        FUZZ_CHECK(!clkv_sequence_get_table(m->sequences[i].handle, 0, &table, &n));
        live++;
        for (size_t k = 0; k < n; k++)
            if (table[k] != CLKV_NO_BLOCK && !used[table[k]]++) distinct++;
    }
    FUZZ_CHECK(stats.sequences == live);
    FUZZ_CHECK(stats.blocks_total == m->blocks);
    FUZZ_CHECK(stats.blocks_used + stats.blocks_cached + stats.blocks_free == m->blocks);
    FUZZ_CHECK(reserved ? stats.blocks_used >= distinct : stats.blocks_used == distinct);
    FUZZ_CHECK(stats.slots_wasted + stats.tokens_held == stats.blocks_used * m->size);
    FUZZ_CHECK(stats.slots_wasted <= stats.blocks_used * m->size);
    FUZZ_CHECK(stats.hit_tokens == stats.hit_blocks * m->size);
    char json[64];
    const size_t n = clkv_stats_json(&stats, NULL, 0);
    FUZZ_CHECK(clkv_stats_json(&stats, json, sizeof json) == n &&
               strlen(json) == (n < sizeof json ? n : sizeof json - 1));
}

void model_check(model *m)
{
    const char *broken = clkv_manager_validate(m->manager);
    if (broken) fuzz_broken("clkv_manager_validate", 0, broken);
    for (int i = 0; i < MODEL_SEQUENCES; i++)
        if (m->sequences[i].handle) check_sequence(m, &m->sequences[i]);
    check_stats(m);
}

void model_event(void *user, const clkv_cache_event *event)
{
    model *m = user;
    uint32_t at = 0;
    while (at < m->n_stored && m->stored[at] != event->hash) at++;
    if (event->kind == CLKV_EVENT_CLEARED) {
        FUZZ_CHECK(event->block == CLKV_NO_BLOCK && !event->token_count);
        m->n_stored = 0;
        return;
    }
    FUZZ_CHECK(event->block < m->blocks && event->token_count == m->size);
    FUZZ_CHECK(!event->tokens == !m->params.event_content);
    if (m->params.event_content) {
        uint32_t sum = 0; /* reads all of them */
        for (uint32_t i = 0; i < event->token_count; i++) sum += event->tokens[i];
        for (size_t i = 0; i < event->keys_bytes; i++) sum += ((const uint8_t *)event->keys)[i];
        FUZZ_CHECK(sum < UINT32_MAX);
    }
    if (m->params.hash_bits && m->params.hash_bits < 64) return; /* made to collide */
    if (event->kind == CLKV_EVENT_STORED) {
        FUZZ_CHECK(at == m->n_stored && at < MODEL_BLOCKS);
        m->stored[m->n_stored++] = event->hash;
    } else {
        FUZZ_CHECK(event->kind == CLKV_EVENT_REMOVED && at < m->n_stored);
        m->stored[at] = m->stored[--m->n_stored];
    }
}
