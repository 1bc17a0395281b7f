/* gguf_vocab.c: a model's vocabulary from a GGUF file's tokenizer.ggml.* keys. What a file leaves unsaid is as
 * llama.cpp takes it, since files are made to suit that. SPDX-License-Identifier: Apache-2.0 */
#include "gguf_model.h"

#include "vocab.h"

#include <math.h>
#include <string.h>

/* The arrays, checked. */
typedef struct arrays {
    const gguf_value *tokens, *scores, *types, *merges;
    gguf_string chat_template;
} arrays;

static float score_at(const arrays *a, uint64_t i)
{
    float x = 0;
    if (a->scores) memcpy(&x, a->scores->data + i * sizeof x, sizeof x);
    return x;
}

static int32_t type_at(const arrays *a, uint64_t i)
{
    int32_t x = LLM_PIECE_NORMAL;
    if (a->types) memcpy(&x, a->types->data + i * sizeof x, sizeof x);
    return x;
}

/* A merge is two pieces with one space between them, and nothing of it is 0. */
static int good_merge(gguf_string s)
{
    const char *space = s.bytes > 2 ? memchr(s.text + 1, ' ', s.bytes - 2) : NULL;
    return space && !memchr(s.text, 0, s.bytes);
}

static int find_arrays(const gguf *g, uint32_t vocab, int kind, arrays *a, llm_vocab_sizes *sizes)
{
    static const char tokens[] = "tokenizer.ggml.tokens", scores[] = "tokenizer.ggml.scores";
    static const char types[] = "tokenizer.ggml.token_type", merges[] = "tokenizer.ggml.merges";
    if (gguf_array(g, tokens, GGUF_STRING, vocab, &a->tokens) ||
        gguf_array(g, scores, GGUF_F32, vocab, &a->scores) || gguf_array(g, types, GGUF_I32, vocab, &a->types) ||
        gguf_array(g, merges, GGUF_STRING, 0, &a->merges) ||
        gguf_text(g, "tokenizer.chat_template", 0, &a->chat_template))
        return -1;
    if (!a->tokens) return llm_fail(g->why, "%s: %s is missing", g->path, tokens);
    if (kind == LLM_VOCAB_SENTENCEPIECE && !a->scores)
        return llm_fail(g->why, "%s: %s is missing", g->path, scores);
    if (kind == LLM_VOCAB_BPE && !a->merges) return llm_fail(g->why, "%s: %s is missing", g->path, merges);
    if (kind != LLM_VOCAB_BPE) a->merges = NULL;

    const unsigned char *at = a->tokens->data;
    for (uint32_t i = 0; i < vocab; i++) {
        const gguf_string s = gguf_next_string(&at);
        if (s.bytes > UINT16_MAX)
            return llm_fail(g->why, "%s: %s: token %u has %zu bytes", g->path, tokens, (unsigned)i, s.bytes);
        if (isnan(score_at(a, i)))
            return llm_fail(g->why, "%s: %s: that of token %u is not a number", g->path, scores, (unsigned)i);
        if (type_at(a, i) < LLM_PIECE_NORMAL || type_at(a, i) > LLM_PIECE_BYTE)
            return llm_fail(g->why, "%s: %s: that of token %u is %d", g->path, types, (unsigned)i,
                            (int)type_at(a, i));
        sizes->text_bytes += s.bytes;
    }
    if (a->merges && a->merges->n > INT32_MAX) return llm_fail(g->why, "%s: %s: too many", g->path, merges);
    sizes->pieces = vocab;
    sizes->merges = a->merges ? (uint32_t)a->merges->n : 0;
    at = a->merges ? a->merges->data : NULL;
    for (uint32_t i = 0; i < sizes->merges; i++) {
        const gguf_string s = gguf_next_string(&at);
        if (!good_merge(s))
            return llm_fail(g->why, "%s: %s: number %u is not two pieces with a space between", g->path, merges,
                            (unsigned)i);
        sizes->text_bytes += s.bytes;
    }
    sizes->text_bytes += a->chat_template.bytes;
    return 0;
}

/* A token that ends a turn, where the file does not name one: those that chat models use. */
static int32_t find_end_of_turn(const llm_tokenizer_data *tok)
{
    static const char *const names[] = {"<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<EOT>"};
    for (uint32_t id = 0; id < tok->n; id++) {
        if (tok->types[id] != LLM_PIECE_CONTROL && tok->types[id] != LLM_PIECE_USER) continue;
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            if (tok->piece_bytes[id] == strlen(names[i]) && !strcmp(tok->pieces[id], names[i])) return (int32_t)id;
    }
    return -1;
}

/* BPE vocabularies whose prompts begin with BOS even where the file does not say so: Llama 3's and kin, Mistral's.
 */
static int is_bos_added(const char *pre)
{
    static const char *const names[] = {"llama-bpe", "llama3", "llama-v3", "falcon3", "tekken"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(pre, names[i])) return 1;
    return 0;
}

static int read_ids(const gguf *g, llm_tokenizer_data *tok)
{
    const int spm = tok->kind == LLM_VOCAB_SENTENCEPIECE && tok->n > 2;
    const struct {
        const char *key;
        int32_t *to, absent;
    } ids[] = {
        {"tokenizer.ggml.bos_token_id", &tok->bos, spm ? 1 : -1},
        {"tokenizer.ggml.eos_token_id", &tok->eos, spm ? 2 : -1},
        {"tokenizer.ggml.unknown_token_id", &tok->unk, spm ? 0 : -1},
        {"tokenizer.ggml.eot_token_id", &tok->eot, find_end_of_turn(tok)},
    };
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        uint32_t id = 0;
        *ids[i].to = ids[i].absent;
        if (!gguf_find(g, ids[i].key)) continue;
        if (gguf_u32(g, ids[i].key, 1, &id)) return -1;
        if (id >= tok->n)
            return llm_fail(g->why, "%s: %s is %u, there are %u tokens", g->path, ids[i].key, (unsigned)id,
                            (unsigned)tok->n);
        *ids[i].to = (int32_t)id;
    }
    tok->add_bos = spm || is_bos_added(tok->pre);
    tok->add_space_prefix = tok->kind == LLM_VOCAB_SENTENCEPIECE;
    if (gguf_flag(g, "tokenizer.ggml.add_bos_token", &tok->add_bos) ||
        gguf_flag(g, "tokenizer.ggml.add_space_prefix", &tok->add_space_prefix))
        return -1;
    if (tok->bos < 0) tok->add_bos = 0;
    return 0;
}

static int read_kind(const gguf *g, llm_tokenizer_data *tok)
{
    gguf_string model = {"none", 4}, pre = {"", 0};
    char shown[SHOWN_BYTES];
    if (gguf_text(g, "tokenizer.ggml.model", 0, &model) || gguf_text(g, "tokenizer.ggml.pre", 0, &pre)) return -1;
    if (gguf_is(model, "llama"))
        tok->kind = LLM_VOCAB_SENTENCEPIECE;
    else if (gguf_is(model, "gpt2"))
        tok->kind = LLM_VOCAB_BPE;
    else if (!gguf_is(model, "none") && !gguf_is(model, "no_vocab"))
        return llm_fail(g->why, "%s: tokenizer.ggml.model is '%s': only llama and gpt2 are supported", g->path,
                        llm_shown(model.text, model.bytes, shown));
    if (pre.bytes >= sizeof tok->pre || (pre.bytes > 0 && memchr(pre.text, 0, pre.bytes)))
        return llm_fail(g->why, "%s: tokenizer.ggml.pre is '%s', which is unknown", g->path,
                        llm_shown(pre.text, pre.bytes, shown));
    memcpy(tok->pre, pre.text, pre.bytes);
    return 0;
}

int llm_gguf_vocab(llm_model *model, const gguf *g)
{
    llm_tokenizer_data *tok = &model->tok;
    llm_vocab_sizes sizes = {0};
    llm_vocab_writer w;
    arrays a = {0};
    if (read_kind(g, tok)) return -1;
    if (tok->kind == LLM_VOCAB_NONE) return 0;
    if (find_arrays(g, model->vocab, tok->kind, &a, &sizes)) return -1;
    if (llm_vocab_begin(&w, tok, &sizes)) return llm_fail(g->why, "%s: out of memory", g->path);

    const unsigned char *at = a.tokens->data;
    for (uint32_t i = 0; i < sizes.pieces; i++) {
        const gguf_string s = gguf_next_string(&at);
        llm_vocab_piece(&w, s.text, (uint32_t)s.bytes, score_at(&a, i), type_at(&a, i));
    }
    at = a.merges ? a.merges->data : NULL;
    for (uint32_t i = 0; i < sizes.merges; i++) {
        const gguf_string s = gguf_next_string(&at);
        llm_vocab_merge(&w, s.text, s.bytes);
    }
    if (a.chat_template.bytes > 0) llm_vocab_template(&w, a.chat_template.text, a.chat_template.bytes);
    return read_ids(g, tok);
}
