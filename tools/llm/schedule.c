/* schedule.c: see schedule.h. SPDX-License-Identifier: Apache-2.0 */
#include "schedule.h"

#include "drafts.h"
#include "why.h"

#include <stdlib.h>

#define MOST_ROUNDS 4 /* until a batch holds something: two do, by the reasoning at reserve() */

static uint32_t at_least(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static uint32_t at_most(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

uint32_t llm_schedule_batch_tokens(const llm_schedule_params *params, uint32_t block_size)
{
    return at_least(params->chunk, params->max_sequences * (1 + params->draft)) + block_size;
}

int llm_schedule_init(llm_schedule *s, const llm_schedule_params *params, char *why)
{
    s->manager = params->manager;
    s->max_sequences = params->max_sequences;
    s->chunk = params->chunk;
    s->draft = params->draft;
    s->block_size = clkv_manager_block_size(params->manager);
    s->alive = malloc(s->max_sequences * sizeof(*s->alive));
    s->turns = malloc(s->max_sequences * sizeof *s->turns);
    s->tokens = malloc(llm_schedule_batch_tokens(params, s->block_size) * sizeof *s->tokens);
    if (!s->alive || !s->turns || !s->tokens) return llm_fail(why, "out of memory for the scheduler");
    clkv_status status = clkv_batch_create(&s->batch, s->manager);
    return status ? llm_fail_clkv(why, "creating a batch") : 0;
}

void llm_schedule_free(llm_schedule *s)
{
    clkv_batch_destroy(&s->batch);
    free(s->waiting);
    free(s->alive);
    free(s->turns);
    free(s->tokens);
    *s = (llm_schedule){ 0 };
}

int llm_schedule_add(llm_schedule *s, llm_request *request, char *why)
{
    if (request->n_forks >= s->max_sequences)
        return llm_fail(why, "%u samples of a prompt, but only %u sequences", (unsigned)request->n_forks + 1,
                        (unsigned)s->max_sequences);
    if (s->n_waiting == s->waiting_room) {
        size_t room = s->waiting_room ? 2 * s->waiting_room : 16;
        llm_request **waiting = realloc(s->waiting, room * sizeof(*waiting));
        if (!waiting) return llm_fail(why, "out of memory for %zu requests", room);
        s->waiting = waiting;
        s->waiting_room = room;
    }
    s->waiting[s->n_waiting++] = request;
    return 0;
}

/* ---- who runs ---- */

static uint64_t blocks_for(const llm_schedule *s, uint64_t tokens)
{
    return (tokens + s->block_size - 1) / s->block_size;
}

/* Blocks that the request still needs for the ids it has. Its own, shared ones too, are used already. */
static uint64_t blocks_wanted(const llm_schedule *s, const llm_request *r)
{
    size_t held = 0;
    clkv_sequence_get_table(r->sequence, 0, NULL, &held);
    const uint64_t all = blocks_for(s, r->n_ids);
    return all > held ? all - held : 0;
}

/* Whether a request fits beside the running ones, with a block for each of them to grow into: without that,
 * letting in and preempting take turns. */
static bool fits(const llm_schedule *s, const llm_request *r)
{
    uint64_t needed = blocks_wanted(s, r);
    bool alone = true;
    for (uint32_t i = 0; i < s->n_alive; i++) {
        const llm_request *other = s->alive[i];
        if (other == r || other->preempted) continue;
        needed += blocks_wanted(s, other) + 1;
        alone = false;
    }
    return alone || needed <= clkv_manager_available(s->manager);
}

/* Counts what a lookup has added to a request. What it had before it was preempted was counted, or computed, then. */
static void count_found(llm_request *r, size_t before, size_t now)
{
    const uint32_t known = at_least(r->reached, (uint32_t)before);
    if (now > known) r->reused += (uint32_t)now - known;
}

/* Resumes a preempted request if it fits; else it stays as it is and s->full is set. */
static int resume(llm_schedule *s, llm_request *r, char *why)
{
    size_t found;
    clkv_status status = clkv_sequence_resume(r->sequence, r->ids, r->n_ids, &found);
    if (status) return llm_fail_clkv(why, "resuming a sequence");
    if (fits(s, r)) {
        count_found(r, 0, found);
        r->preempted = false;
        return 0;
    }
    s->full = true;
    status = clkv_sequence_truncate(r->sequence, 0);
    return status ? llm_fail_clkv(why, "putting a sequence back") : 0;
}

/* Lets the preempted requests in that fit, oldest first. When no request runs, the first of them always fits. */
static int let_back_in(llm_schedule *s, char *why)
{
    bool runs = false;
    for (uint32_t i = 0; i < s->n_alive; i++) runs |= !s->alive[i]->preempted;
    if (!runs) s->full = false;
    for (uint32_t i = 0; i < s->n_alive && !s->full; i++)
        if (s->alive[i]->preempted && resume(s, s->alive[i], why)) return -1;
    return 0;
}

/* ---- the batch ---- */

static uint32_t batch_tokens(const llm_schedule *s)
{
    return clkv_batch_tokens(s->batch);
}

/* Adds up to `budget` of a request's pending ids, and guesses behind them when it decodes. */
static int add(llm_schedule *s, llm_request *r, uint32_t budget, uint32_t draft, char *why)
{
    const uint32_t pending = llm_request_pending(r), n = at_most(pending, budget);
    llm_turn *turn = &s->turns[s->n_turns];
    uint32_t *tokens = s->tokens + batch_tokens(s);
    *turn = (llm_turn){ .request = r, .first = batch_tokens(s), .n_tokens = n, .samples = n == pending };
    for (uint32_t i = 0; i < n; i++) tokens[i] = r->ids[r->n_ids - pending + i];
    /* One id more than the guesses is sampled: what follows the last of them. */
    if (pending == 1 && r->n_ids > r->n_prompt)
        turn->n_drafts = llm_draft(r->ids, r->n_ids, at_most(draft, r->most - r->n_ids - 1), tokens + 1);
    turn->n_tokens += turn->n_drafts;
    clkv_status status = clkv_batch_add(s->batch, r->sequence, tokens, turn->n_tokens, NULL);
    if (status) return llm_fail_clkv(why, "adding to the batch");
    s->n_turns++;
    return 0;
}

/* Each that runs has something left to compute. Without that it would never end, and nor would the loop. */
static int check_pending(const llm_schedule *s, char *why)
{
    for (uint32_t i = 0; i < s->n_alive; i++) {
        const llm_request *r = s->alive[i];
        const size_t length = clkv_sequence_length(r->sequence);
        if (!r->preempted && length >= r->n_ids)
            return llm_fail(why, "a text of %u ids has %zu in the cache: nothing is left to compute for it",
                            (unsigned)r->n_ids, length);
    }
    return 0;
}

/* Takes what others have computed of a prompt since it was last looked up. *later: a sequence of this batch computes
 * what the request needs next, so the request had better wait for the next step. In the middle of a block nothing
 * can be found. */
static int catch_up(llm_schedule *s, llm_request *r, bool *later, char *why)
{
    const size_t before = clkv_sequence_length(r->sequence);
    size_t coming = 0, now = before;
    *later = false;
    if (before % s->block_size) return 0;
    clkv_status status = clkv_sequence_pending(r->sequence, r->ids, r->n_ids, &coming);
    if (!status && !coming) status = clkv_sequence_resume(r->sequence, r->ids, r->n_ids, &now);
    if (status) return llm_fail_clkv(why, "looking a prompt up");
    count_found(r, before, now);
    *later = coming > 0;
    return 0;
}

/* Adds a chunk of a request's prompt. */
static int add_chunk(llm_schedule *s, llm_request *r, char *why)
{
    bool later;
    if (catch_up(s, r, &later, why)) return -1;
    return later ? 0 : add(s, r, s->end - batch_tokens(s), 0, why);
}

/* The batch of the requests that run. It holds something if any runs: who waits does so for another in the batch. */
static int build(llm_schedule *s, uint32_t draft, char *why)
{
    if (check_pending(s, why)) return -1;
    clkv_status status = clkv_batch_clear(s->batch);
    if (status) return llm_fail_clkv(why, "clearing the batch");
    s->n_turns = 0;
    for (uint32_t i = 0; i < s->n_alive; i++) {
        llm_request *r = s->alive[i];
        if (!r->preempted && llm_request_pending(r) == 1 && add(s, r, 1, draft, why)) return -1;
    }
    s->end = at_least(s->chunk, batch_tokens(s) + s->block_size);
    for (uint32_t i = 0; i < s->n_alive && batch_tokens(s) < s->end; i++) {
        llm_request *r = s->alive[i];
        if (!r->preempted && llm_request_pending(r) > 1 && add_chunk(s, r, why)) return -1;
    }
    return 0;
}

/* ---- new requests ---- */

/* Sequences that live now, or will once those that are computing their prompt have forked. */
static uint32_t sequences(const llm_schedule *s)
{
    uint32_t n = s->n_alive;
    for (uint32_t i = 0; i < s->n_alive; i++)
        if (s->alive[i]->n_ids == s->alive[i]->n_prompt) n += s->alive[i]->n_forks;
    return n;
}

/* Gives a waiting request a sequence, or takes the one that it has kept, and what the cache holds of its ids. */
static int take_sequence(llm_schedule *s, llm_request *r, bool *later, char *why)
{
    r->reached = 0;
    if (r->sequence) {
        r->reused = (uint32_t)clkv_sequence_length(r->sequence);
        return catch_up(s, r, later, why);
    }
    clkv_sequence_params params = CLKV_PARAMS_INIT(clkv_sequence_params);
    size_t found;
    params.tokens = r->ids;
    params.n_tokens = r->n_ids;
    if (clkv_sequence_create(&r->sequence, s->manager, &params, &found)) return llm_fail_clkv(why, "looking a prompt up");
    r->reused = (uint32_t)found;
    return catch_up(s, r, later, why);
}

/* Lets the longest waiting request into the batch, if it fits, else sets s->full. *later: it had better wait a step;
 * its sequence holds what was found. When no request runs, it always fits. */
static int admit(llm_schedule *s, bool *later, char *why)
{
    llm_request *r = s->waiting[0];
    *later = s->n_alive && sequences(s) + 1 + r->n_forks > s->max_sequences;
    if (*later) return 0;
    if (take_sequence(s, r, later, why)) return -1;
    if (*later) return 0;
    if (!fits(s, r)) {
        s->full = true;
        if (!r->keep) clkv_sequence_destroy(&r->sequence);
        return 0;
    }
    s->alive[s->n_alive++] = r;
    s->n_waiting--;
    for (size_t i = 0; i < s->n_waiting; i++) s->waiting[i] = s->waiting[i + 1];
    const uint32_t budget = s->end - batch_tokens(s);
    return budget ? add(s, r, budget, 0, why) : 0;
}

/* New requests get what the running ones have left of the step's tokens. Those that get none are let in all the same,
 * so that nobody evicts meanwhile what they have found. */
static int admit_all(llm_schedule *s, char *why)
{
    bool later = false;
    while (!s->full && !later && s->n_waiting)
        if (admit(s, &later, why)) return -1;
    return 0;
}

/* ---- the pool's blocks ---- */

/* The victim may be the sequence of a request that waits: then it goes on waiting. */
static int preempt(llm_schedule *s, clkv_sequence *victim, char *why)
{
    const uint32_t length = (uint32_t)clkv_sequence_length(victim);
    clkv_status status = clkv_batch_clear(s->batch);
    if (!status) status = clkv_sequence_preempt(victim);
    if (status) return llm_fail_clkv(why, "preempting a sequence");
    for (uint32_t i = 0; i < s->n_alive; i++) {
        llm_request *r = s->alive[i];
        if (r->sequence != victim) continue;
        r->preempted = true;
        r->reached = at_least(r->reached, length);
    }
    s->full = true;
    return 0;
}

/* Makes a batch that did not fit smaller. */
static int shrink(llm_schedule *s, char *why)
{
    uint32_t drafts = 0;
    for (uint32_t i = 0; i < s->n_turns; i++) drafts += s->turns[i].n_drafts;
    if (drafts) return build(s, 0, why);
    clkv_sequence *victim = clkv_batch_victim(s->batch);
    if (victim) return preempt(s, victim, why) ? -1 : build(s, 0, why);
    if (s->n_turns == 1)
        return llm_fail(why, "the pool is %u blocks too small for the oldest sequence alone",
                        (unsigned)clkv_batch_missing(s->batch));
    clkv_status status = clkv_batch_pop(s->batch); /* it waits for the next step */
    s->n_turns--;
    return status ? llm_fail_clkv(why, "taking a sequence out of the batch") : 0;
}

/* The batch may end empty: what ran was younger than a preempted request, which has all the room then, and is let
 * in by the next round, whose batch holds at least that one. */
static int reserve(llm_schedule *s, char *why)
{
    while (batch_tokens(s)) {
        clkv_status status = clkv_batch_reserve(s->batch);
        if (!status) return 0;
        if (status != CLKV_ERROR_NO_BLOCKS) return llm_fail_clkv(why, "reserving a batch");
        if (shrink(s, why)) return -1;
    }
    return 0;
}

int llm_schedule_next(llm_schedule *s, char *why)
{
    for (int round = 0; round < MOST_ROUNDS; round++) {
        if (let_back_in(s, why) || build(s, s->draft, why) || admit_all(s, why) || reserve(s, why)) return -1;
        if (batch_tokens(s) || !(s->n_alive || s->n_waiting)) return 0;
    }
    return llm_fail(why, "no progress: of %u texts that were begun and %zu that wait none can go on",
                    (unsigned)s->n_alive, s->n_waiting);
}

/* ---- after the pass ---- */

int llm_schedule_fork(llm_schedule *s, llm_request *request, char *why)
{
    for (uint32_t i = 0; i < request->n_forks; i++) {
        llm_request *r = request->forks[i];
        clkv_status status = clkv_sequence_fork(&r->sequence, request->sequence, 0);
        if (status) return llm_fail_clkv(why, "forking a sequence");
        r->reused = request->n_prompt;
        s->alive[s->n_alive++] = r;
    }
    return 0;
}

void llm_schedule_sweep(llm_schedule *s)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < s->n_alive; i++) {
        llm_request *r = s->alive[i];
        if (r->finish == LLM_FINISH_NOT) {
            s->alive[kept++] = r;
            continue;
        }
        if (!r->keep) clkv_sequence_destroy(&r->sequence);
        s->full = false;
    }
    s->n_alive = kept;
}
