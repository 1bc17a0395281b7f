/* model_use.c: see model_use.h. SPDX-License-Identifier: Apache-2.0 */
#include "model_use.h"

#include "llm/chat.h"
#include "llm/model_file.h"
#include "llm/text.h"
#include "llm/tokenizer.h"
#include "llm/why.h"

#define MOST_COLS 65536 /* of a row that is read: the file's bytes bound them too */

static void read_rows(const llm_tensor *t)
{
    if (!t->data || t->cols > MOST_COLS) return;
    float *row = malloc(t->cols * sizeof *row); /* exactly a row, so that one element too many is seen */
    FUZZ_CHECK(row);
    llm_tensor_row(t, 0, row);
    llm_tensor_row(t, t->rows - 1, row);
    free(row);
}

static void read_weights(const llm_model *m)
{
    read_rows(&m->embedding);
    read_rows(&m->final_norm);
    read_rows(&m->output);
    read_rows(&m->rope_factors);
    for (uint32_t i = 0; i < m->n_layers; i++) {
        const llm_layer *l = &m->layers[i];
        const llm_tensor *all[] = {&l->attn_norm, &l->wq,     &l->wk,   &l->wv,     &l->wo,
                                   &l->bq,        &l->bk,     &l->bv,   &l->q_norm, &l->k_norm,
                                   &l->ffn_norm,  &l->w_gate, &l->w_up, &l->w_down};
        for (size_t k = 0; k < sizeof all / sizeof *all; k++) read_rows(all[k]);
    }
}

static void check_ids(const llm_model *m, const llm_tokenizer *t, const uint32_t *ids, size_t n)
{
    llm_text whole = {0};
    FUZZ_CHECK(ids);
    for (size_t i = 0; i < n; i++) {
        char piece[3];
        FUZZ_CHECK(ids[i] < m->tok.n);
        llm_tokenizer_piece(t, i ? ids[i - 1] : UINT32_MAX, ids[i], piece, sizeof piece);
        llm_tokenizer_is_end(t, ids[i]);
    }
    FUZZ_CHECK(!llm_text_add(&whole, t, ids, 0, n));
    free(whole.bytes);
}

void fuzz_text(const llm_model *m, const char *text, size_t bytes)
{
    char why[WHY_BYTES] = "";
    llm_tokenizer *t;
    if (llm_tokenizer_create(&t, m, why)) {
        FUZZ_CHECK(!t);
        fuzz_check_message(why);
        return;
    }
    uint32_t *ids;
    size_t n;
    for (int flags = 0; flags < 4; flags++) {
        FUZZ_CHECK(!llm_tokenizer_encode(t, text, bytes, flags, &ids, &n));
        check_ids(m, t, ids, n);
        free(ids);
    }
    const llm_chat_format *format = llm_chat_find(m);
    for (int first = 0; first < 2; first++) {
        FUZZ_CHECK(!llm_chat_turn(format, t, text, bytes, first, m->tok.eos, &ids, &n, why));
        check_ids(m, t, ids, n);
        free(ids);
    }
    llm_tokenizer_destroy(&t);
}

void fuzz_model(const char *path, const char *tokenizer_path)
{
    static const char text[] = "Hello <s>w\xc3\xb6rld</s> 12345\n\n  it's <|im_end|>\xff\xf0\x9f\x98\x80 a ab abab";
    char why[WHY_BYTES] = "";
    llm_model *m;
    if (llm_model_open(&m, path, tokenizer_path, why)) {
        FUZZ_CHECK(!m);
        fuzz_check_message(why);
        return;
    }
    const char *broken = llm_model_check(m);
    if (broken) fuzz_broken(path, 0, broken);
    fuzz_check_message(m->name);
    read_weights(m);
    fuzz_text(m, text, sizeof text - 1);
    llm_model_close(&m);
    FUZZ_CHECK(!m);
}
