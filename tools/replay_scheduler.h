/* replay_scheduler.h: continuous batching of a trace's requests over a block manager.
 *
 *   trace ──admit──▶ running ──finish──▶ gone            in trace order, at most `concurrency` alive
 *                    │     ▲
 *             preempt│     │resume                       oldest first, before anything new is admitted
 *                    ▼     │
 *                   preempted
 *
 * Each step is one batch: a token of every sequence that decodes, then prefill in order of age up to the
 * budget of tokens, then requests that are admitted. A prompt is admitted when its blocks fit beside what the
 * running ones still need for their prompts, and a block each; when decoding outgrows the pool all the same, the
 * batch's victims are preempted, and nothing is admitted or resumed until a sequence has finished. The oldest is
 * never a victim, so it finishes, and so do all. A prompt whose next blocks another sequence of the same batch
 * computes is left out of that batch: after the commit it finds them (clkv_sequence_pending).
 *
 * The step that completes a prompt makes the answer's first token; the last token of an answer is made and
 * never fed back: a request ends with prompt + output − 1 tokens in the cache.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_REPLAY_SCHEDULER_H
#define CLKV_TOOLS_REPLAY_SCHEDULER_H

#include "replay_tokens.h"

#include <clkv/batch.h>

/* A request that is alive. clkv_sequence_user_data() of its sequence is its address. */
typedef struct replay_job {
    size_t request;          /* index in the trace: its age */
    clkv_sequence *sequence;
    uint32_t *history;       /* the prompt, then what was generated */
    uint32_t prompt, output; /* lengths; history has room for both */
    uint32_t known;          /* tokens in history: those in the cache and those to be fed */
    bool preempted;
    uint32_t reached;        /* tokens that it had in the cache when it was preempted */
} replay_job;

typedef struct replay_params {
    clkv_manager *manager;
    replay_tokens *tokens;
    uint32_t concurrency;
    uint32_t chunk;          /* tokens of a step; decoding goes first, prefill gets the rest, at least a block */
    /* The forward pass of a reserved batch; NULL = none. Returns 0 or the code to exit with. */
    int (*step)(void *user, clkv_batch *batch);
    /* After the last step: waits for the device. NULL = none. */
    int (*finish)(void *user);
    void *user;
} replay_params;

typedef struct replay_result {
    bool finished;             /* false: a signal came before the last request had ended */
    uint64_t requests;         /* finished */
    uint64_t rejected;         /* too long for the whole pool */
    uint64_t prompt_tokens;    /* of admitted requests */
    uint64_t prefix_hit_tokens; /* of those, found in the cache and never computed */
    uint64_t generated_tokens;
    uint64_t recomputed_tokens; /* lost by preemption and computed again */
    uint64_t steps;
    double waste_percent;      /* unfilled slots of used blocks, of all slots of used blocks, over all steps */
    double seconds;            /* from the first admission to the end of the last step */
    uint64_t leaked_blocks;    /* used when no sequence is left */
    clkv_stats stats;          /* of the manager, at the end */
} replay_result;

/* Returns 0 when every request ended or was rejected, or a signal came (interrupt.h), and the manager is still valid;
 * else the code to exit with, after a message. No sequence is left in either case. */
int replay_run(const replay_params *params, replay_result *out);

#endif
