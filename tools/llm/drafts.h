/* drafts.h: guesses at the tokens that come next, by prompt look-up: where the last few tokens stood before in the
 * same history, what followed them then is likely to follow now. A model verifies the guesses in one pass, and so
 * emits several tokens in a step where text repeats itself (names, quotations, code).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_LLM_DRAFTS_H
#define CLKV_TOOLS_LLM_DRAFTS_H

#include <stdint.h>

/* Writes `max` guesses for ids[n], ids[n + 1] … into out, and returns max; or 0 where the last two tokens have
 * never stood beside each other before. The longest match wins, the latest among equals. */
uint32_t llm_draft(const uint32_t *ids, uint32_t n, uint32_t max, uint32_t *out);

#endif
