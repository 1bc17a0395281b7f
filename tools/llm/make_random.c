/* make_random.c: see make_random.h. Weights are drawn from a table of 4096 values, five for each random number,
 * so that writing the file is what takes the time. They are uniform with the deviation 1/√(row length), which
 * keeps activations and logits of the order of 1 through any number of layers.
 * SPDX-License-Identifier: Apache-2.0 */
#include "make_random.h"

#include "../random.h"
#include "dequant.h"
#include "gguf_write.h"
#include "os/path.h"

#include <clkv/ref.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TABLE_BITS  12
#define TABLE       (1 << TABLE_BITS)
#define CHUNK_BYTES (1u << 20)
#define NAME_BYTES  48

static const struct shape {
    const char *name;
    uint32_t dim, hidden_dim, layers, heads, kv_heads, head_dim, vocab, context;
    float rope_base;
    int own_output;
} shapes[] = {
    {"1M", 128, 384, 4, 4, 2, 32, 1024, 2048, 10000, 0},
    {"100M", 768, 2048, 12, 12, 4, 64, 32000, 4096, 10000, 0},
    {"1B", 2048, 8192, 16, 32, 8, 64, 128256, 8192, 500000, 0},   /* Llama 3.2 1B */
    {"3B", 3072, 8192, 28, 24, 8, 128, 128256, 8192, 500000, 0},  /* Llama 3.2 3B */
    {"8B", 4096, 14336, 32, 32, 8, 128, 128256, 8192, 500000, 1}, /* Llama 3.1 8B */
};

const char *llm_random_shapes(void)
{
    return "1M, 100M, 1B, 3B, 8B";
}

/* The first 259 tokens are those of every SentencePiece vocabulary: unknown, BOS, EOS and all bytes. The others are
 * words of three syllables or more, all different, so that generated text can be told apart. */
static size_t piece_text(uint32_t id, char out[NAME_BYTES])
{
    static const char *const first[] = {"<unk>", "<s>", "</s>"};
    static const char consonants[] = "bdfgklmnprstvz", vowels[] = "aeiou";
    if (id < 3) return (size_t)snprintf(out, NAME_BYTES, "%s", first[id]);
    if (id < 259) return (size_t)snprintf(out, NAME_BYTES, "<0x%02X>", (unsigned)id - 3);
    size_t n = (size_t)snprintf(out, NAME_BYTES, "\xe2\x96\x81");
    for (uint32_t rest = id - 259, i = 0; i < 3 || rest > 0; i++, rest /= 70) {
        out[n++] = consonants[rest % 70 / 5];
        out[n++] = vowels[rest % 5];
    }
    out[n] = 0;
    return n;
}

static void write_vocab(gguf_writer *w, uint32_t vocab)
{
    gguf_write_text(w, "tokenizer.ggml.model", "llama");
    gguf_write_array(w, "tokenizer.ggml.tokens", GGUF_STRING, vocab);
    for (uint32_t id = 0; id < vocab; id++) {
        char text[NAME_BYTES];
        gguf_write_item(w, text, piece_text(id, text));
    }
    gguf_write_array(w, "tokenizer.ggml.scores", GGUF_F32, vocab);
    for (uint32_t id = 0; id < vocab; id++) {
        const float score = id < 259 ? 0 : -(float)(id - 259);
        gguf_write_raw(w, &score, sizeof score);
    }
    gguf_write_array(w, "tokenizer.ggml.token_type", GGUF_I32, vocab);
    for (uint32_t id = 0; id < vocab; id++) {
        const int32_t type = id == 0    ? LLM_PIECE_UNKNOWN
                             : id < 3   ? LLM_PIECE_CONTROL
                             : id < 259 ? LLM_PIECE_BYTE
                                        : LLM_PIECE_NORMAL;
        gguf_write_raw(w, &type, sizeof type);
    }
    gguf_write_u32(w, "tokenizer.ggml.bos_token_id", 1);
    gguf_write_u32(w, "tokenizer.ggml.eos_token_id", 2);
    gguf_write_u32(w, "tokenizer.ggml.unknown_token_id", 0);
}

static void write_keys(gguf_writer *w, const struct shape *s)
{
    char name[NAME_BYTES];
    snprintf(name, sizeof name, "random %s", s->name);
    gguf_write_text(w, "general.architecture", "llama");
    gguf_write_text(w, "general.name", name);
    gguf_write_u32(w, "llama.context_length", s->context);
    gguf_write_u32(w, "llama.embedding_length", s->dim);
    gguf_write_u32(w, "llama.block_count", s->layers);
    gguf_write_u32(w, "llama.feed_forward_length", s->hidden_dim);
    gguf_write_u32(w, "llama.attention.head_count", s->heads);
    gguf_write_u32(w, "llama.attention.head_count_kv", s->kv_heads);
    gguf_write_u32(w, "llama.rope.dimension_count", s->head_dim);
    gguf_write_f32(w, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
    gguf_write_f32(w, "llama.rope.freq_base", s->rope_base);
    write_vocab(w, s->vocab);
}

/* One tensor after the other: first all are announced in the header, then all are written, by the same walk. */
typedef struct output {
    gguf_writer *header; /* announcing; NULL: writing */
    FILE *file;
    llm_type type;
    random_state random;
    unsigned char *chunk;           /* CHUNK_BYTES */
    unsigned char values[TABLE][2]; /* halves */
    uint64_t cols;                  /* that `values` are for */
} output;

static void fill_halves(output *o, uint64_t cols, size_t n)
{
    if (o->cols != cols) {
        const float width = sqrtf(3.0f / (float)cols); /* uniform in ±width has the variance 1/cols */
        for (int i = 0; i < TABLE; i++) {
            const uint16_t h = clkv_ref_half(width * ((float)(2 * i + 1) / TABLE - 1));
            memcpy(o->values[i], &h, sizeof h);
        }
        o->cols = cols;
    }
    for (size_t i = 0; i < n; i += 5) {
        uint64_t x = random_next(&o->random);
        for (size_t j = i; j < i + 5 && j < n; j++, x >>= TABLE_BITS)
            memcpy(o->chunk + 2 * j, o->values[x & (TABLE - 1)], 2);
    }
}

/* n blocks of { half d; int8 q[32]; } */
static void fill_q8_0(output *o, uint64_t cols, size_t n)
{
    const uint16_t d = clkv_ref_half(sqrtf(3.0f / (float)cols) / 127);
    for (unsigned char *p = o->chunk; n > 0; n--, p += 34) {
        memcpy(p, &d, sizeof d);
        for (int i = 0; i < 4; i++) {
            const uint64_t x = random_next(&o->random);
            memcpy(p + 2 + 8 * i, &x, sizeof x);
        }
    }
}

static int write_matrix(output *o, uint64_t rows, uint64_t cols)
{
    const llm_type_facts *f = llm_type_find(o->type);
    uint64_t blocks = rows * (cols / f->elements);
    const uint64_t bytes = blocks * f->bytes, pad = -bytes % GGUF_DEFAULT_ALIGNMENT;
    for (const uint64_t most = CHUNK_BYTES / f->bytes; blocks > 0;) {
        const size_t n = (size_t)(blocks < most ? blocks : most);
        if (o->type == LLM_F16) {
            fill_halves(o, cols, n);
        } else {
            fill_q8_0(o, cols, n);
        }
        if (fwrite(o->chunk, f->bytes, n, o->file) != n) return -1;
        blocks -= n;
    }
    memset(o->chunk, 0, GGUF_DEFAULT_ALIGNMENT);
    return fwrite(o->chunk, 1, (size_t)pad, o->file) == pad ? 0 : -1;
}

static int write_ones(output *o, uint64_t n)
{
    const float one = 1, zero = 0;
    const uint64_t per_pad = GGUF_DEFAULT_ALIGNMENT / sizeof one, all = (n + per_pad - 1) / per_pad * per_pad;
    for (uint64_t i = 0; i < all; i++)
        if (fwrite(i < n ? &one : &zero, sizeof one, 1, o->file) != 1) return -1;
    return 0;
}

/* rows 0: a vector of ones. */
static int put(output *o, const char *name, uint64_t rows, uint64_t cols)
{
    if (o->header) {
        gguf_write_tensor(o->header, name, rows ? o->type : LLM_F32, rows, cols);
        return 0;
    }
    return rows ? write_matrix(o, rows, cols) : write_ones(o, cols);
}

static int put_all(output *o, const struct shape *s)
{
    const uint32_t q = s->heads * s->head_dim, kv = s->kv_heads * s->head_dim;
    const struct {
        const char *name;
        uint32_t rows, cols;
    } parts[] = {
        {"attn_norm", 0, s->dim},
        {"attn_q", q, s->dim},
        {"attn_k", kv, s->dim},
        {"attn_v", kv, s->dim},
        {"attn_output", s->dim, q},
        {"ffn_norm", 0, s->dim},
        {"ffn_gate", s->hidden_dim, s->dim},
        {"ffn_up", s->hidden_dim, s->dim},
        {"ffn_down", s->dim, s->hidden_dim},
    };
    if (put(o, "token_embd.weight", s->vocab, s->dim)) return -1;
    for (uint32_t layer = 0; layer < s->layers; layer++) {
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
            char name[NAME_BYTES];
            snprintf(name, sizeof name, "blk.%u.%s.weight", (unsigned)layer, parts[i].name);
            if (put(o, name, parts[i].rows, parts[i].cols)) return -1;
        }
    }
    if (put(o, "output_norm.weight", 0, s->dim)) return -1;
    return s->own_output ? put(o, "output.weight", s->vocab, s->dim) : 0;
}

static int write_file(output *o, const struct shape *s, const char *path, char *why)
{
    gguf_writer header;
    int result = -1;
    gguf_write_begin(&header);
    write_keys(&header, s);
    o->header = &header;
    put_all(o, s);
    o->header = NULL;
    if (gguf_write_end(&header)) {
        llm_fail(why, "%s: out of memory", llm_shown_path(path));
    } else if (fwrite(header.data, 1, header.bytes, o->file) != header.bytes || put_all(o, s) || fflush(o->file)) {
        llm_fail(why, "%s: cannot be written: %s", llm_shown_path(path), strerror(errno));
    } else {
        result = 0;
    }
    gguf_write_free(&header);
    return result;
}

int llm_make_random(const char *path, const char *shape, llm_type type, uint64_t seed, char *why)
{
    const struct shape *s = NULL;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (!strcmp(shapes[i].name, shape)) s = &shapes[i];
    if (!s) return llm_fail(why, "%s is no shape of a random model: %s", shape, llm_random_shapes());
    if (type != LLM_F16 && type != LLM_Q8_0)
        return llm_fail(why, "random models are F16 or Q8_0, not %s", llm_type_name(type));
    if (llm_check_byte_order(path, why)) return -1;
    if (clkv_path_is_special(path))
        return llm_fail(why, "%s: not an ordinary file, so it is not replaced", llm_shown_path(path));

    int result = -1;
    const size_t part_bytes = strlen(path) + sizeof ".part";
    char *part = malloc(part_bytes);
    output *o = calloc(1, sizeof *o);
    if (!part || !o || !(o->chunk = malloc(CHUNK_BYTES))) {
        llm_fail(why, "%s: out of memory", llm_shown_path(path));
        goto done;
    }
    snprintf(part, part_bytes, "%s.part", path);
    o->type = type;
    o->random = random_seed(seed);
    o->file = clkv_path_create(part);
    if (!o->file) {
        llm_fail(why, "%s: %s", llm_shown_path(part), strerror(errno));
        goto done;
    }
    result = write_file(o, s, path, why);
    if (fclose(o->file) && result == 0)
        result = llm_fail(why, "%s: cannot be written: %s", llm_shown_path(path), strerror(errno));
    if (result == 0 && clkv_path_rename(part, path)) result = llm_fail(why, "%s: %s", llm_shown_path(path), strerror(errno));
    if (result) clkv_path_remove(part);
done:
    if (o) free(o->chunk);
    free(o);
    free(part);
    return result;
}
