/* tokenizer_split.h: the first step of byte-level BPE: text is cut into words, which merging never crosses. Each
 * style is the regular expression of the models that use it, done by hand.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_LLM_TOKENIZER_SPLIT_H
#define CLKV_TOOLS_LLM_TOKENIZER_SPLIT_H

#include <stddef.h>
#include <stdint.h>

typedef struct llm_split_style {
    int modern;      /* 0: GPT-2's expression; 1: that of Llama 3 and Qwen 2 */
    uint32_t digits; /* modern: this many to a word at most; GPT-2's: 1 = each is cut off first, 0 = any number */
    int whole_words; /* a word that is a piece is not merged, but taken */
} llm_split_style;

/* By GGUF's name of it ("": GPT-2's); −1: not known. */
int llm_split_find(const char *name, llm_split_style *out);
#define LLM_SPLIT_NAMES "gpt-2, llama-bpe, qwen2 and smollm" /* for messages: the kinds, not every alias */

/* The bytes of the word at the start of the text, whose bytes ≥ 1. */
size_t llm_split_next(const llm_split_style *style, const char *text, size_t bytes);

#endif
