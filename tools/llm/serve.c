/* serve.c: see serve.h. SPDX-License-Identifier: Apache-2.0 */
#include "serve.h"

#include "../clock.h"

#include <stdlib.h>

int llm_server_init(llm_server *s, const llm_server_params *params, char *why)
{
    s->runtime = params->runtime;
    s->tokenizer = params->tokenizer;
    s->ignore_end = params->ignore_end;
    s->on_ids = params->on_ids;
    s->user = params->user;
    if (llm_schedule_init(&s->schedule, &params->schedule, why)) return -1;
    const size_t picks = (size_t)params->schedule.max_sequences * (1 + params->schedule.draft);
    s->picks = malloc(picks * sizeof *s->picks);
    s->sampled = malloc(picks * sizeof *s->sampled);
    return s->picks && s->sampled ? 0 : llm_fail(why, "out of memory for %zu sampled tokens", picks);
}

void llm_server_free(llm_server *s)
{
    llm_schedule_free(&s->schedule);
    free(s->picks);
    free(s->sampled);
    *s = (llm_server){ 0 };
}

static void tell(llm_server *s, llm_request *r, uint32_t n)
{
    if (s->on_ids) s->on_ids(s->user, r, n);
}

int llm_server_add(llm_server *s, llm_request *request, char *why)
{
    if (llm_sampler_check(&request->how, why)) return -1;
    request->begun = clock_seconds();
    request->first = request->ended = 0;
    for (uint32_t i = 0; i < request->n_forks; i++) request->forks[i]->begun = request->begun;
    if (request->finish == LLM_FINISH_NOT) return llm_schedule_add(&s->schedule, request, why);
    request->ended = request->begun; /* the prompt alone is as long as the text may be */
    tell(s, request, 0);
    for (uint32_t i = 0; i < request->n_forks; i++) {
        request->forks[i]->ended = request->begun;
        tell(s, request->forks[i], 0);
    }
    return 0;
}

/* ---- what is to be sampled ---- */

static float coin(const llm_request *r, uint64_t *state)
{
    return r->how.temperature > 0 ? llm_coin(state) : 0;
}

/* How many requests fork off when what the turn samples is there: its prompt is computed then. */
static uint32_t forks_now(const llm_turn *turn)
{
    const llm_request *r = turn->request;
    return turn->samples && r->n_ids == r->n_prompt ? r->n_forks : 0;
}

/* One pick for the last known id and one for each guess; when a prompt is computed, one for each of its forks. */
static uint32_t pick(const llm_turn *turn, llm_pick *picks)
{
    const llm_request *r = turn->request;
    const uint32_t last = turn->first + turn->n_tokens - 1;
    uint64_t coins = r->coins;
    uint32_t n = 0;
    if (!turn->samples) return 0;
    for (uint32_t i = 0; i <= turn->n_drafts; i++)
        picks[n++] = (llm_pick){ .token = last - turn->n_drafts + i, .how = r->how, .coin = coin(r, &coins) };
    for (uint32_t i = 0; i < forks_now(turn); i++) {
        coins = r->forks[i]->coins;
        picks[n++] = (llm_pick){ .token = last, .how = r->how, .coin = coin(r, &coins) };
    }
    return n;
}

static uint32_t pick_all(llm_server *s)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->schedule.n_turns; i++) n += pick(&s->schedule.turns[i], s->picks + n);
    return n;
}

/* How many of a turn's guesses are what was sampled in their place. */
static uint32_t right_drafts(const llm_server *s, const llm_turn *turn, const uint32_t *sampled)
{
    const uint32_t *drafts = s->schedule.tokens + turn->first + turn->n_tokens - turn->n_drafts;
    uint32_t n = 0;
    while (n < turn->n_drafts && drafts[n] == sampled[n]) n++;
    return n;
}

/* ---- what was sampled ---- */

static void finish(llm_request *r, llm_finish how, double now)
{
    r->finish = how;
    r->ended = now;
}

/* Takes n ids over, up to the end token or the request's most. */
static void take(llm_server *s, llm_request *r, const uint32_t *ids, uint32_t n)
{
    const double now = clock_seconds();
    const uint32_t before = r->n_ids;
    if (r->n_ids == r->n_prompt) r->first = now;
    for (uint32_t i = 0; i < n && r->finish == LLM_FINISH_NOT; i++) {
        coin(r, &r->coins);
        if (!s->ignore_end && llm_tokenizer_is_end(s->tokenizer, ids[i])) {
            r->end = ids[i];
            finish(r, LLM_FINISH_END, now);
            break;
        }
        r->ids[r->n_ids++] = ids[i];
        if (r->n_ids == r->most) finish(r, LLM_FINISH_STEPS, now);
    }
    tell(s, r, r->n_ids - before);
}

/* Hands the turn's ids to its request and to those that fork off now; *sampled moves on to the next turn's. */
static int take_turn(llm_server *s, const llm_turn *turn, const uint32_t **sampled, char *why)
{
    llm_request *r = turn->request;
    if (!turn->samples) return 0;
    const uint32_t forks = forks_now(turn), right = right_drafts(s, turn, *sampled);
    r->offered += turn->n_drafts;
    r->accepted += right;
    if (forks && llm_schedule_fork(&s->schedule, r, why)) return -1;
    take(s, r, *sampled, 1 + right);
    *sampled += 1 + turn->n_drafts;
    for (uint32_t i = 0; i < forks; i++) take(s, r->forks[i], (*sampled)++, 1);
    return 0;
}

static int forward(llm_server *s, char *why)
{
    const uint32_t n = pick_all(s);
    clkv_batch *batch = s->schedule.batch;
    if (llm_runtime_step(s->runtime, batch, s->schedule.tokens, clkv_batch_tokens(batch), s->picks, n, why) ||
        llm_runtime_sampled(s->runtime, s->sampled, why))
        return -1;
    const uint32_t *sampled = s->sampled;
    for (uint32_t i = 0; i < s->schedule.n_turns; i++) {
        const llm_turn *turn = &s->schedule.turns[i];
        if (!turn->samples) continue;
        const uint32_t wrong = turn->n_drafts - right_drafts(s, turn, sampled);
        if (wrong && clkv_batch_accept(batch, i, turn->n_tokens - wrong))
            return llm_fail_clkv(why, "rejecting drafts");
        sampled += 1 + turn->n_drafts + forks_now(turn);
    }
    return 0;
}

int llm_server_step(llm_server *s, int *more, char *why)
{
    clkv_batch *batch = s->schedule.batch;
    if (llm_schedule_next(&s->schedule, why)) return -1;
    *more = clkv_batch_tokens(batch) > 0;
    if (!*more) return 0;
    if (forward(s, why)) {
        clkv_batch_rollback(batch);
        return -1;
    }
    if (clkv_batch_commit(batch)) return llm_fail_clkv(why, "committing a batch");
    s->steps++;
    const uint32_t *sampled = s->sampled;
    for (uint32_t i = 0; i < s->schedule.n_turns; i++)
        if (take_turn(s, &s->schedule.turns[i], &sampled, why)) return -1;
    llm_schedule_sweep(&s->schedule);
    return 0;
}
