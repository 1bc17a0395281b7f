/* model.h: what a model file says: hyperparameters, weights, vocabulary. One struct for all kinds of files, so
 * that what runs a model knows of none.
 *
 *   GGUF file ────────▶ gguf.c ▶ gguf_model.c, gguf_vocab.c ─┐
 *                                                            ├─▶ llm_model ──▶ runtime, forward, tokenizer
 *   llama2.c checkpoint and tokenizer file ─▶ checkpoint.c ──┘
 *
 * Files are mapped, and weights stay in the mapping in the type that they have there: llm_tensor_row() gives
 * them as floats. Only the vocabulary's strings are copied.
 *
 * Invariants of an open model: no size of it is 0 but those that say "0 = none"; heads is a multiple of
 * kv_heads; rope_dims is even and at most head_dim; every tensor that is there lies in the mapping with
 * exactly the shape given beside it below; layers are alike, all with or all without an optional tensor; the
 * vocabulary has n = vocab pieces, or kind 0 and nothing.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_LLM_MODEL_H
#define CLKV_TOOLS_LLM_MODEL_H

#include "os/mapping.h"
#include "why.h"

#include <stddef.h>
#include <stdint.h>

typedef enum llm_type {
    LLM_F32,
    LLM_F16,
    LLM_BF16,
    LLM_Q8_0,
    LLM_Q4_0,
    LLM_Q4_K,
    LLM_Q6_K,
    LLM_Q4_1,
    LLM_Q5_0,
    LLM_Q5_1,
    LLM_Q5_K,
} llm_type;

/* Row-major [rows][cols]: a matrix is [out][in], a vector one row. data NULL: the model has no such tensor. */
typedef struct llm_tensor {
    llm_type type;
    uint64_t rows, cols;
    const void *data;
} llm_tensor;

typedef struct llm_layer {
    llm_tensor attn_norm;            /* [dim] */
    llm_tensor wq, wk, wv;           /* [heads | kv_heads | kv_heads × head_dim | head_dim | head_dim_v][dim] */
    llm_tensor wo;                   /* [dim][heads × head_dim_v] */
    llm_tensor bq, bk, bv;           /* optional, [rows of wq | wk | wv] */
    llm_tensor q_norm, k_norm;       /* optional, [head_dim]: RMS norm of each head, before RoPE */
    llm_tensor ffn_norm;             /* [dim] */
    llm_tensor w_gate, w_up, w_down; /* [hidden_dim][dim] twice, [dim][hidden_dim]: down(silu(gate x) · up x) */
} llm_layer;

enum { LLM_VOCAB_NONE = 0, LLM_VOCAB_SENTENCEPIECE = 1, LLM_VOCAB_BPE = 2 };

/* What a piece is, as GGUF numbers it. */
enum {
    LLM_PIECE_NORMAL = 1,
    LLM_PIECE_UNKNOWN = 2,
    LLM_PIECE_CONTROL = 3,
    LLM_PIECE_USER = 4,
    LLM_PIECE_UNUSED = 5,
    LLM_PIECE_BYTE = 6,
};

/* From GGUF metadata or the llama2.c tokenizer file. Pieces may hold any byte, so each has a length; pieces and
 * merges also end with a 0 that the length does not count. SentencePiece's mark for a space (U+2581) is a plain
 * space here, whichever file it came from; BPE pieces are in GPT-2's alphabet, where each byte is a printable
 * character. An id that is absent is −1. */
typedef struct llm_tokenizer_data {
    int kind; /* LLM_VOCAB_… */
    uint32_t n;
    const char **pieces;
    uint32_t *piece_bytes;
    const float *scores;  /* SentencePiece: never NULL; BPE: NULL */
    const int32_t *types; /* LLM_PIECE_…, never NULL when n > 0 */
    uint32_t n_merges;
    const char **merges; /* BPE: "left right", by rank */
    char pre[32];        /* how BPE splits text first: "gpt-2", "llama-bpe", "qwen2" …; "" when not said */
    int32_t bos, eos, eot, unk;
    int add_bos, add_space_prefix;
    const char *chat_template; /* or NULL; 0 bytes may be in it */
    size_t chat_template_bytes;
    void *text;                /* private: what the pointers above point into */
} llm_tokenizer_data;

typedef struct llm_model {
    char architecture[32], name[96];
    uint32_t dim, hidden_dim, n_layers, heads, kv_heads, head_dim, head_dim_v, vocab, context;
    float rms_eps;
    float rope_base;
    uint32_t rope_dims;      /* the first so many of each head's dimensions turn */
    int rope_halves;         /* pairs: 1 (i, i + rope_dims/2), 0 (2i, 2i + 1) */
    float rope_scale;        /* angles are those of position / rope_scale; 1 = none */
    llm_tensor rope_factors; /* optional, [rope_dims / 2]: what each pair's frequency is divided by */
    uint32_t window;         /* sliding window in tokens, 0 = none */
    llm_tensor embedding;    /* [vocab][dim] */
    llm_tensor final_norm;   /* [dim] */
    llm_tensor output;       /* [vocab][dim]; absent: the embedding is used */
    llm_layer *layers;
    llm_tokenizer_data tok;
    clkv_mapping file; /* private */
} llm_model;

/* The invariants above: NULL, or what is broken. For tests. */
const char *llm_model_check(const llm_model *model);

/* One row, as floats: out has room for t->cols. The tensor must be there and row < t->rows. */
void llm_tensor_row(const llm_tensor *t, uint64_t row, float *out);

/* What the tensor takes in the file: its rows follow each other without gaps. */
uint64_t llm_tensor_bytes(const llm_tensor *t);
const char *llm_type_name(llm_type type);

#endif
