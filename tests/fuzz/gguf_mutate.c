/* gguf_mutate.c: mutations that keep a GGUF file readable, so that what is behind the container gets its share:
 * whole entries are removed, doubled, renamed or given another kind, values and shapes change, and counts follow.
 *
 *   file ──find_entries──▶ where each key and tensor begins, and where its value does ──▶ one change ──▶ file
 *
 * What cannot be found (a file that is broken already) is left to libFuzzer's own mutations.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

enum { HEADER = 1 + 24, MOST_ENTRIES = 256 }; /* the target's own first byte stands before */

typedef struct entry {
    size_t begin, value, end; /* value: of a key its kind, of a tensor its number of dimensions */
    int is_tensor;
} entry;

typedef struct layout {
    uint8_t *data;
    size_t bytes, room;
    entry entries[MOST_ENTRIES];
    uint32_t n_values, n_tensors, n;
} layout;

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);

static uint32_t next(uint32_t *seed, uint32_t n)
{
    *seed = *seed * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)(*seed >> 8) * n >> 24);
}

static uint64_t get(const layout *l, size_t at, size_t bytes)
{
    uint64_t x = 0;
    for (size_t i = 0; i < bytes && at + i < l->bytes; i++) x |= (uint64_t)l->data[at + i] << 8 * i;
    return x;
}

static void put(layout *l, size_t at, size_t bytes, uint64_t x)
{
    for (size_t i = 0; i < bytes && at + i < l->bytes; i++) l->data[at + i] = (uint8_t)(x >> 8 * i);
}

/* Moves *at over a value of this kind; −1 when it goes past the end. */
static int skip_value(const layout *l, size_t *at, uint64_t kind)
{
    static const uint8_t sizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    if (kind >= sizeof sizes) return -1;
    if (kind == 9) {
        const uint64_t items = get(l, *at, 4), n = get(l, *at + 4, 8);
        *at += 12;
        if (items == 9 || items >= sizeof sizes || n > l->bytes) return -1;
        for (uint64_t i = 0; i < n; i++)
            if (skip_value(l, at, items)) return -1;
    } else if (kind == 8) {
        const uint64_t n = get(l, *at, 8);
        if (n > l->bytes) return -1;
        *at += 8 + n;
    } else {
        *at += sizes[kind];
    }
    return *at <= l->bytes ? 0 : -1;
}

static int find_entries(layout *l)
{
    const uint64_t n_tensors = get(l, 9, 8), n_values = get(l, 17, 8);
    size_t at = HEADER;
    if (l->bytes < HEADER || n_tensors + n_values > MOST_ENTRIES || n_tensors > MOST_ENTRIES) return -1;
    for (uint64_t i = 0; i < n_values + n_tensors; i++) {
        entry *e = &l->entries[l->n];
        const uint64_t name = get(l, at, 8);
        if (name > l->bytes) return -1;
        *e = (entry){at, at + 8 + name, 0, i >= n_values};
        at = e->value + 4;
        if (at > l->bytes) return -1;
        if (e->is_tensor) {
            const uint64_t dims = get(l, e->value, 4);
            if (dims > 8) return -1;
            at += 8 * dims + 12;
        } else if (skip_value(l, &at, get(l, e->value, 4))) {
            return -1;
        }
        if (at > l->bytes) return -1;
        e->end = at;
        l->n++;
    }
    l->n_values = (uint32_t)n_values;
    l->n_tensors = (uint32_t)n_tensors;
    return l->n ? 0 : -1;
}

/* Replaces old bytes at `at` by n others, if there is room. */
static int splice(layout *l, size_t at, size_t old, const void *from, size_t n)
{
    uint8_t copy[512];
    if (n > sizeof copy || l->bytes - old + n > l->room) return -1;
    memcpy(copy, from, n); /* it may be a part of the file */
    memmove(l->data + at + n, l->data + at + old, l->bytes - at - old);
    memcpy(l->data + at, copy, n);
    l->bytes = l->bytes - old + n;
    return 0;
}

static void count(layout *l, const entry *e, int more)
{
    const size_t at = e->is_tensor ? 9 : 17;
    put(l, at, 8, get(l, at, 8) + (uint64_t)(int64_t)more);
}

static void rename_entry(layout *l, const entry *e, uint32_t *seed)
{
    static const char *const names[] = {
        "general.architecture",
        "general.name",
        "general.alignment",
        "llama.context_length",
        "llama.embedding_length",
        "llama.block_count",
        "llama.feed_forward_length",
        "llama.attention.head_count",
        "llama.expert_count",
        "llama.attention.head_count_kv",
        "llama.attention.key_length",
        "llama.attention.value_length",
        "llama.rope.dimension_count",
        "llama.rope.freq_base",
        "llama.rope.scaling.type",
        "llama.rope.scaling.factor",
        "llama.attention.layer_norm_rms_epsilon",
        "llama.attention.sliding_window",
        "llama.attention.causal",
        "tokenizer.ggml.model",
        "tokenizer.ggml.pre",
        "tokenizer.ggml.tokens",
        "tokenizer.ggml.scores",
        "tokenizer.ggml.token_type",
        "tokenizer.ggml.merges",
        "tokenizer.ggml.bos_token_id",
        "split.count",
        "tokenizer.ggml.eos_token_id",
        "tokenizer.ggml.eot_token_id",
        "tokenizer.ggml.unknown_token_id",
        "tokenizer.ggml.add_bos_token",
        "tokenizer.ggml.add_space_prefix",
        "tokenizer.chat_template",
        "token_embd.weight",
        "output.weight",
        "output_norm.weight",
        "rope_freqs.weight",
        "blk.0.attn_q.weight",
        "blk.0.attn_q.bias",
        "blk.0.attn_k.bias",
        "blk.0.attn_v.bias",
        "blk.0.attn_q_norm.weight",
        "blk.1.attn_q.weight",
        "blk.0.ffn_up.weight",
        "blk.4294967295.attn_q.weight",
    };
    const char *name = names[next(seed, sizeof names / sizeof *names)];
    const size_t n = strlen(name);
    if (splice(l, e->begin + 8, e->value - e->begin - 8, name, n)) return;
    put(l, e->begin, 8, n);
}

/* A number that somebody trusted once: small ones, powers of two and their neighbours, and the ends. */
static uint64_t number(uint32_t *seed)
{
    const uint64_t power = UINT64_C(1) << next(seed, 64);
    switch (next(seed, 5)) {
    case 0: return next(seed, 70);
    case 1: return power;
    case 2: return power - 1;
    case 3: return power + 1;
    default: return 8u * (1 + next(seed, 40));
    }
}

static void change_tensor(layout *l, const entry *e, uint32_t *seed)
{
    const uint64_t dims = get(l, e->value, 4);
    const size_t shape = e->value + 4, type = shape + 8 * dims;
    switch (next(seed, 4)) {
    case 0: put(l, e->value, 4, next(seed, 6)); break;
    case 1: put(l, shape + 8 * next(seed, dims ? (uint32_t)dims : 1), 8, number(seed)); break;
    case 2: put(l, type, 4, next(seed, 42)); break;
    default: put(l, type + 4, 8, next(seed, 2) ? 32 * (uint64_t)next(seed, 64) : number(seed)); break;
    }
}

/* The bytes of a string, or of an array's items, are libFuzzer's to change, but stay as many. */
static void change_value(layout *l, const entry *e, uint32_t *seed)
{
    const uint64_t kind = get(l, e->value, 4);
    const size_t at = e->value + 4, bytes = e->end - at;
    const size_t head = kind == 8 ? 8 : kind == 9 ? 12 : 0;
    if (next(seed, 8) == 0) {
        put(l, e->value, 4, next(seed, 14));
    } else if (head == 12 && next(seed, 4) == 0) {
        put(l, at + 4, 8, get(l, at + 4, 8) + next(seed, 3) - 1);
    } else if (head && bytes > head) {
        LLVMFuzzerMutate(l->data + at + head, bytes - head, bytes - head);
    } else if (!head) {
        put(l, at, bytes, number(seed));
    }
}

static void change(layout *l, uint32_t *seed)
{
    const entry *e = &l->entries[next(seed, l->n)];
    const uint32_t what = next(seed, 10);
    if (what == 0) {
        count(l, e, -1);
        splice(l, e->begin, e->end - e->begin, "", 0);
    } else if (what == 1) {
        if (!splice(l, e->begin, 0, l->data + e->begin, e->end - e->begin < 512 ? e->end - e->begin : 0))
            count(l, e, 1);
    } else if (what < 4) {
        rename_entry(l, e, seed);
    } else if (e->is_tensor) {
        change_tensor(l, e, seed);
    } else {
        change_value(l, e, seed);
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed)
{
    uint32_t state = seed;
    static layout l;
    for (uint32_t changes = 1 + next(&state, 3); changes > 0; changes--) {
        l = (layout){.data = data, .bytes = size, .room = most};
        if (next(&state, 4) == 0 || find_entries(&l))
            size = LLVMFuzzerMutate(data, size, most);
        else
            change(&l, &state), size = l.bytes;
    }
    return size;
}
