/* serve.h: serves requests: one forward pass after another over whatever the scheduler puts into a batch.
 *
 *   llm_server_add ─▶ schedule ─▶ llm_runtime_step ─▶ sampled ids ─▶ accept ─▶ commit ─▶ forks, new ids, ends
 *                        ▲                                                                       │
 *                        └─────────────────────────── llm_server_step ───────────────────────────┘
 *
 * What a request's text is depends on its prompt, its sampling and its seed alone: not on who else is served, on
 * preemption, or on drafts. (Its logits' last bits may.) A guess is right when it is the id that would have been
 * sampled in its place, with the same coin; the coins of wrong ones are given back.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_LLM_SERVE_H
#define CLKV_TOOLS_LLM_SERVE_H

#include "runtime.h"
#include "schedule.h"
#include "tokenizer.h"

typedef struct llm_server {
    llm_runtime *runtime;
    const llm_tokenizer *tokenizer;
    bool ignore_end;
    void (*on_ids)(void *user, llm_request *request, uint32_t n); /* n ≥ 0 new ids, or finished, or both */
    void *user;
    llm_schedule schedule;
    llm_pick *picks;
    uint32_t *sampled; /* by pick */
    uint64_t steps;    /* forward passes */
} llm_server;

typedef struct llm_server_params {
    llm_runtime *runtime;           /* made for llm_schedule_batch_tokens() tokens and as many sequences */
    const llm_tokenizer *tokenizer; /* says which tokens end a text */
    llm_schedule_params schedule;   /* of the manager of the runtime's cache */
    bool ignore_end;                /* such tokens are tokens like others; for measuring */
    void (*on_ids)(void *user, llm_request *request, uint32_t n); /* may be NULL */
    void *user;
} llm_server_params;

/* `s` is all zeros; llm_server_free takes it, made or not, before the runtime goes. Functions return 0, or −1 with
 * the reason in `why`. */
int llm_server_init(llm_server *s, const llm_server_params *params, char *why);
void llm_server_free(llm_server *s);

/* Queues a request, and those that fork from it. They are the caller's, and must live until they are finished or
 * the server is gone. */
int llm_server_add(llm_server *s, llm_request *request, char *why);

/* One forward pass. *more: 0 when there was nothing left to be done. */
int llm_server_step(llm_server *s, int *more, char *why);

#endif
