/* target_manager.c: the block manager driven by bytes, against a model of plain arrays (manager_model.h).
 *
 *   [parameters of the manager: 10 bytes]{ [operation][what it needs …] }…
 *
 * After every operation the validity functions and the model are asked. Calls that must fail are among the
 * operations: their status is known before, and the model says that nothing has changed.
 * SPDX-License-Identifier: Apache-2.0 */
#include "manager_model.h"

static model w;

static uint64_t fake_clock(void *user)
{
    return ((const model *)user)->now;
}

static int create_world(fuzz_input *in)
{
    memset(&w, 0, sizeof w);
    w.size = 1u << fuzz_below(in, 5);
    w.blocks = 1 + fuzz_below(in, MODEL_BLOCKS);
    w.max_sequences = 1 + fuzz_below(in, MODEL_SEQUENCES);
    const uint32_t context = fuzz_byte(in), flags = fuzz_byte(in);
    w.params = (clkv_manager_params){.size = sizeof w.params,
                                     .blocks = w.blocks,
                                     .block_size = w.size,
                                     .max_sequences = w.max_sequences,
                                     .max_context = context & 3 ? 0 : context,
                                     .watermark = flags & 1 ? fuzz_byte(in) : 0,
                                     .hash_bits = flags & 2 ? 1 + fuzz_below(in, 4) : 0,
                                     .hash_seed = 1,
                                     .shuffle_seed = flags & 4,
                                     .event_content = flags >> 3 & 1,
                                     .prefix = (flags & 0xf0) == 0xf0 ? CLKV_PREFIX_OFF : CLKV_PREFIX_DEFAULT,
                                     .window = (context & 3) == 1 ? 1 + (context >> 2) % 40 : 0,
                                     .clock_ms = fake_clock,
                                     .on_event = model_event,
                                     .user = &w};
    /* By default a window has no limit, but the model has. */
    if (w.params.window) w.params.max_context = w.blocks * w.size;
    const clkv_status status = clkv_manager_create(&w.manager, &w.params);
    FUZZ_CHECK((status == CLKV_OK) == (w.params.watermark < w.blocks));
    if (status) return -1;
    w.max_context = w.params.max_context ? w.params.max_context : (w.blocks - w.params.watermark) * w.size;
    FUZZ_CHECK(clkv_manager_blocks(w.manager) == w.blocks && clkv_manager_block_size(w.manager) == w.size);
    for (int i = 0; i < MODEL_BATCHES; i++) FUZZ_CHECK(!clkv_batch_create(&w.batches[i].handle, w.manager));
    return 0;
}

static int is_prefix_off(void)
{
    return w.params.prefix == CLKV_PREFIX_OFF;
}

/* Few texts and few places where they part, so that prefixes meet. */
static void make_tokens(fuzz_input *in, uint32_t *tokens, uint32_t n)
{
    const uint32_t base = fuzz_byte(in) & 3, parts = fuzz_byte(in);
    for (uint32_t i = 0; i < n; i++) tokens[i] = base == 3 ? i & 1 : base;
    if (n) tokens[parts % n] ^= parts >> 6;
}

static void make_keys(fuzz_input *in, model_keys *keys)
{
    memset(keys, 0, sizeof *keys);
    const uint8_t which = fuzz_byte(in);
    if (which & 0x80) return;
    keys->salt = which & 3;
    keys->adapter = which >> 2 & 1;
    keys->n = (which >> 3 & 3) % (MODEL_CONTENTS + 1);
    for (uint32_t i = 0; i < keys->n; i++) {
        keys->contents[i].offset = fuzz_below(in, 40);
        keys->contents[i].length = 1 + fuzz_below(in, 40);
        keys->contents[i].id = fuzz_byte(in) & 1;
    }
}

static model_sequence *pick(fuzz_input *in)
{
    return &w.sequences[fuzz_below(in, MODEL_SEQUENCES)];
}

static int is_reserved(const model_sequence *s)
{
    return s->batch && w.batches[s->batch - 1].reserved;
}

static uint32_t rows_taken(void)
{
    uint32_t n = 0;
    for (int i = 0; i < MODEL_SEQUENCES; i++) n += w.sequences[i].handle || w.sequences[i].batch;
    return n;
}

/* ---- sequences ---- */

static void create(fuzz_input *in)
{
    model_sequence *s = pick(in);
    if (s->handle || s->batch) return;
    uint32_t tokens[MODEL_TOKENS] = {0};
    memset(s, 0, sizeof *s);
    const uint8_t flags = fuzz_byte(in);
    const uint32_t n = fuzz_byte(in);
    make_tokens(in, tokens, n);
    make_keys(in, &s->keys);
    s->no_prefix = (flags & 7) == 7 || is_prefix_off();
    s->age = ++w.ages;
    model_extend(s, tokens, n);
    clkv_key keys[2 + MODEL_CONTENTS];
    const size_t n_keys = model_keys_list(&s->keys, keys);
    uint32_t least, most;
    model_expect(&w, s, n ? n - 1 : 0, &least, &most);
    size_t found = 0, matched = 99;
    FUZZ_CHECK(!clkv_manager_lookup(w.manager, keys, n_keys, tokens, n, &found));
    if (!s->no_prefix) FUZZ_CHECK(found >= least && found <= most && found % w.size == 0 && (found < n || !n));
    const clkv_sequence_params params = {.size = sizeof params,
                                         .tokens = tokens,
                                         .n_tokens = n,
                                         .keys = keys,
                                         .n_keys = n_keys,
                                         .prefix = s->no_prefix ? CLKV_PREFIX_OFF : CLKV_PREFIX_ON,
                                         .user_data = s->age};
    const int full = rows_taken() == w.max_sequences;
    const clkv_status status = clkv_sequence_create(&s->handle, w.manager, &params, &matched);
    FUZZ_CHECK(status == (full ? CLKV_ERROR_LIMIT : CLKV_OK));
    if (status) {
        FUZZ_CHECK(!s->handle && matched == 99);
        return;
    }
    FUZZ_CHECK(matched == (s->no_prefix ? 0 : found));
    s->length = (uint32_t)matched;
}

static void destroy(fuzz_input *in)
{
    model_sequence *s = pick(in);
    clkv_sequence_destroy(&s->handle);
    FUZZ_CHECK(!s->handle);
    if (s->batch && !w.batches[s->batch - 1].reserved) s->length = 0;
}

static void fork_sequence(fuzz_input *in)
{
    model_sequence *s = pick(in), *to = pick(in);
    if (to->handle || to->batch) return;
    const int full = rows_taken() == w.max_sequences;
    const clkv_status status = clkv_sequence_fork(&to->handle, s->handle, w.ages + 1);
    if (!s->handle) {
        FUZZ_CHECK(status == CLKV_ERROR_INVALID);
    } else {
        FUZZ_CHECK(status == (is_reserved(s) ? CLKV_ERROR_BUSY : full ? CLKV_ERROR_LIMIT : CLKV_OK));
    }
    FUZZ_CHECK(!status == (to->handle != NULL));
    if (status) return;
    clkv_sequence *fork = to->handle;
    FUZZ_CHECK(clkv_sequence_user_data(fork) == w.ages + 1 && clkv_sequence_user_data(s->handle) == s->age);
    *to = *s;
    to->handle = fork;
    to->age = ++w.ages;
    to->batch = 0;
}

static void truncate_sequence(fuzz_input *in)
{
    model_sequence *s = pick(in);
    const uint32_t x = fuzz_byte(in), back = x & 31;
    const size_t length = x >= 0xf0 ? SIZE_MAX - x
                          : x & 32  ? s->length - (back < s->length ? back : s->length)
                                    : x * 2;
    const clkv_status status = clkv_sequence_truncate(s->handle, length);
    if (!s->handle) {
        FUZZ_CHECK(status == CLKV_ERROR_INVALID);
    } else if (is_reserved(s)) {
        FUZZ_CHECK(status == CLKV_ERROR_BUSY);
    } else if (length > s->length) {
        FUZZ_CHECK(status == CLKV_ERROR_INVALID);
    } else if (status) {
        FUZZ_CHECK(status == CLKV_ERROR_INVALID && w.params.window && s->length >= w.params.window);
    } else {
        s->length = (uint32_t)length;
    }
}

static void preempt(fuzz_input *in)
{
    model_sequence *s = pick(in);
    const clkv_status status = clkv_sequence_preempt(s->handle);
    FUZZ_CHECK(status == (!s->handle ? CLKV_ERROR_INVALID : is_reserved(s) ? CLKV_ERROR_BUSY : CLKV_OK));
    if (!status) s->length = 0;
}

static void resume(fuzz_input *in)
{
    model_sequence *s = pick(in);
    uint32_t tokens[256] = {0};
    const uint32_t n = fuzz_byte(in), had = s->length;
    make_tokens(in, tokens, n);
    size_t matched = 99;
    if (s->handle && !s->batch && had && had % w.size == 0) return; /* test_pending has what is found beyond a length */
    const int may = s->handle && !s->batch && !s->length;
    uint32_t least = 0, most = 0;
    if (may) {
        model_extend(s, tokens, n);
        model_expect(&w, s, n ? n - 1 : 0, &least, &most);
    }
    const clkv_status status = clkv_sequence_resume(s->handle, tokens, n, &matched);
    FUZZ_CHECK(status == (!s->handle ? CLKV_ERROR_INVALID
                          : s->batch ? CLKV_ERROR_BUSY
                          : had      ? CLKV_ERROR_STATE
                                     : CLKV_OK));
    if (status) return;
    FUZZ_CHECK(matched >= least && matched <= most);
    s->length = (uint32_t)matched;
}

/* ---- batches ---- */

static model_batch *pick_batch(fuzz_input *in)
{
    return &w.batches[fuzz_below(in, MODEL_BATCHES)];
}

static void forget_members(model_batch *b)
{
    for (uint32_t i = 0; i < b->n; i++) b->members[i]->batch = 0;
    b->n = 0;
}

static void add(fuzz_input *in)
{
    model_batch *b = pick_batch(in);
    model_sequence *s = pick(in);
    const uint8_t how = fuzz_byte(in);
    uint32_t n = how & 0x80 ? fuzz_below(in, MODEL_ADD + 1) : how & 7, entry = 99;
    const int none = (how & 0x78) == 0x78, huge = none && s->no_prefix && fuzz_byte(in) & 1;
    uint32_t tokens[MODEL_ADD] = {0};
    make_tokens(in, tokens, n);
    if (huge) n = UINT32_MAX - fuzz_byte(in);
    clkv_status want = CLKV_OK;
    if (!s->handle || !n)
        want = CLKV_ERROR_INVALID;
    else if (b->reserved)
        want = CLKV_ERROR_STATE;
    else if (s->batch)
        want = CLKV_ERROR_BUSY;
    else if (none && !s->no_prefix)
        want = CLKV_ERROR_INVALID;
    else if (n > w.max_context - s->length)
        want = CLKV_ERROR_LIMIT;
    FUZZ_CHECK(clkv_batch_add(b->handle, s->handle, none ? NULL : tokens, n, &entry) == want);
    FUZZ_CHECK(entry == (want ? 99 : b->n));
    if (want) return;
    b->members[b->n] = s;
    b->new_tokens[b->n] = b->accept[b->n] = n;
    memcpy(b->tokens[b->n], tokens, n * sizeof *tokens);
    b->n++;
    s->batch = (int)(b - w.batches) + 1;
}

static void pop_or_clear(fuzz_input *in)
{
    model_batch *b = pick_batch(in);
    if (fuzz_byte(in) & 1) {
        FUZZ_CHECK(clkv_batch_pop(b->handle) == (b->reserved || !b->n ? CLKV_ERROR_STATE : CLKV_OK));
        if (!b->reserved && b->n) b->members[--b->n]->batch = 0;
    } else {
        FUZZ_CHECK(clkv_batch_clear(b->handle) == (b->reserved ? CLKV_ERROR_STATE : CLKV_OK));
        if (!b->reserved) forget_members(b);
    }
}

static void check_entries(const model_batch *b)
{
    const clkv_batch_entry *entries;
    uint32_t n, total = 0;
    clkv_batch_get_entries(b->handle, &entries, &n);
    FUZZ_CHECK(n == b->n);
    for (uint32_t i = 0; i < n; i++) {
        FUZZ_CHECK(entries[i].first == total && entries[i].new_tokens == b->new_tokens[i]);
        FUZZ_CHECK(entries[i].row < w.max_sequences);
        if (b->reserved) FUZZ_CHECK(entries[i].context == b->members[i]->length + b->new_tokens[i]);
        total += b->new_tokens[i];
    }
    FUZZ_CHECK(clkv_batch_tokens(b->handle) == total);
}

static void reserve(fuzz_input *in)
{
    model_batch *b = pick_batch(in);
    clkv_stats before = {.size = sizeof before}, after = before;
    int dead = 0, too_long = 0;
    uint32_t grows = 0;
    for (uint32_t i = 0; i < b->n; i++) {
        const model_sequence *s = b->members[i];
        dead |= !s->handle;
        too_long |= b->new_tokens[i] > w.max_context - s->length;
        grows += (s->length + b->new_tokens[i] + w.size - 1) / w.size - (s->length + w.size - 1) / w.size;
    }
    FUZZ_CHECK(!clkv_manager_get_stats(w.manager, &before));
    const uint32_t missing = clkv_batch_missing(b->handle);
    const clkv_status status = clkv_batch_reserve(b->handle);
    FUZZ_CHECK(!clkv_manager_get_stats(w.manager, &after));
    if (b->reserved || dead) {
        FUZZ_CHECK(status == CLKV_ERROR_STATE);
    } else if (status == CLKV_ERROR_LIMIT) {
        FUZZ_CHECK(too_long);
    } else {
        FUZZ_CHECK(!too_long && status == (missing ? CLKV_ERROR_NO_BLOCKS : CLKV_OK));
    }
    if (status) {
        FUZZ_CHECK(before.blocks_used == after.blocks_used && before.blocks_cached == after.blocks_cached);
        return;
    }
    const uint64_t took = after.blocks_used - before.blocks_used;
    FUZZ_CHECK(took >= grows && took <= grows + b->n); /* a copy for each entry at most */
    FUZZ_CHECK(after.blocks_used + w.params.watermark <= w.blocks || took == 0);
    b->reserved = 1;
    b->written = 0;
    for (uint32_t i = 0; i < b->n; i++) {
        b->accept[i] = b->new_tokens[i];
        model_extend(b->members[i], b->tokens[i], b->new_tokens[i]);
    }
    check_entries(b);
}

/* What a device does with the batch: copies, then new values into the slots. */
static void write_batch(model_batch *b)
{
    const clkv_block_copy *copies;
    const uint32_t *slots;
    uint32_t n_copies, n_slots, k = 0;
    const clkv_status expected = b->reserved ? CLKV_OK : CLKV_ERROR_STATE;
    FUZZ_CHECK(clkv_batch_get_copies(b->handle, 0, &copies, &n_copies) == expected);
    FUZZ_CHECK(clkv_batch_get_slots(b->handle, 0, &slots, &n_slots) == expected);
    if (!b->reserved) return;
    for (uint32_t i = 0; i < n_copies; i++) {
        FUZZ_CHECK(copies[i].to < w.blocks && copies[i].from < w.blocks && copies[i].to != copies[i].from);
        memcpy(&w.slots[copies[i].to * w.size], &w.slots[copies[i].from * w.size], w.size * sizeof *w.slots);
    }
    for (uint32_t i = 0; i < b->n; i++)
        for (uint32_t p = 0; p < b->new_tokens[i]; p++, k++) {
            FUZZ_CHECK(k < n_slots && slots[k] < w.blocks * w.size);
            w.slots[slots[k]] = b->members[i]->values[b->members[i]->length + p];
        }
    FUZZ_CHECK(k == n_slots);
    b->written = 1;
}

static void accept_some(fuzz_input *in)
{
    model_batch *b = pick_batch(in);
    const uint32_t entry = fuzz_below(in, MODEL_SEQUENCES), n = fuzz_byte(in) % 20;
    const clkv_status status = clkv_batch_accept(b->handle, entry, n);
    if (!b->reserved) {
        FUZZ_CHECK(status == CLKV_ERROR_STATE);
    } else if (entry >= b->n || n > b->new_tokens[entry]) {
        FUZZ_CHECK(status == CLKV_ERROR_INVALID);
    } else {
        FUZZ_CHECK(!status);
        b->accept[entry] = n;
    }
}

static void commit(fuzz_input *in)
{
    model_batch *b = pick_batch(in);
    if (b->reserved && !b->written) write_batch(b);
    FUZZ_CHECK(clkv_batch_commit(b->handle) == (b->reserved ? CLKV_OK : CLKV_ERROR_STATE));
    if (!b->reserved) return;
    for (uint32_t i = 0; i < b->n; i++) {
        model_sequence *s = b->members[i];
        const uint32_t from = s->length;
        s->length += b->accept[i];
        model_commit(&w, s, from);
    }
    forget_members(b);
    b->reserved = 0;
}

static void rollback(fuzz_input *in)
{
    model_batch *b = pick_batch(in);
    FUZZ_CHECK(clkv_batch_rollback(b->handle) == (b->reserved ? CLKV_OK : CLKV_ERROR_STATE));
    b->reserved = 0;
    /* what was destroyed meanwhile has given its blocks back */
    for (uint32_t i = 0; i < b->n; i++)
        if (!b->members[i]->handle) b->members[i]->length = 0;
    check_entries(b);
}

static void new_batch(fuzz_input *in)
{
    model_batch *b = pick_batch(in);
    clkv_batch_destroy(&b->handle);
    FUZZ_CHECK(!b->handle);
    forget_members(b);
    b->reserved = 0;
    FUZZ_CHECK(!clkv_batch_create(&b->handle, w.manager));
}

static void victim(fuzz_input *in)
{
    const clkv_sequence *chosen = clkv_batch_victim(pick_batch(in)->handle);
    const model_sequence *s = NULL, *oldest = NULL;
    for (int i = 0; chosen && i < MODEL_SEQUENCES; i++) {
        const model_sequence *each = &w.sequences[i];
        if (!each->handle) continue;
        if (each->handle == chosen) s = each;
        if (!oldest || each->age < oldest->age) oldest = each;
    }
    FUZZ_CHECK(!chosen || (s && s->length && !is_reserved(s)));
    FUZZ_CHECK(!chosen || s != oldest);
}

/* ---- the rest ---- */

static void pin(fuzz_input *in)
{
    static model_sequence s;
    uint32_t tokens[256] = {0}, least, most;
    memset(&s, 0, sizeof s);
    const uint32_t n = fuzz_byte(in), priority = fuzz_below(in, CLKV_POOL_PRIORITIES + 1), ttl = fuzz_byte(in);
    make_tokens(in, tokens, n);
    make_keys(in, &s.keys);
    model_extend(&s, tokens, n);
    model_expect(&w, &s, n, &least, &most);
    clkv_key keys[2 + MODEL_CONTENTS];
    const size_t n_keys = model_keys_list(&s.keys, keys);
    size_t pinned = 99;
    const clkv_status status =
        clkv_manager_pin(w.manager, keys, n_keys, tokens, n, priority, ttl == 255 ? UINT64_MAX : ttl, &pinned);
    FUZZ_CHECK(status == (priority >= CLKV_POOL_PRIORITIES ? CLKV_ERROR_INVALID : CLKV_OK));
    FUZZ_CHECK(status ? pinned == 99 : pinned * w.size >= least && pinned * w.size <= most);
    w.now += fuzz_byte(in);
}

static void reset(fuzz_input *in)
{
    (void)in;
    clkv_stats stats = {.size = sizeof stats};
    FUZZ_CHECK(!clkv_manager_get_stats(w.manager, &stats));
    FUZZ_CHECK(clkv_manager_reset(w.manager) == (stats.blocks_used ? CLKV_ERROR_BUSY : CLKV_OK));
    if (stats.blocks_used) return;
    w.n_committed = 0;
    FUZZ_CHECK(!clkv_manager_get_stats(w.manager, &stats) && stats.blocks_free == w.blocks);
}

/* Keys that are none, and arguments that are not there. */
static void wrong(fuzz_input *in)
{
    static const char bytes[8] = "name";
    static const clkv_key bad[] = {
        {CLKV_KEY_SALT, 1, 0, bytes, 4},    {CLKV_KEY_SALT, 0, 1, bytes, 4},
        {CLKV_KEY_ADAPTER, 0, 0, NULL, 4},  {CLKV_KEY_ADAPTER, 0, 0, bytes, 0},
        {CLKV_KEY_SALT, 0, 0, bytes, 4097}, {CLKV_KEY_SALT, 0, 0, bytes, SIZE_MAX},
        {CLKV_KEY_CONTENT, 0, 0, bytes, 4}, {CLKV_KEY_CONTENT, 2, UINT64_MAX - 1, bytes, 4},
        {(clkv_key_kind)0, 0, 0, bytes, 4}, {(clkv_key_kind)99, 0, 0, bytes, 4},
    };
    static clkv_key many[CLKV_MAX_KEYS + 1];
    static const uint32_t tokens[MODEL_BLOCK_SIZE + 1];
    const uint32_t which = fuzz_below(in, sizeof bad / sizeof *bad + 6);
    for (size_t i = 0; i <= CLKV_MAX_KEYS; i++) many[i] = (clkv_key){CLKV_KEY_SALT, 0, 0, bytes, 1};
    const int listed = which < sizeof bad / sizeof *bad;
    clkv_sequence_params p = {.size = sizeof p, .tokens = tokens, .n_tokens = MODEL_BLOCK_SIZE + 1};
    p.keys = listed ? &bad[which] : many;
    p.n_keys = listed ? 1 : CLKV_MAX_KEYS + 1;
    if (which == sizeof bad / sizeof *bad) p.keys = NULL;
    if (which == sizeof bad / sizeof *bad + 1) p.size = fuzz_byte(in) % sizeof p.size;
    clkv_sequence *s = NULL;
    size_t n = 99;
    const int lenient = is_prefix_off() && p.keys && p.size == sizeof p; /* keys are not looked at */
    const int full = rows_taken() == w.max_sequences;
    const clkv_status status = clkv_sequence_create(&s, w.manager, &p, &n);
    if (lenient && !full)
        FUZZ_CHECK(!status);
    else
        FUZZ_CHECK((status == CLKV_ERROR_INVALID || (full && status == CLKV_ERROR_LIMIT)) && !s && n == 99);
    clkv_sequence_destroy(&s);
    if (!is_prefix_off() && p.size == sizeof p)
        FUZZ_CHECK(clkv_manager_lookup(w.manager, p.keys, p.n_keys, tokens, p.n_tokens, &n) == CLKV_ERROR_INVALID);
    FUZZ_CHECK(clkv_manager_lookup(w.manager, NULL, 0, NULL, 1 + w.size, &n) == CLKV_ERROR_INVALID);
    FUZZ_CHECK(clkv_manager_lookup(w.manager, NULL, 0, NULL, 0, NULL) == CLKV_ERROR_INVALID);
    union {
        clkv_stats stats;
        char bytes[256];
    } any = {.stats = {.size = fuzz_byte(in)}};
    clkv_manager_get_stats(w.manager, &any.stats);
    FUZZ_CHECK(any.stats.size <= sizeof any.stats);
}

static void write_some(fuzz_input *in)
{
    write_batch(pick_batch(in));
}

/* In an order that the length of the input chooses. */
static void end_world(size_t order)
{
    for (int i = 0; i < 3; i++) {
        const size_t what = (order + (size_t)i) % 3;
        if (what == 0) clkv_manager_destroy(&w.manager);
        for (int k = 0; what == 1 && k < MODEL_BATCHES; k++) clkv_batch_destroy(&w.batches[k].handle);
        for (int k = 0; what == 2 && k < MODEL_SEQUENCES; k++) clkv_sequence_destroy(&w.sequences[k].handle);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const operations[])(fuzz_input *) = {
        create,     add,         reserve, commit,  destroy, fork_sequence, truncate_sequence,
        preempt,    resume,      add,     reserve, commit,  rollback,      pop_or_clear,
        write_some, accept_some, pin,     reset,   victim,  wrong,         new_batch,
        create,     add,         reserve, commit,
    };
    fuzz_input in = {data, size};
    if (create_world(&in)) return 0;
    while (in.left) {
        operations[fuzz_below(&in, sizeof operations / sizeof *operations)](&in);
        model_check(&w);
    }
    end_world(size);
    return 0;
}
