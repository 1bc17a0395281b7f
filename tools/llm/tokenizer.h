/* tokenizer.h: text to token ids and back, by the vocabulary that the model's file brings.
 *
 *                 ┌─ special tokens, found first ──────────────────────────────────────────┐
 *   text ─────────┤                                                                        ├─▶ ids
 *                 └─ SentencePiece: space before ─▶ characters ─▶ merge by score, or bytes ┘
 *                    byte-level BPE: split (pre) ─▶ bytes ─▶ merge by rank
 *
 * Text is UTF-8, but any bytes may come: what is no UTF-8 is taken byte by byte. Time grows as n log n with the
 * text, however long its words are. A tokenizer does not change once it is made: any thread may use it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_LLM_TOKENIZER_H
#define CLKV_TOOLS_LLM_TOKENIZER_H

#include "model.h"

typedef struct llm_tokenizer llm_tokenizer;

/* The model must outlive it. Returns 0, or −1 with *out NULL and the reason in `why` (WHY_BYTES): no vocabulary, a
 * way of splitting that is not known here, no memory. */
int llm_tokenizer_create(llm_tokenizer **out, const llm_model *model, char *why);
void llm_tokenizer_destroy(llm_tokenizer **tokenizer);

/* Flags of llm_tokenizer_encode. Without SPECIAL the text of a control token ("</s>", "<|im_end|>") is text like
 * any other, as it must be where the text is a user's. Tokens that the vocabulary calls user-defined are always
 * found. Neither is looked for when its text has more than 1,024 bytes. */
#define LLM_ENCODE_BOS     1 /* begin with BOS, if the vocabulary wants that */
#define LLM_ENCODE_SPECIAL 2

/* *ids is the caller's, to be freed; never NULL on success. Characters that the vocabulary cannot express become
 * its unknown token, or nothing where it has none. Returns 0; −1, with *ids NULL and *n 0, without memory and for
 * a text of 4 GiB and more. */
int llm_tokenizer_encode(const llm_tokenizer *t, const char *text, size_t bytes, int flags, uint32_t **ids,
                         size_t *n);

/* What the token prints after `previous` (UINT32_MAX: it is the first): its bytes, which may be a part of a
 * character only. Control tokens print nothing, and the space that SentencePiece puts before a text is left out.
 * Writes at most size bytes and no final 0; returns how many there are, more than size when cut. id < vocab. */
size_t llm_tokenizer_piece(const llm_tokenizer *t, uint32_t previous, uint32_t id, char *buf, size_t size);

/* Whether a text ends at this token: EOS, end of turn, BOS, and those that chat models end with. */
int llm_tokenizer_is_end(const llm_tokenizer *t, uint32_t id);

#endif
