/* generate_chat.h: clkv-generate --interactive: lines of standard input and a model's answers to them. One request
 * lives through all turns, and with it its sequence and its blocks: a turn computes what it adds, nothing twice.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_GENERATE_CHAT_H
#define CLKV_TOOLS_GENERATE_CHAT_H

#include "generate_options.h"
#include "llm/serve.h"

/* Until the end of the input, or until the context is full. Returns 0 or the code to exit with. */
int generate_chat(const generate_options *options, const llm_model *model, const llm_tokenizer *tokenizer,
                  llm_runtime *runtime, const llm_server_params *serving);

#endif
