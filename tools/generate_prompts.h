/* generate_prompts.h: the prompts of a run as ids, from --prompt and --prompts.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_GENERATE_PROMPTS_H
#define CLKV_TOOLS_GENERATE_PROMPTS_H

#include "generate_options.h"
#include "llm/tokenizer.h"

typedef struct generate_prompt {
    char *text;
    uint32_t *ids; /* at least one */
    size_t n;
} generate_prompt;

typedef struct generate_prompts {
    generate_prompt *items;
    size_t n;
} generate_prompts;

/* Returns 0, or prints a message and returns the code to exit with; generate_prompts_free takes it either way. */
int generate_prompts_read(generate_prompts *out, const generate_options *o, const llm_model *model,
                          const llm_tokenizer *tokenizer);
/* A line on stderr when prompts are longer than a text of so many positions may be; `limit` says why it may not. */
void generate_prompts_tell_cut(const generate_prompts *prompts, uint32_t positions, const char *limit);

void generate_prompts_free(generate_prompts *prompts);

#endif
