/* replay_tokens.h: the tokens of a replay, made from a trace that has none.
 *
 *   token ids   0 ……………………… 2^31 ……………………… 2^32
 *               prompts        generated: a counter, so no two are equal
 *
 * Prompts of a Mooncake trace: offset i of the chunk with hash id h is h · c + i, where c = 512 / scale
 * (rounded down, at least 1) tokens stand for the chunk's 512. Two prompts whose first ids are equal so have
 * equal first tokens, as in the trace. The last chunk, which may be partial, has ceil(rest / scale) tokens of
 * its c, at most. Prompts of an Azure trace: ceil(length / scale) tokens of a counter, equal to no others.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_REPLAY_TOKENS_H
#define CLKV_TOOLS_REPLAY_TOKENS_H

#include "trace.h"

typedef struct replay_tokens {
    const trace *trace;
    uint32_t scale, chunk;
    uint64_t *first; /* Azure: each prompt's first token */
    uint32_t generated;
    /* of all requests, after scaling */
    uint64_t prompt_total, output_total;
    uint32_t longest; /* tokens of the request with the most, prompt and answer together */
} replay_tokens;

/* Returns 0, or the code to exit with after a message (the trace has more tokens than there are ids).
 * The trace must outlive it. */
int replay_tokens_create(replay_tokens *out, const trace *t, uint32_t scale);
void replay_tokens_destroy(replay_tokens *tokens);

uint32_t replay_tokens_prompt(const replay_tokens *tokens, size_t request); /* length, ≥ 1 */
uint32_t replay_tokens_output(const replay_tokens *tokens, size_t request); /* length, may be 0 */

/* Writes the prompt's tokens; room for replay_tokens_prompt(). */
void replay_tokens_fill(const replay_tokens *tokens, size_t request, uint32_t *out);

/* The next generated token. */
uint32_t replay_tokens_next(replay_tokens *tokens);

#endif
