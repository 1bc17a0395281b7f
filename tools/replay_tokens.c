/* replay_tokens.c: see replay_tokens.h. SPDX-License-Identifier: Apache-2.0 */
#include "replay_tokens.h"

#include "exit.h"

#include <stdlib.h>

static const uint64_t id_space = UINT64_C(1) << 31; /* of prompts, and of generated tokens */

static uint32_t divide_up(uint32_t n, uint32_t by)
{
    return (uint32_t)(((uint64_t)n + by - 1) / by);
}

uint32_t replay_tokens_prompt(const replay_tokens *tokens, size_t request)
{
    const trace_request *r = &tokens->trace->requests[request];
    if (!tokens->trace->has_ids) return divide_up(r->input, tokens->scale);
    uint32_t before = r->n_ids - 1;
    uint32_t rest = divide_up(r->input - before * TRACE_CHUNK, tokens->scale);
    return before * tokens->chunk + (rest < tokens->chunk ? rest : tokens->chunk);
}

uint32_t replay_tokens_output(const replay_tokens *tokens, size_t request)
{
    return divide_up(tokens->trace->requests[request].output, tokens->scale);
}

int replay_tokens_create(replay_tokens *out, const trace *t, uint32_t scale)
{
    *out = (replay_tokens){ .trace = t, .scale = scale, .chunk = TRACE_CHUNK / scale };
    if (!out->chunk) out->chunk = 1;
    if (!t->has_ids) {
        out->first = malloc(t->n_requests * sizeof *out->first);
        if (!out->first) return tool_fail(EXIT_CHECK, "out of memory for the prompts");
    }
    for (size_t i = 0; i < t->n_requests; i++) {
        uint32_t prompt = replay_tokens_prompt(out, i), output = replay_tokens_output(out, i);
        if (out->first) out->first[i] = out->prompt_total;
        out->prompt_total += prompt;
        out->output_total += output;
        if (prompt + output > out->longest) out->longest = prompt + output;
    }
    if (out->output_total > id_space || (!t->has_ids && out->prompt_total > id_space)) {
        replay_tokens_destroy(out);
        return tool_fail(EXIT_USAGE, "the trace has more than 2^31 tokens: use --limit or --scale");
    }
    return 0;
}

void replay_tokens_destroy(replay_tokens *tokens)
{
    free(tokens->first);
    *tokens = (replay_tokens){ 0 };
}

void replay_tokens_fill(const replay_tokens *tokens, size_t request, uint32_t *out)
{
    const trace_request *r = &tokens->trace->requests[request];
    uint32_t n = replay_tokens_prompt(tokens, request);
    if (tokens->first) {
        for (uint32_t i = 0; i < n; i++) out[i] = (uint32_t)(tokens->first[request] + i);
        return;
    }
    const uint32_t *ids = tokens->trace->ids + r->first_id;
    for (uint32_t at = 0; at < n; at += tokens->chunk) {
        uint32_t first = *ids++ * tokens->chunk;
        uint32_t count = n - at < tokens->chunk ? n - at : tokens->chunk;
        for (uint32_t i = 0; i < count; i++) out[at + i] = first + i;
    }
}

uint32_t replay_tokens_next(replay_tokens *tokens)
{
    return (uint32_t)(id_space + tokens->generated++);
}
