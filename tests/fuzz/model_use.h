/* model_use.h: what is done with a model that opened: its invariants, every way to read its weights, its
 * vocabulary. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TESTS_FUZZ_MODEL_USE_H
#define CLKV_TESTS_FUZZ_MODEL_USE_H

#include "fuzz.h"

#include "llm/model.h"

/* Opens it, with a tokenizer file or NULL, and uses what comes of it. */
void fuzz_model(const char *path, const char *tokenizer_path);

/* Encodes and decodes the text with a model's vocabulary, in every way. */
void fuzz_text(const llm_model *model, const char *text, size_t bytes);

#endif
