/* chat.h: what a model expects around the turns of a chat.
 *
 * A GGUF file brings a template in a language of its own. Instead of interpreting it, the few formats that models
 * were trained on are recognised by their marks in it:
 *
 *   chatml    <|im_start|>user\nTEXT<|im_end|>\n<|im_start|>assistant\n            Qwen and many others
 *   llama3    <|start_header_id|>user<|end_header_id|>\n\nTEXT<|eot_id|><|start_header_id|>assistant …
 *   tekken    <s>[INST]TEXT[/INST]                                                 Mistral Nemo, Small
 *   llama2    <s>[INST] TEXT [/INST]                                               Llama 2, Mistral 7B
 *   plain     TEXT                                                                 everything else: it is continued
 *
 * The marks are special tokens; in TEXT they are text like any other.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_LLM_CHAT_H
#define CLKV_TOOLS_LLM_CHAT_H

#include "model.h"
#include "tokenizer.h"

typedef struct llm_chat_format llm_chat_format;

/* The format of the model's template; never NULL. */
const llm_chat_format *llm_chat_find(const llm_model *model);
const char *llm_chat_name(const llm_chat_format *format);

/* The ids that a turn of the user's adds to the history, up to where the model begins to answer; malloc'd. `first`:
 * nothing precedes it. `end`: the token that ended the answer before, −1 when it was cut short. Returns 0, or −1
 * with the reason in `why`. */
int llm_chat_turn(const llm_chat_format *format, const llm_tokenizer *tokenizer, const char *text, size_t bytes,
                  int first, int64_t end, uint32_t **ids, size_t *n, char *why);

#endif
