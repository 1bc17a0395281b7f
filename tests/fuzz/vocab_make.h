/* vocab_make.h: models that are a vocabulary and nothing else, made of bytes.
 *
 *   [kind][split][bos][number of pieces]{ [type][score][bytes n][n bytes] …}[number of merges]{ [bytes n][n bytes]
 * …}
 *
 * kind, bit 0: BPE, else SentencePiece; bit 1: the first 256 pieces are the bytes; bit 2: space in front; bit 3: an
 * unknown token. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TESTS_FUZZ_VOCAB_MAKE_H
#define CLKV_TESTS_FUZZ_VOCAB_MAKE_H

#include "fuzz.h"

#include "llm/model.h"

/* What is left of the input follows the vocabulary. Returns whether every text can be encoded and comes back. */
int fuzz_vocab_make(llm_model *out, fuzz_input *in);
void fuzz_vocab_free(llm_model *model);

#endif
