/* model_file.h: opens a model's file, whichever kind it is. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_LLM_MODEL_FILE_H
#define CLKV_TOOLS_LLM_MODEL_FILE_H

#include "model.h"

/* Opens a GGUF file or a llama2.c checkpoint, told apart by their first bytes. tokenizer_path is a llama2.c
 * tokenizer file, or NULL: a GGUF's own vocabulary is used then (the file wins where both are there), and a
 * checkpoint has none. Everything that the files say is checked before it is used; the weights' values are not
 * looked at. Returns 0, or −1 with *out NULL and the reason in `why` (WHY_BYTES). */
int llm_model_open(llm_model **out, const char *path, const char *tokenizer_path, char *why);
void llm_model_close(llm_model **model);

#endif
