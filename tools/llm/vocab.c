/* vocab.c: see vocab.h. SPDX-License-Identifier: Apache-2.0 */
#include "vocab.h"

#include "mapping.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A llama2.c tokenizer file: [int32 longest piece] then per piece [float score][int32 bytes][bytes]. */
#define PIECE_HEADER 8

static const llm_tokenizer_data nothing = {.bos = -1, .eos = -1, .eot = -1, .unk = -1};

void llm_vocab_free(llm_tokenizer_data *tok)
{
    free(tok->pieces);
    free(tok->piece_bytes);
    free((void *)(uintptr_t)tok->scores);
    free((void *)(uintptr_t)tok->types);
    free(tok->merges);
    free(tok->text);
    *tok = nothing;
}

int llm_vocab_begin(llm_vocab_writer *w, llm_tokenizer_data *tok, const llm_vocab_sizes *sizes)
{
    const uint64_t strings = (uint64_t)sizes->pieces + sizes->merges + 1, text = sizes->text_bytes + strings;
    tok->n = tok->n_merges = 0;
    if (text > SIZE_MAX || strings > SIZE_MAX / sizeof *tok->pieces) return -1;
    tok->pieces = calloc(sizes->pieces + (size_t)1, sizeof *tok->pieces);
    tok->piece_bytes = calloc(sizes->pieces + (size_t)1, sizeof *tok->piece_bytes);
    tok->types = calloc(sizes->pieces + (size_t)1, sizeof *tok->types);
    tok->text = malloc((size_t)text);
    if (!tok->pieces || !tok->piece_bytes || !tok->types || !tok->text) return -1;
    if (tok->kind == LLM_VOCAB_SENTENCEPIECE) {
        tok->scores = calloc(sizes->pieces + (size_t)1, sizeof *tok->scores);
        if (!tok->scores) return -1;
    }
    if (sizes->merges > 0) {
        tok->merges = calloc(sizes->merges, sizeof *tok->merges);
        if (!tok->merges) return -1;
    }
    *w = (llm_vocab_writer){tok, tok->text};
    return 0;
}

static const char *copy(llm_vocab_writer *w, const char *text, size_t bytes)
{
    char *to = w->at;
    if (bytes > 0) memcpy(to, text, bytes);
    to[bytes] = 0;
    w->at = to + bytes + 1;
    return to;
}

/* Returns the bytes that are left when every U+2581 has become a space. */
static uint32_t plain_spaces(char *text, uint32_t bytes)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < bytes; n++) {
        const int mark = bytes - i >= 3 && !memcmp(text + i, "\xe2\x96\x81", 3);
        text[n] = mark ? ' ' : text[i];
        i += mark ? 3 : 1;
    }
    text[n] = 0;
    return n;
}

void llm_vocab_piece(llm_vocab_writer *w, const char *text, uint32_t bytes, float score, int32_t type)
{
    llm_tokenizer_data *tok = w->tok;
    const uint32_t id = tok->n++;
    char *at = w->at;
    tok->pieces[id] = copy(w, text, bytes);
    tok->piece_bytes[id] = bytes;
    ((int32_t *)(uintptr_t)tok->types)[id] = type;
    if (tok->kind != LLM_VOCAB_SENTENCEPIECE) return;
    ((float *)(uintptr_t)tok->scores)[id] = score;
    tok->piece_bytes[id] = plain_spaces(at, bytes);
}

void llm_vocab_merge(llm_vocab_writer *w, const char *text, size_t bytes)
{
    w->tok->merges[w->tok->n_merges++] = copy(w, text, bytes);
}

void llm_vocab_template(llm_vocab_writer *w, const char *text, size_t bytes)
{
    w->tok->chat_template = copy(w, text, bytes);
    w->tok->chat_template_bytes = bytes;
}

/* The file does not say what its pieces are: the first three are unknown, BOS and EOS in every one of them, and
 * bytes are written as <0xNN>. */
static int32_t type_of(uint32_t id, const unsigned char *text, uint32_t bytes)
{
    if (id < 3) return id == 0 ? LLM_PIECE_UNKNOWN : LLM_PIECE_CONTROL;
    if (bytes != 6 || memcmp(text, "<0x", 3) || text[5] != '>') return LLM_PIECE_NORMAL;
    for (int i = 3; i < 5; i++)
        if (!text[i] || !strchr("0123456789ABCDEF", text[i])) return LLM_PIECE_NORMAL;
    return LLM_PIECE_BYTE;
}

/* Takes the piece at *at, whose header was checked to be there; 0 when it lies in the file. */
static int next_piece(const clkv_mapping *file, size_t *at, float *score, uint32_t *bytes)
{
    int32_t length;
    if (file->bytes - *at < PIECE_HEADER) return -1;
    memcpy(score, file->data + *at, sizeof *score);
    memcpy(&length, file->data + *at + 4, sizeof length);
    *at += PIECE_HEADER;
    if (length < 0 || (size_t)length > file->bytes - *at) return -1;
    *bytes = (uint32_t)length;
    *at += *bytes;
    return 0;
}

static int check_pieces(const clkv_mapping *file, const char *path, uint32_t n, char *why)
{
    size_t at = sizeof(int32_t);
    if (file->bytes < at) return llm_fail(why, "%s: too short for a tokenizer file", path);
    for (uint32_t id = 0; id < n; id++) {
        float score;
        uint32_t bytes;
        if (at == file->bytes)
            return llm_fail(why, "%s: has %u tokens, the model has %u", path, (unsigned)id, (unsigned)n);
        if (next_piece(file, &at, &score, &bytes))
            return llm_fail(why, "%s: token %u goes past the end of the file", path, (unsigned)id);
        if (isnan(score)) return llm_fail(why, "%s: the score of token %u is not a number", path, (unsigned)id);
    }
    if (at != file->bytes)
        return llm_fail(why, "%s: goes on after token %u, the model's last", path, (unsigned)(n - 1));
    return 0;
}

int llm_vocab_read(llm_model *model, const char *path, char *why)
{
    clkv_mapping file;
    llm_tokenizer_data tok = nothing;
    llm_vocab_writer w;
    const char *shown = llm_shown_path(path);
    if (llm_mapping_open(&file, path, why)) return -1;
    if (check_pieces(&file, shown, model->vocab, why)) goto fail;

    tok.kind = LLM_VOCAB_SENTENCEPIECE;
    if (llm_vocab_begin(&w, &tok, &(llm_vocab_sizes){model->vocab, 0, file.bytes})) {
        llm_fail(why, "%s: out of memory", shown);
        goto fail;
    }
    size_t at = sizeof(int32_t);
    for (uint32_t id = 0; id < model->vocab; id++) {
        float score = 0;
        uint32_t bytes = 0;
        next_piece(&file, &at, &score, &bytes);
        const unsigned char *text = file.data + at - bytes;
        llm_vocab_piece(&w, (const char *)text, bytes, score, type_of(id, text, bytes));
    }
    tok.unk = 0;
    if (tok.n > 2) {
        tok.bos = 1;
        tok.eos = 2;
    }
    tok.add_bos = tok.bos >= 0;
    tok.add_space_prefix = 1;
    clkv_mapping_close(&file);
    llm_vocab_free(&model->tok);
    model->tok = tok;
    return 0;
fail:
    llm_vocab_free(&tok);
    clkv_mapping_close(&file);
    return -1;
}
