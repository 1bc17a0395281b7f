/* tiny_gguf.h: a GGUF file of a model with two layers, small enough that every byte of it can be broken, and easy
 * to make wrong: keys and tensors can be left out, and others added. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TESTS_LLM_TINY_GGUF_H
#define CLKV_TESTS_LLM_TINY_GGUF_H

#include "files.h"
#include "gguf_write.h"

enum { DIM = 32, HIDDEN = 48, LAYERS = 2, HEADS = 4, KV_HEADS = 2, HEAD_DIM = 8, VOCAB = 9, CONTEXT = 64 };

/* A key or tensor besides the usual ones. */
typedef struct addition {
    enum { ADD_NOTHING, ADD_U32, ADD_F32, ADD_FLAG, ADD_TEXT, ADD_PAIR, ADD_STRINGS, ADD_TENSOR } what;
    const char *name;
    double a, b;      /* the value; the two of a pair (array of u32); a tensor's rows and columns */
    const char *text; /* ADD_STRINGS: the only string */
    int again;        /* beside the usual one of that name, not in its place */
} addition;

typedef struct tiny {
    const char *arch; /* NULL: llama */
    int bpe;          /* vocabulary: 1 BPE, 0 SentencePiece, −1 none */
    llm_type type;    /* of matrices */
    const char *leave_out;
    addition add[7];
} tiny;

static inline int left_out(const tiny *t, const char *name)
{
    for (size_t i = 0; i < sizeof t->add / sizeof *t->add; i++)
        if (t->add[i].what && !t->add[i].again && !strcmp(name, t->add[i].name)) return 1;
    return t->leave_out && !strcmp(name, t->leave_out);
}

static inline const char *tiny_key(const tiny *t, const char *suffix)
{
    static char key[64];
    snprintf(key, sizeof key, "%s.%s", t->arch ? t->arch : "llama", suffix);
    return key;
}

static inline void tiny_sizes(const tiny *t, gguf_writer *w)
{
    static const struct {
        const char *suffix;
        uint32_t value;
    } sizes[] = {
        {"context_length", CONTEXT},     {"embedding_length", DIM},       {"block_count", LAYERS},
        {"feed_forward_length", HIDDEN}, {"attention.head_count", HEADS}, {"attention.head_count_kv", KV_HEADS},
    };
    if (!left_out(t, "general.architecture"))
        gguf_write_text(w, "general.architecture", t->arch ? t->arch : "llama");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const char *key = tiny_key(t, sizes[i].suffix);
        if (!left_out(t, key)) gguf_write_u32(w, key, sizes[i].value);
    }
    const char *eps = tiny_key(t, "attention.layer_norm_rms_epsilon");
    if (!left_out(t, eps)) gguf_write_f32(w, eps, 1e-6f);
}

static inline void tiny_vocab(const tiny *t, gguf_writer *w)
{
    static const char *const spm[VOCAB] = {"<unk>", "<s>", "</s>", "<0x0A>", "\342\226\201a", "a", "b", "ab", ""};
    static const char *const bpe[VOCAB] = {"a", "b", "ab",         "\xc4\xa0", "\304\240a",
                                           "c", "d", "<|im_end|>", "<|x|>"};
    static const char *const merges[2] = {"a b", "\xc4\xa0 a"};
    if (t->bpe < 0) return;
    if (!left_out(t, "tokenizer.ggml.model")) gguf_write_text(w, "tokenizer.ggml.model", t->bpe ? "gpt2" : "llama");
    if (!left_out(t, "tokenizer.ggml.tokens")) {
        gguf_write_array(w, "tokenizer.ggml.tokens", GGUF_STRING, VOCAB);
        for (int i = 0; i < VOCAB; i++) {
            const char *piece = t->bpe ? bpe[i] : spm[i];
            gguf_write_item(w, piece, strlen(piece));
        }
    }
    if (!left_out(t, "tokenizer.ggml.token_type")) {
        gguf_write_array(w, "tokenizer.ggml.token_type", GGUF_I32, VOCAB);
        for (int32_t i = 0; i < VOCAB; i++) {
            const int32_t spm_type = i == 0   ? 2
                                     : i < 3  ? 3
                                     : i == 3 ? 6
                                              : 1,
                          type = t->bpe ? 1 + 2 * (i > 6) : spm_type;
            gguf_write_raw(w, &type, sizeof type);
        }
    }
    if (t->bpe && !left_out(t, "tokenizer.ggml.merges")) {
        gguf_write_array(w, "tokenizer.ggml.merges", GGUF_STRING, 2);
        for (int i = 0; i < 2; i++) gguf_write_item(w, merges[i], strlen(merges[i]));
    }
    if (!t->bpe && !left_out(t, "tokenizer.ggml.scores")) {
        gguf_write_array(w, "tokenizer.ggml.scores", GGUF_F32, VOCAB);
        for (int i = 0; i < VOCAB; i++) {
            const float score = -(float)i;
            gguf_write_raw(w, &score, sizeof score);
        }
    }
}

static inline void tiny_add_key(gguf_writer *w, const addition *a)
{
    const uint32_t pair[2] = {(uint32_t)a->a, (uint32_t)a->b};
    switch (a->what) {
    case ADD_U32: gguf_write_u32(w, a->name, (uint32_t)a->a); break;
    case ADD_F32: gguf_write_f32(w, a->name, (float)a->a); break;
    case ADD_FLAG: gguf_write_flag(w, a->name, a->a != 0); break;
    case ADD_TEXT: gguf_write_text(w, a->name, a->text); break;
    case ADD_PAIR:
        gguf_write_array(w, a->name, GGUF_U32, 2);
        gguf_write_raw(w, pair, sizeof pair);
        break;
    case ADD_STRINGS:
        gguf_write_array(w, a->name, GGUF_STRING, 1);
        gguf_write_item(w, a->text, strlen(a->text));
        break;
    default: break;
    }
}

static inline void tiny_tensor(const tiny *t, gguf_writer *w, const char *name, uint64_t rows, uint64_t cols)
{
    if (!left_out(t, name)) gguf_write_tensor(w, name, rows ? t->type : LLM_F32, rows, cols);
}

static inline void tiny_tensors(const tiny *t, gguf_writer *w)
{
    static const struct {
        const char *name;
        uint64_t rows, cols;
    } parts[] = {
        {"attn_norm", 0, DIM},
        {"attn_q", HEADS * HEAD_DIM, DIM},
        {"attn_k", KV_HEADS * HEAD_DIM, DIM},
        {"attn_v", KV_HEADS * HEAD_DIM, DIM},
        {"attn_output", DIM, HEADS * HEAD_DIM},
        {"ffn_norm", 0, DIM},
        {"ffn_gate", HIDDEN, DIM},
        {"ffn_up", HIDDEN, DIM},
        {"ffn_down", DIM, HIDDEN},
    };
    static const struct {
        const char *arch, *name;
        uint64_t cols;
    } more[] = {
        {"qwen2", "attn_q.bias", HEADS * HEAD_DIM},    {"qwen2", "attn_k.bias", KV_HEADS * HEAD_DIM},
        {"qwen2", "attn_v.bias", KV_HEADS * HEAD_DIM}, {"qwen3", "attn_q_norm.weight", HEAD_DIM},
        {"qwen3", "attn_k_norm.weight", HEAD_DIM},
    };
    char name[64];
    tiny_tensor(t, w, "token_embd.weight", VOCAB, DIM);
    for (int layer = 0; layer < LAYERS; layer++) {
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
            snprintf(name, sizeof name, "blk.%d.%s.weight", layer, parts[i].name);
            tiny_tensor(t, w, name, parts[i].rows, parts[i].cols);
        }
        for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
            if (!t->arch || strcmp(t->arch, more[i].arch)) continue;
            snprintf(name, sizeof name, "blk.%d.%s", layer, more[i].name);
            tiny_tensor(t, w, name, 0, more[i].cols);
        }
    }
    tiny_tensor(t, w, "output_norm.weight", 0, DIM);
    for (size_t i = 0; i < sizeof t->add / sizeof *t->add; i++)
        if (t->add[i].what == ADD_TENSOR)
            gguf_write_tensor(w, t->add[i].name, LLM_F32, (uint64_t)t->add[i].a, (uint64_t)t->add[i].b);
}

/* The whole file, malloc'd; *header_bytes is where the tensors' data begins. Of it, the n-th float is n. */
static inline unsigned char *tiny_make(const tiny *t, size_t *bytes, size_t *header_bytes)
{
    gguf_writer w;
    gguf_write_begin(&w);
    tiny_sizes(t, &w);
    tiny_vocab(t, &w);
    for (size_t i = 0; i < sizeof t->add / sizeof *t->add; i++)
        if (t->add[i].what != ADD_TENSOR) tiny_add_key(&w, &t->add[i]);
    tiny_tensors(t, &w);
    must(!gguf_write_end(&w));
    *header_bytes = w.bytes;
    *bytes = w.bytes + (size_t)w.data_bytes;
    unsigned char *file = malloc(*bytes);
    must(file);
    memcpy(file, w.data, w.bytes);
    for (size_t i = 0; i < w.data_bytes / 4; i++) {
        const float x = (float)i;
        memcpy(file + w.bytes + 4 * i, &x, sizeof x);
    }
    gguf_write_free(&w);
    return file;
}

static inline void tiny_write(const tiny *t, const char *path)
{
    size_t bytes, header_bytes;
    unsigned char *file = tiny_make(t, &bytes, &header_bytes);
    write_whole(path, file, bytes);
    free(file);
}

#endif
