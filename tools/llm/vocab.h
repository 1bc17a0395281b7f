/* vocab.h: fills a model's vocabulary, whichever file it comes from: sizes first, then pieces and merges in
 * order. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_LLM_VOCAB_H
#define CLKV_TOOLS_LLM_VOCAB_H

#include "model.h"

typedef struct llm_vocab_sizes {
    uint32_t pieces, merges;
    uint64_t text_bytes; /* of all pieces, merges and the chat template together */
} llm_vocab_sizes;

typedef struct llm_vocab_writer {
    llm_tokenizer_data *tok;
    char *at; /* where the next string goes in tok->text */
} llm_vocab_writer;

/* Makes room; tok->kind is set already, and all else of tok is 0. Returns −1 when there is no memory;
 * llm_vocab_free takes what was made. */
int llm_vocab_begin(llm_vocab_writer *w, llm_tokenizer_data *tok, const llm_vocab_sizes *sizes);

/* Add the next piece or merge, of no more than what `sizes` announced. `score` is dropped for BPE. */
void llm_vocab_piece(llm_vocab_writer *w, const char *text, uint32_t bytes, float score, int32_t type);
void llm_vocab_merge(llm_vocab_writer *w, const char *text, size_t bytes);
void llm_vocab_template(llm_vocab_writer *w, const char *text, size_t bytes);

/* Replaces the model's vocabulary by that of a llama2.c tokenizer file, which must have model->vocab pieces. */
int llm_vocab_read(llm_model *model, const char *path, char *why);

/* Leaves kind 0 and nothing. */
void llm_vocab_free(llm_tokenizer_data *tok);

#endif
