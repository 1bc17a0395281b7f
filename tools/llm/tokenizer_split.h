/* tokenizer_split.h: the first step of byte-level BPE: text is cut into words, which merging never crosses. Each
 * style is the regular expression of the models that use it, done by hand.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_LLM_TOKENIZER_SPLIT_H
#define CLKV_TOOLS_LLM_TOKENIZER_SPLIT_H

#include <stddef.h>
#include <stdint.h>

typedef enum llm_split_kind {
    LLM_SPLIT_GPT2,
    LLM_SPLIT_LLAMA3, /* Llama 3's, and Qwen 2's with one digit in place of three */
    LLM_SPLIT_TEKKEN, /* Mistral's: words also end where upper case follows lower case */
} llm_split_kind;

typedef struct llm_split_style {
    llm_split_kind kind;
    uint32_t digits; /* LLAMA3: this many to a word at most; GPT2: 1 = each is cut off first, 0 = any number */
    int whole_words; /* a word that is a piece is not merged, but taken */
} llm_split_style;

/* By GGUF's name of it ("": GPT-2's); −1: not known. */
int llm_split_find(const char *name, llm_split_style *out);
#define LLM_SPLIT_NAMES "gpt-2, llama-bpe, qwen2, smollm and tekken" /* for messages: the kinds, not every alias */

/* The bytes of the word at the start of the text, whose bytes ≥ 1. */
size_t llm_split_next(const llm_split_style *style, const char *text, size_t bytes);

#endif
