/* gguf_model.h: what the keys and tensors of a GGUF file mean: hyperparameters and weights (gguf_model.c), the
 * vocabulary (gguf_vocab.c). docs/models.md lists them. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_LLM_GGUF_MODEL_H
#define CLKV_TOOLS_LLM_GGUF_MODEL_H

#include "gguf.h"

#define LLM_ARCHITECTURE_NAMES "llama, qwen2 and qwen3" /* for messages: values of general.architecture */

/* Fills the model from model->file, which is mapped. On failure llm_model_close takes what was made. */
int llm_gguf_read(llm_model *model, const char *path, int want_vocab, char *why);

/* Fills model->tok, which is empty; model->vocab is set. */
int llm_gguf_vocab(llm_model *model, const gguf *g);

#endif
