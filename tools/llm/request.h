/* request.h: one text that is being generated: its ids so far, how they are sampled, and how far it has come.
 *
 *   ids   [ BOS, prompt … | generated …            |  room  ]
 *                         └ n_prompt               └ n_ids     └ most
 *          computed: length of the sequence ┘ pending ┘
 *
 * A request waits until it has a sequence, runs, perhaps is preempted and resumed, and is finished at the end
 * token or when it has `most` ids. Invariants: n_prompt ≤ n_ids ≤ most; a finished request whose sequence is kept
 * (a chat) may get further ids, and then goes on.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_LLM_REQUEST_H
#define CLKV_TOOLS_LLM_REQUEST_H

#include "sampler.h"

#include <clkv/sequence.h>

#include <stdbool.h>

typedef enum llm_finish {
    LLM_FINISH_NOT,   /* it is not finished */
    LLM_FINISH_END,   /* the model said so, by an end token; that token is in `end`, and not in ids */
    LLM_FINISH_STEPS, /* it has as many ids as it may */
} llm_finish;

typedef struct llm_request {
    uint32_t *ids;
    uint32_t n_prompt, n_ids, most, room;
    llm_sampler_params how;
    uint64_t coins; /* state of the generator: as many are drawn as ids were generated */
    bool keep;      /* the sequence outlives the end: a chat's next turn goes on with it */

    /* Parallel samples of this prompt: they fork off when it is computed, and are requests of their own then.
     * They are the caller's, who makes them with llm_request_fork. */
    struct llm_request **forks;
    uint32_t n_forks;

    /* the scheduler's */
    clkv_sequence *sequence; /* NULL until the scheduler looks its ids up, and when it is finished */
    bool preempted;
    uint32_t reached;        /* ids that were in the cache when it was preempted, and may have to be computed again */

    /* what came of it */
    llm_finish finish;
    uint32_t end;                 /* the end token, with LLM_FINISH_END */
    uint32_t reused;              /* tokens of the prompt that were found in the cache and never computed */
    uint32_t offered, accepted;   /* drafts */
    double begun, first, ended;   /* clock_seconds() when it was handed in, had its first token, was finished */
    void *user;                   /* the caller's */
} llm_request;

/* A request for at most `most` ids (prompt included); the ids are copied, and cut to `most`. NULL: no memory. */
llm_request *llm_request_create(const uint32_t *ids, size_t n, uint32_t most, const llm_sampler_params *how);
void llm_request_destroy(llm_request **request);

/* Another sample of the request's prompt, with coins of its own. NULL: no memory. Both belong to the caller. */
llm_request *llm_request_fork(llm_request *request);

/* More ids after those that are there, and room for `most` in all: the next turn of a chat. −1: no memory. */
int llm_request_extend(llm_request *request, const uint32_t *ids, size_t n, uint32_t most);

/* The ids whose keys and values are not in the cache yet; at least 1 while it is not finished. */
uint32_t llm_request_pending(const llm_request *request);

#endif
