/* generate_chat.h: clkv-generate --interactive: lines of standard input and a model's answers to them. One request
 * lives through all turns until /reset, and with it its sequence and its blocks: a turn computes only what it adds.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_GENERATE_CHAT_H
#define CLKV_TOOLS_GENERATE_CHAT_H

#include "generate_options.h"
#include "llm/serve.h"

/* Until the end of the input. Returns 0, or the code to exit with: EXIT_CHECK also when standard input is no terminal
 * and a line of it got no answer. */
int generate_chat(const generate_options *options, const llm_model *model, const llm_tokenizer *tokenizer,
                  llm_runtime *runtime, const llm_server_params *serving);

#endif
