/* test_gguf.c: GGUF files, good ones of every architecture, and broken in every way we could think of and in all
 * others by force. SPDX-License-Identifier: Apache-2.0 */
#include "gguf_model.h"
#include "tiny_gguf.h"
#include "vocab.h"

#include <math.h>

static char path[64];

static void setup(void)
{
    temporary_path(path);
}

static void teardown(void)
{
    remove(path);
}

static llm_model *opened(const tiny *t)
{
    llm_model *m;
    char why[WHY_BYTES];
    tiny_write(t, path);
    if (llm_model_open(&m, path, NULL, why)) ck_abort_msg("%s", why);
    ck_valid(llm_model_check(m));
    return m;
}

START_TEST(llama)
{
    llm_model *m = opened(&(tiny){.add = {{ADD_TEXT, "general.name", .text = "A name"}}});
    ck_assert_str_eq(m->architecture, "llama");
    ck_assert_str_eq(m->name, "A name");
    ck_assert(m->dim == DIM && m->hidden_dim == HIDDEN && m->n_layers == LAYERS && m->vocab == VOCAB);
    ck_assert(m->heads == HEADS && m->kv_heads == KV_HEADS && m->context == CONTEXT);
    ck_assert(m->head_dim == HEAD_DIM && m->head_dim_v == HEAD_DIM && m->rope_dims == HEAD_DIM);
    ck_assert(m->rope_base == 10000 && m->rope_scale == 1 && m->rope_halves == 0 && m->window == 0);
    ck_assert_float_eq(m->rms_eps, 1e-6f);
    ck_assert(!m->output.data && !m->rope_factors.data && !m->layers[0].bq.data && !m->layers[0].q_norm.data);
    float row[DIM];
    llm_tensor_row(&m->embedding, 2, row);
    ck_assert_float_eq(row[5], 2 * DIM + 5);
    llm_tensor_row(&m->layers[0].attn_norm, 0, row);
    ck_assert_float_eq(row[0], VOCAB * DIM);
    llm_tensor_row(&m->layers[0].wq, 1, row);
    ck_assert_float_eq(row[0], VOCAB * DIM + DIM + DIM);
    llm_model_close(&m);
}
END_TEST

START_TEST(qwen)
{
    llm_model *m = opened(&(tiny){.arch = "qwen2", .bpe = 1});
    ck_assert(m->rope_halves == 1 && m->layers[1].bq.cols == HEADS * HEAD_DIM);
    ck_assert(m->layers[0].bk.data && m->layers[0].bv.data && !m->layers[0].q_norm.data);
    llm_model_close(&m);
    m = opened(&(tiny){.arch = "qwen3", .bpe = 1});
    ck_assert(m->rope_halves == 1 && m->layers[1].k_norm.cols == HEAD_DIM && !m->layers[0].bq.data);
    llm_model_close(&m);
}
END_TEST

START_TEST(optional_keys)
{
    llm_model *m = opened(&(tiny){.add = {{ADD_PAIR, "llama.attention.head_count_kv", KV_HEADS, KV_HEADS},
                                          {ADD_TENSOR, "blk.0.attn_k.weight", KV_HEADS * HEAD_DIM, DIM},
                                          {ADD_TENSOR, "output.weight", VOCAB, DIM}}});
    ck_assert(m->kv_heads == KV_HEADS && m->output.data);
    llm_model_close(&m);
    m = opened(&(tiny){.add = {{ADD_F32, "llama.rope.freq_base", 5e5},
                               {ADD_F32, "llama.rope.scaling.factor", 4},
                               {ADD_U32, "llama.attention.sliding_window", 16}}});
    ck_assert(m->rope_base == 5e5f && m->rope_scale == 4 && m->window == 16);
    llm_model_close(&m);
    m = opened(&(tiny){.add = {{ADD_TEXT, "llama.rope.scaling.type", .text = "none"},
                               {ADD_F32, "llama.rope.scaling.factor", 4},
                               {ADD_TENSOR, "rope_freqs.weight", 0, HEAD_DIM / 2}}});
    ck_assert(m->rope_scale == 1 && m->rope_factors.cols == HEAD_DIM / 2);
    llm_model_close(&m);
    m = opened(&(tiny){.add = {{ADD_U32, "llama.rope.dimension_count", 4}}, .bpe = -1});
    ck_assert(m->rope_dims == 4 && m->tok.kind == LLM_VOCAB_NONE);
    llm_model_close(&m);
}
END_TEST

/* Heads whose size is not dim / heads, and values of another size than keys. */
START_TEST(own_head_sizes)
{
    llm_model *m = opened(&(tiny){.add = {{ADD_U32, "llama.attention.key_length", 16},
                                          {ADD_U32, "llama.rope.dimension_count", 8},
                                          {ADD_U32, "llama.attention.value_length", 8},
                                          {ADD_TENSOR, "blk.0.attn_q.weight", HEADS * 16, DIM},
                                          {ADD_TENSOR, "blk.0.attn_k.weight", KV_HEADS * 16, DIM},
                                          {ADD_TENSOR, "blk.1.attn_q.weight", HEADS * 16, DIM},
                                          {ADD_TENSOR, "blk.1.attn_k.weight", KV_HEADS * 16, DIM}}});
    ck_assert(m->head_dim == 16 && m->head_dim_v == 8 && m->rope_dims == 8);
    llm_model_close(&m);
}
END_TEST

START_TEST(sentencepiece)
{
    llm_model *m = opened(&(tiny){.add = {{ADD_TEXT, "tokenizer.chat_template", .text = "{{ x }}"},
                                          {ADD_FLAG, "tokenizer.ggml.add_space_prefix", 0}}});
    const llm_tokenizer_data *tok = &m->tok;
    ck_assert(tok->kind == LLM_VOCAB_SENTENCEPIECE && tok->n == VOCAB && tok->n_merges == 0);
    ck_assert_str_eq(tok->pieces[4], " a");
    ck_assert_uint_eq(tok->piece_bytes[4], 2);
    ck_assert_uint_eq(tok->piece_bytes[8], 0);
    ck_assert_float_eq(tok->scores[7], -7);
    ck_assert_int_eq(tok->types[3], LLM_PIECE_BYTE);
    ck_assert(tok->bos == 1 && tok->eos == 2 && tok->unk == 0 && tok->eot == -1);
    ck_assert(tok->add_bos == 1 && tok->add_space_prefix == 0);
    ck_assert_str_eq(tok->chat_template, "{{ x }}");
    ck_assert_uint_eq(tok->chat_template_bytes, 7);
    llm_model_close(&m);
}
END_TEST

START_TEST(bpe)
{
    llm_model *m = opened(&(tiny){
        .bpe = 1,
        .add = {{ADD_TEXT, "tokenizer.ggml.pre", .text = "qwen2"}, {ADD_U32, "tokenizer.ggml.eos_token_id", 8}}});
    const llm_tokenizer_data *tok = &m->tok;
    ck_assert(tok->kind == LLM_VOCAB_BPE && tok->n == VOCAB && tok->n_merges == 2 && !tok->scores);
    ck_assert_str_eq(tok->pre, "qwen2");
    ck_assert_str_eq(tok->merges[1], "\xc4\xa0 a");
    /* id 7 is "<|im_end|>", a control token */
    ck_assert(tok->bos == -1 && tok->eos == 8 && tok->eot == 7 && tok->unk == -1 && !tok->add_bos);
    llm_model_close(&m);
    m = opened(&(tiny){
        .bpe = 1,
        .add = {{ADD_TEXT, "tokenizer.ggml.pre", .text = "tekken"}, {ADD_U32, "tokenizer.ggml.bos_token_id", 8}}});
    ck_assert(m->tok.add_bos == 1 && m->tok.bos == 8);
    llm_model_close(&m);
}
END_TEST

#define LAYERS_KEY "llama.block_count"
#define KV_KEY     "llama.attention.head_count_kv"
#define EPS_KEY    "llama.attention.layer_norm_rms_epsilon"
#define TOK        "tokenizer.ggml."
#define Q          "blk.0.attn_q.weight"

/* Each row is refused with a line that holds `want`. */
static const struct {
    addition add;
    const char *want, *leave_out;
    int bpe;
} bad[] = {
    {.want = "general.architecture is missing", .leave_out = "general.architecture"},
    {{ADD_TEXT, "general.architecture", .text = "gemma2"}, "'gemma2': only llama, qwen2 and qwen3 are"},
    {{ADD_TEXT, "general.architecture", .text = "qwen2"}, "qwen2.embedding_length is missing"},
    {{ADD_U32, "general.architecture", 1}, "general.architecture is of kind u32, not a string"},
    {{ADD_U32, "general.alignment", 12}, "general.alignment is 12"},
    {{ADD_U32, "general.alignment", 0}, "general.alignment is 0"},
    {{ADD_U32, "general.alignment", 1u << 31}, "goes past the end"},
    {{ADD_U32, "split.count", 3}, "one of 3 parts"},
    {{ADD_U32, "llama.expert_count", 8}, "8 experts"},
    {{ADD_FLAG, "llama.attention.causal", 0}, "not causal"},
    {{ADD_PAIR, "llama.attention.sliding_window_pattern", 1, 0}, "windows that differ by layer"},
    {.want = LAYERS_KEY " is missing", .leave_out = LAYERS_KEY},
    {{ADD_U32, LAYERS_KEY, 0}, LAYERS_KEY " is 0"},
    {{ADD_U32, LAYERS_KEY, 1}, "tensor 'blk.1.attn_k.weight' is none of a llama model's with 1 layers"},
    {{ADD_U32, LAYERS_KEY, 3}, "tensor 'blk.2.attn_norm.weight' is missing, which a llama model needs"},
    {{ADD_U32, LAYERS_KEY, UINT32_MAX}, "too few for 4294967295 layers"},
    {{ADD_TEXT, LAYERS_KEY, .text = "2"}, LAYERS_KEY " is of kind string, not a whole number"},
    {{ADD_F32, LAYERS_KEY, 2}, LAYERS_KEY " is of kind f32"},
    {{ADD_U32, "llama.attention.head_count", 3}, "the heads do not divide the width"},
    {{ADD_U32, "llama.attention.head_count", UINT32_MAX}, "do not divide"},
    {{ADD_U32, "llama.attention.head_count", 8},
     "tensor 'blk.0.attn_k.weight' is 16 × 32, its model's sizes ask for 8"},
    {{ADD_U32, KV_KEY, 3}, "4 query heads for 3 KV heads"},
    {{ADD_PAIR, KV_KEY, 2, 1}, KV_KEY " differs from layer to layer"},
    {{ADD_U32, "llama.rope.dimension_count", 7}, "7 of a head's 8 dimensions"},
    {{ADD_U32, "llama.rope.dimension_count", 10}, "10 of a head's 8 dimensions"},
    {{ADD_U32, "llama.attention.key_length", 16}, "'" Q "' is 32 × 32, its model's sizes ask for 64 × 32"},
    {{ADD_U32, "llama.attention.value_length", 16},
     "'blk.0.attn_v.weight' is 16 × 32, its model's sizes ask for 32"},
    {{ADD_U32, "llama.feed_forward_length", 47},
     "'blk.0.ffn_gate.weight' is 48 × 32, its model's sizes ask for 47"},
    {.want = EPS_KEY " is missing", .leave_out = EPS_KEY},
    {{ADD_F32, EPS_KEY, NAN}, EPS_KEY " is not a finite number"},
    {{ADD_F32, EPS_KEY, -1}, EPS_KEY " is negative"},
    {{ADD_F32, "llama.rope.freq_base", 0}, "llama.rope.freq_base is not positive"},
    {{ADD_F32, "llama.rope.scaling.factor", -2}, "factor is negative"},
    {.want = "tensor '" Q "' is missing", .leave_out = Q},
    {{ADD_TENSOR, Q, DIM, DIM - 1}, "'" Q "' is 32 × 31, its model's sizes ask for 32 × 32"},
    {{ADD_TENSOR, Q, 0, DIM}, "'" Q "' is 1 × 32, its model's sizes ask for 32 × 32"},
    {{ADD_TENSOR, "token_embd.weight", VOCAB + 1, DIM}, TOK "tokens has 9 entries, the model needs 10"},
    {{ADD_TENSOR, "output.weight", VOCAB - 1, DIM}, "'output.weight' is 8 × 32, its model's sizes ask for 9 × 32"},
    {{ADD_TENSOR, "rope_freqs.weight", 0, HEAD_DIM},
     "'rope_freqs.weight' is 1 × 8, its model's sizes ask for 1 × 4"},
    {{ADD_TENSOR, "blk.0.attn_q.bias", 0, DIM}, "'blk.1.attn_q.bias' is missing, in layer 0 it is not"},
    {{ADD_TENSOR, "blk.1.attn_q.bias", 0, DIM}, "'blk.1.attn_q.bias' is there, in layer 0 it is not"},
    {{ADD_TENSOR, "blk.0.attn_output.bias", 0, DIM}, "'blk.0.attn_output.bias' is none of a llama model's"},
    {{ADD_TENSOR, "a\nb\x7f", 0, 1}, "'a?b?' is none of"},
    {.want = TOK "tokens is missing", .leave_out = TOK "tokens"},
    {.want = TOK "scores is missing", .leave_out = TOK "scores"},
    {.want = TOK "merges is missing", .leave_out = TOK "merges", .bpe = 1},
    {{ADD_TEXT, TOK "model", .text = "bert"}, "'bert': only llama and gpt2"},
    {{ADD_TEXT, TOK "pre", .text = "a name that is much too long for anybody"}, "which is unknown"},
    {{ADD_STRINGS, TOK "tokens", .text = "a"}, TOK "tokens has 1 entries, the model needs 9"},
    {{ADD_STRINGS, TOK "scores", .text = "a"}, TOK "scores is of kind string array"},
    {{ADD_STRINGS, TOK "merges", .text = "ab"}, "number 0 is not two pieces", .bpe = 1},
    {{ADD_STRINGS, TOK "merges", .text = " b"}, "number 0 is not two pieces", .bpe = 1},
    {{ADD_STRINGS, TOK "merges", .text = "b "}, "number 0 is not two pieces", .bpe = 1},
    {{ADD_U32, TOK "merges", 1}, TOK "merges is of kind u32, not an array of strings", .bpe = 1},
    {{ADD_PAIR, TOK "token_type", 1, 1}, TOK "token_type is of kind u32 array"},
    {{ADD_U32, TOK "eos_token_id", VOCAB}, TOK "eos_token_id is 9, there are 9 tokens"},
    {{ADD_TEXT, TOK "add_bos_token", .text = "yes"}, TOK "add_bos_token is of kind string, not a flag"},
};

START_TEST(refused)
{
    tiny t = {.bpe = bad[_i].bpe, .leave_out = bad[_i].leave_out, .add = {bad[_i].add}};
    tiny_write(&t, path);
    must_refuse(path, NULL, bad[_i].want);
}
END_TEST

START_TEST(refused_together)
{
    tiny_write(&(tiny){.add = {{ADD_TEXT, "llama.rope.scaling.type", .text = "yarn"},
                               {ADD_F32, "llama.rope.scaling.factor", 4}}},
               path);
    must_refuse(path, NULL, "llama.rope.scaling.type is 'yarn': only linear");
    tiny_write(&(tiny){.add = {{ADD_U32, KV_KEY, 2, .again = 1}}}, path);
    must_refuse(path, NULL, "key '" KV_KEY "' is there twice");
    tiny_write(&(tiny){.add = {{ADD_TENSOR, Q, DIM, DIM, .again = 1}}}, path);
    must_refuse(path, NULL, "tensor '" Q "' is there twice");
    tiny_write(&(tiny){.arch = "qwen2", .leave_out = "blk.1.attn_v.bias"}, path);
    must_refuse(path, NULL, "tensor 'blk.1.attn_v.bias' is missing, which a qwen2 model needs");
    tiny_write(&(tiny){.arch = "qwen3", .leave_out = "blk.0.attn_q_norm.weight"}, path);
    must_refuse(path, NULL, "tensor 'blk.0.attn_q_norm.weight' is missing, which a qwen3 model needs");
    tiny_write(&(tiny){.type = LLM_Q8_0}, path);
    must_refuse(path, NULL, "tensor 'blk.0.ffn_down.weight' is Q8_0 with rows of 48, no multiple of 32");
}
END_TEST

/* Overwrites a field of the good file: `bytes` of `value`, `at` bytes after the end of the first `name` in it. */
static void patched(const char *name, size_t at, uint64_t value, size_t bytes, const char *want)
{
    size_t n, header_bytes;
    unsigned char *file = tiny_make(&(tiny){0}, &n, &header_bytes);
    size_t i = 0;
    while (i < header_bytes && memcmp(file + i, name, strlen(name))) i++;
    must(i < header_bytes);
    memcpy(file + i + strlen(name) + at, &value, bytes);
    write_whole(path, file, n);
    must_refuse(path, NULL, want);
    free(file);
}

START_TEST(patched_fields)
{
    enum { N_DIMS = 0, DIM_0 = 4, DIM_1 = 12, TYPE = 20, OFFSET = 24 }; /* behind the name of a matrix */
    patched("GGUF", 0, 1, 4, "GGUF version 1:");
    patched("GGUF", 0, 3u << 24, 4, "looks big-endian");
    patched("GGUF", 4, UINT64_MAX, 8, "18446744073709551615 tensors");
    patched("GGUF", 12, UINT64_MAX / 13, 8, "too short for the 1418980313362273201 keys");
    patched("GGUF", 12, 3, 8, "tensor '"); /* the rest of the keys is read as tensors */
    patched("GGUF", 20, UINT64_MAX, 8, "key 1 of");
    patched("general.architecture", 0, 99, 4, "general.architecture: unknown kind of value 99");
    patched("general.architecture", 4, 1ull << 63, 8, "key 1 of");
    patched(TOK "tokens", 4, GGUF_ARRAY, 4, TOK "tokens: an array of kind 9");
    patched(TOK "tokens", 8, 1ull << 62, 8, "string ");
    patched(TOK "tokens", 16, UINT64_MAX, 8, "string 1 of 9");
    patched(TOK "scores", 8, 1ull << 62, 8, TOK "scores: an array of 4611686018427387904 goes past");
    patched(TOK "scores", 16, 0x7fc00000, 4, "that of token 0 is not a number");
    patched(TOK "token_type", 16, 0, 4, TOK "token_type: that of token 0 is 0");
    patched(TOK "token_type", 20, 7, 4, TOK "token_type: that of token 1 is 7");
    patched(Q, N_DIMS, 0, 4, "'" Q "' has 0 dimensions");
    patched(Q, N_DIMS, 5, 4, "'" Q "' has 5 dimensions");
    patched(Q, DIM_0, 0, 8, "'" Q "': dimension 1 is 0");
    patched(Q, DIM_0, UINT64_MAX, 8, "'" Q "': dimension 1 is 18446744073709551615");
    patched(Q, DIM_1, 1ull << 59, 8, "'" Q "' (576460752303423488 × 32 F32) goes past the end");
    patched(Q, DIM_1, 1ull << 62, 8, "goes past the end");
    patched(Q, DIM_0, 1ull << 62, 8, "goes past the end");
    patched(Q, TYPE, 10, 4, "'" Q "' is Q2_K: only F32, F16, BF16, Q8_0,");
    patched(Q, TYPE, 4, 4, "'" Q "' has the unknown type 4");
    patched(Q, TYPE, UINT32_MAX, 4, "'" Q "' has the unknown type 4294967295");
    patched(Q, TYPE, 12, 4, "'" Q "' is Q4_K with rows of 32, no multiple of 256");
    patched(Q, OFFSET, 33, 8, "'" Q "' begins at 33, no multiple of 32");
    patched(Q, OFFSET, 1ull << 63, 8, "'" Q "' (32 × 32 F32) goes past the end");
    patched(Q, OFFSET, 0, 8, "overlap");
}
END_TEST

/* Reads n bytes that end where the memory does, so that a sanitizer sees every step too far, which a mapping's last
 * page would hide. 1: a sound model came of it. */
static int try_bytes(const unsigned char *file, size_t n)
{
    char why[WHY_BYTES] = "";
    unsigned char *copy = malloc(n ? n : 1);
    must(copy);
    memcpy(copy, file, n);
    llm_model m = {.file = {copy, n}};
    llm_vocab_free(&m.tok);
    const int failed = llm_gguf_read(&m, "a file", 1, why);
    if (failed) {
        must(strstr(why, "a file: ") == why);
    } else {
        ck_valid(llm_model_check(&m));
    }
    llm_vocab_free(&m.tok);
    free(m.layers);
    free(copy);
    return !failed;
}

START_TEST(every_length)
{
    size_t n, header_bytes;
    unsigned char *file = tiny_make(&(tiny){0}, &n, &header_bytes);
    must(try_bytes(file, n));
    for (size_t i = 0; i < n; i++) must(!try_bytes(file, i));
    free(file);
}
END_TEST

/* Every bit of the header, and other changes of every byte: refused, or a sound model all the same. */
START_TEST(every_byte)
{
    static const unsigned char flips[] = {1, 2, 4, 8, 16, 32, 64, 128, 255, 127};
    size_t n, header_bytes, good = 0;
    unsigned char *file = tiny_make(&(tiny){.bpe = _i, .arch = _i ? "qwen2" : NULL}, &n, &header_bytes);
    for (size_t i = 0; i < header_bytes; i++) {
        for (size_t j = 0; j < sizeof flips; j++) {
            file[i] ^= flips[j];
            good += (size_t)try_bytes(file, n);
            file[i] ^= flips[j];
        }
    }
    must(try_bytes(file, n));
    must(good > 0 && good < header_bytes * sizeof flips / 2); /* names of tokens may change, most else not */
    free(file);
}
END_TEST

/* Several changes at once: what one check lets through meets the next. Eight bytes at a time get values that sizes
 * go wrong with. */
START_TEST(many_bytes)
{
    static const uint64_t values[] = {0,          1,          2,          31,         32,
                                      255,        1u << 16,   1u << 31,   UINT32_MAX, 1ull << 32,
                                      1ull << 61, 1ull << 62, 1ull << 63, UINT64_MAX, UINT64_MAX - 31};
    uint64_t rng = 1 + (uint64_t)_i;
    size_t n, header_bytes;
    unsigned char *file = tiny_make(&(tiny){.bpe = _i % 2, .arch = _i ? "qwen3" : NULL}, &n, &header_bytes);
    unsigned char *wrong = malloc(n);
    must(wrong);
    for (int round = 0; round < 20000; round++) {
        memcpy(wrong, file, n);
        for (uint32_t changes = 1 + rng_below(&rng, 4); changes > 0; changes--) {
            const uint64_t value = values[rng_below(&rng, sizeof values / sizeof *values)];
            const size_t bytes = rng_below(&rng, 2) ? 8 : 4;
            memcpy(wrong + rng_below(&rng, (uint32_t)(header_bytes - bytes)), &value, bytes);
        }
        try_bytes(wrong, n);
    }
    free(wrong);
    free(file);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gguf");
    TCase *tc = tcase_create("files");
    tcase_set_timeout(tc, 300);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, llama);
    tcase_add_test(tc, qwen);
    tcase_add_test(tc, optional_keys);
    tcase_add_test(tc, own_head_sizes);
    tcase_add_test(tc, sentencepiece);
    tcase_add_test(tc, bpe);
    tcase_add_loop_test(tc, refused, 0, (int)(sizeof bad / sizeof *bad));
    tcase_add_test(tc, refused_together);
    tcase_add_test(tc, patched_fields);
    tcase_add_test(tc, every_length);
    tcase_add_loop_test(tc, every_byte, 0, 2);
    tcase_add_loop_test(tc, many_bytes, 0, 2);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
