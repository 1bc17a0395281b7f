/* input.c: see input.h. SPDX-License-Identifier: Apache-2.0 */
#include "input.h"

#include <stdlib.h>
#include <string.h>

#define PICK_WORDS 5u

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static void fill(llm_input *in, uint32_t *words, const clkv_batch *batch, const uint32_t *tokens, uint32_t n_tokens,
                 const llm_pick *picks, uint32_t n_picks)
{
    const clkv_batch_entry *entries;
    uint32_t n_entries;
    clkv_batch_get_entries(batch, &entries, &n_entries);
    memcpy(words + in->ids_at, tokens, n_tokens * sizeof *tokens);
    for (uint32_t e = 0; e < n_entries; e++)
        for (uint32_t i = 0; i < entries[e].new_tokens; i++)
            words[in->positions_at + entries[e].first + i] = entries[e].context - entries[e].new_tokens + i;
    for (uint32_t p = 0; p < n_picks; p++) {
        const llm_sampler_params *how = &picks[p].how;
        const uint32_t packed[PICK_WORDS] = {bits_of(how->temperature), bits_of(how->top_p), bits_of(how->min_p),
                                             bits_of(picks[p].coin), how->top_k};
        words[in->rows_at + p] = picks[p].token;
        memcpy(words + in->picks_at + p * PICK_WORDS, packed, sizeof packed);
    }
}

int llm_input_send(llm_input *in, llm_compute *c, const clkv_batch *batch, const uint32_t *tokens,
                   uint32_t n_tokens, const llm_pick *picks, uint32_t n_picks, char *why)
{
    in->ids_at = 0;
    in->positions_at = n_tokens;
    in->rows_at = 2 * n_tokens;
    in->picks_at = in->rows_at + n_picks;
    const size_t words = in->picks_at + (size_t)n_picks * PICK_WORDS;
    const uint32_t slot = in->next;
    if (in->slots[slot].sent) {
        clWaitForEvents(1, &in->slots[slot].sent);
        clReleaseEvent(in->slots[slot].sent);
        in->slots[slot].sent = NULL;
    }
    if (in->slots[slot].room < words) {
        uint32_t *more = realloc(in->slots[slot].words, words * sizeof *more);
        if (!more) return llm_fail(why, "out of memory for a step of %u tokens", (unsigned)n_tokens);
        in->slots[slot].words = more;
        in->slots[slot].room = words;
    }
    if (llm_buffer_room(c, &in->device, words * sizeof(uint32_t), why)) return -1;
    fill(in, in->slots[slot].words, batch, tokens, n_tokens, picks, n_picks);
    const cl_int err = clEnqueueWriteBuffer(c->queue, in->device.mem, CL_FALSE, 0, words * sizeof(uint32_t),
                                            in->slots[slot].words, 0, NULL, &in->slots[slot].sent);
    if (err != CL_SUCCESS) return llm_fail_driver(why, err, "clEnqueueWriteBuffer of a step");
    in->next = (slot + 1) % LLM_INPUT_SLOTS;
    return 0;
}

void llm_input_free(llm_input *in)
{
    for (int i = 0; i < LLM_INPUT_SLOTS; i++) {
        if (in->slots[i].sent) clReleaseEvent(in->slots[i].sent);
        free(in->slots[i].words);
    }
    llm_buffer_free(&in->device);
    memset(in, 0, sizeof *in);
}
