/* text.h: ids as text, piece by piece. A piece may be part of a character: the whole is UTF-8, its parts need
 * not be.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_LLM_TEXT_H
#define CLKV_TOOLS_LLM_TEXT_H

#include "tokenizer.h"

#include <stddef.h>

/* Grows; all zeros is an empty one, and free(bytes) is its end. A 0 follows the last byte, when there is any. */
typedef struct llm_text {
    char *bytes;
    size_t n, room;
} llm_text;

/* Adds what ids[from … n) print, which depends on the id before each. −1: no memory; what was there remains. */
int llm_text_add(llm_text *text, const llm_tokenizer *tokenizer, const uint32_t *ids, size_t from, size_t n);

#endif
