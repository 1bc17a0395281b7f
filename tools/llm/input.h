/* input.h: what a step sends to the device beside the batch: one packed, non-blocking write.
 *
 *   device   [token ids: n][positions: n][rows picked: p]{temperature, top_p, min_p, coin, top_k}: p × 5 ]  uint
 *   host     slots[step % SLOTS], each with the event of the write that reads it: a slot is filled again only
 *            when that write is through
 *
 * The queue is in order, so the one buffer on the device is overwritten only behind the step that reads it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_LLM_INPUT_H
#define CLKV_TOOLS_LLM_INPUT_H

#include "compute.h"
#include "sampler.h"

#define LLM_INPUT_SLOTS 4

typedef struct llm_pick {
    uint32_t token; /* the batch token, 0 … n_tokens − 1, whose logits are sampled */
    llm_sampler_params how;
    float coin; /* in [0, 1); unused when how.temperature is 0 */
} llm_pick;

typedef struct llm_input {
    llm_buffer device;
    struct {
        uint32_t *words;
        size_t room;
        cl_event sent; /* or NULL */
    } slots[LLM_INPUT_SLOTS];
    uint32_t next;
    uint32_t ids_at, positions_at, rows_at, picks_at; /* of the last one sent, in words */
} llm_input;

/* Positions are those of the reserved batch. */
int llm_input_send(llm_input *in, llm_compute *c, const clkv_batch *batch, const uint32_t *tokens,
                   uint32_t n_tokens, const llm_pick *picks, uint32_t n_picks, char *why);

/* Everything enqueued must be finished. All zeros again. */
void llm_input_free(llm_input *in);

#endif
