/* schedule.h: continuous batching: which sequences get how many new tokens in the next forward pass.
 *
 *   waiting ──admit──▶ alive: decoding (1 token, and drafts) ─────┐
 *                        ▲ │  prefilling (chunks of its prompt) ──┴─▶ one reserved batch
 *                 resume │ ▼ preempt, when blocks run out
 *                      preempted
 *
 * Decoding goes first; prompts share what is left of the step's tokens, by age. A prompt whose next blocks another
 * sequence of the same batch computes (clkv_sequence_pending) is left out of that batch: after the commit it finds
 * them. When a batch does not fit the pool, drafts are dropped first; then the library names a victim. Preempted
 * requests come back before new ones are let in, oldest first, so the oldest always runs to its end (batch.h says
 * why), and by induction all do. Waiting for another's blocks does not change that: a block is waited for only in the
 * step that fills it, and if a guess in it was wrong, the other text has become a different one.
 *
 * Invariants: `alive` is in order of age and holds exactly the unfinished requests that have been let in; those and
 * the forks that they will have are at most max_sequences. Of the waiting requests, the first may have a sequence
 * already, and a chat's has one that it kept.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_LLM_SCHEDULE_H
#define CLKV_TOOLS_LLM_SCHEDULE_H

#include "request.h"

#include <clkv/batch.h>

/* A request's part of the batch, in the order of the batch's entries. */
typedef struct llm_turn {
    llm_request *request;
    uint32_t first;    /* index of its first token among the batch's */
    uint32_t n_tokens; /* drafts included */
    uint32_t n_drafts; /* the last so many tokens are guesses */
    bool samples;      /* its last known id is in the batch, so that its next one can be sampled */
} llm_turn;

typedef struct llm_schedule {
    clkv_manager *manager;
    clkv_batch *batch;
    uint32_t max_sequences, chunk, draft, block_size;
    llm_request **waiting; /* in the order in which they came */
    size_t n_waiting, waiting_room;
    llm_request **alive;
    uint32_t n_alive;
    bool full;             /* nothing more fits until a request has finished */
    uint32_t end;          /* tokens that this step's batch may have */
    llm_turn *turns;       /* of the batch */
    uint32_t n_turns;
    uint32_t *tokens;      /* its ids, clkv_batch_tokens of them */
} llm_schedule;

typedef struct llm_schedule_params {
    clkv_manager *manager;
    uint32_t max_sequences; /* requests that run at a time, forks included */
    uint32_t chunk;         /* tokens of a step; decoding may exceed it, and leaves prefill at least a block */
    uint32_t draft;         /* guesses for each sequence and step; 0 = none */
} llm_schedule_params;

/* The most tokens that a step of these params has: what the runtime must be made for. */
uint32_t llm_schedule_batch_tokens(const llm_schedule_params *params, uint32_t block_size);

/* `s` is all zeros; llm_schedule_free takes it, made or not. Requests belong to the caller. */
int llm_schedule_init(llm_schedule *s, const llm_schedule_params *params, char *why);
void llm_schedule_free(llm_schedule *s);

/* Queues an unfinished request. Its `most` ids must fit the pool alone. */
int llm_schedule_add(llm_schedule *s, llm_request *request, char *why);

/* Builds and reserves the next batch: s->batch, s->turns, s->tokens. Without tokens: nothing is left to be done. */
int llm_schedule_next(llm_schedule *s, char *why);

/* After the batch's commit. The request's forks, which share what it has computed, are alive from now on. */
int llm_schedule_fork(llm_schedule *s, llm_request *request, char *why);

/* Drops the finished requests, with their sequences where those are not to be kept. */
void llm_schedule_sweep(llm_schedule *s);

#endif
