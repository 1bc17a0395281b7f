/* unicode.h: UTF-8 by the character, and what splitting text asks of one. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_LLM_UNICODE_H
#define CLKV_TOOLS_LLM_UNICODE_H

#include <stddef.h>
#include <stdint.h>

/* In the words of regular expressions. Every character is one of them. */
typedef enum llm_char_kind {
    LLM_CHAR_OTHER,  /* none of those below */
    LLM_CHAR_LETTER, /* \p{Lm} or \p{Lo}: of no case */
    LLM_CHAR_NUMBER, /* \p{N} */
    LLM_CHAR_SPACE,  /* \s */
    LLM_CHAR_UPPER,  /* \p{Lu} or \p{Lt} */
    LLM_CHAR_LOWER,  /* \p{Ll} */
    LLM_CHAR_MARK,   /* \p{M} */
} llm_char_kind;

/* The character at text, of bytes ≥ 1 that are there, and how many it takes. Of what is no UTF-8 (a stray or
 * missing continuation, a longer form than needed, a surrogate, too great a number) one byte is taken, as
 * U+FFFD. */
uint32_t llm_utf8_next(const char *text, size_t bytes, uint32_t *taken);

/* Writes up to 4 bytes and returns how many; code < 0x110000. */
uint32_t llm_utf8_write(uint32_t code, char out[4]);

llm_char_kind llm_char_kind_of(uint32_t code);

/* In unicode_ranges.c. */
extern const uint32_t llm_char_ranges[], llm_n_char_ranges;

#endif
