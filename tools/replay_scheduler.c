/* replay_scheduler.c: see replay_scheduler.h. `jobs` is kept in order of age: requests are admitted in trace
 * order, and one that ends is taken out of the middle. SPDX-License-Identifier: Apache-2.0 */
#include "replay_scheduler.h"

#include "clock.h"
#include "exit.h"
#include "os/interrupt.h"
#include "progress.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct scheduler {
    const replay_params *params;
    replay_result *result;
    clkv_batch *batch;
    replay_job **jobs;   /* alive, oldest first */
    uint32_t n_jobs;
    size_t next;         /* the request to be admitted next */
    replay_job *coming;  /* that request, while it waits for what another computes; or NULL */
    bool full;           /* nothing more fits until a sequence has finished */
    uint32_t block_size, blocks;
    uint32_t end;        /* tokens that this step's batch may have */
    double slots, wasted; /* summed over the steps */
    double begun;
    progress progress;
} scheduler;

static uint64_t blocks_for(const scheduler *s, uint64_t tokens)
{
    return (tokens + s->block_size - 1) / s->block_size;
}

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static uint32_t pending(const replay_job *job)
{
    return job->known - (uint32_t)clkv_sequence_length(job->sequence);
}

static void job_free(replay_job *job)
{
    if (!job) return;
    clkv_sequence_destroy(&job->sequence);
    free(job->history);
    free(job);
}

static replay_job *job_create(const scheduler *s, size_t request)
{
    const replay_tokens *tokens = s->params->tokens;
    replay_job *job = calloc(1, sizeof *job);
    if (!job) return NULL;
    job->request = request;
    job->prompt = job->known = replay_tokens_prompt(tokens, request);
    job->output = replay_tokens_output(tokens, request);
    job->history = malloc(((size_t)job->prompt + job->output) * sizeof *job->history);
    if (!job->history) {
        free(job);
        return NULL;
    }
    replay_tokens_fill(tokens, request, job->history);
    return job;
}

/* Whether what the job still has to compute fits beside what the running ones have and need, with a block for
 * each of them to grow into: without that, letting in and preempting take turns. The job's own blocks, shared
 * ones too, are used already. */
static bool fits(const scheduler *s, const replay_job *job)
{
    uint64_t needed = 0;
    size_t held = 0;
    bool alone = true;
    for (uint32_t i = 0; i < s->n_jobs; i++) {
        const replay_job *other = s->jobs[i];
        if (other->preempted || other == job) continue;
        clkv_sequence_get_table(other->sequence, 0, NULL, &held);
        needed += blocks_for(s, other->known) - held + 1;
        alone = false;
    }
    clkv_sequence_get_table(job->sequence, 0, NULL, &held);
    needed += blocks_for(s, job->known) - held;
    return alone || needed <= clkv_manager_available(s->params->manager);
}

/* Counts what a lookup has added to a job: what it had lost need not be computed again, the rest is a hit. */
static void count_found(scheduler *s, replay_job *job, uint32_t before, uint32_t now)
{
    const uint32_t known = larger(job->reached, before);
    if (now > known) s->result->prefix_hit_tokens += now - known;
    s->result->recomputed_tokens -= (now < known ? now : known) - before;
}

/* Adds up to `budget` pending tokens of a job to the batch. */
static int add(scheduler *s, const replay_job *job, uint32_t budget)
{
    uint32_t n = pending(job), at = job->known - n;
    clkv_status status = clkv_batch_add(s->batch, job->sequence, job->history + at, n < budget ? n : budget, NULL);
    return status ? tool_fail_status(status, "request %zu: adding to the batch", job->request + 1) : 0;
}

/* Takes what others have computed of the job's tokens since it was last looked up. *later: a sequence of this batch
 * computes what the job needs next, so it had better wait for the next step. In the middle of a block nothing can
 * be found. */
static int catch_up(scheduler *s, replay_job *job, bool *later)
{
    const size_t before = clkv_sequence_length(job->sequence);
    size_t coming = 0, now = before;
    *later = false;
    if (before % s->block_size) return 0;
    clkv_status status = clkv_sequence_pending(job->sequence, job->history, job->known, &coming);
    if (!status && !coming) status = clkv_sequence_resume(job->sequence, job->history, job->known, &now);
    if (status) return tool_fail_status(status, "request %zu: looking its prompt up", job->request + 1);
    count_found(s, job, (uint32_t)before, (uint32_t)now);
    *later = coming > 0;
    return 0;
}

static int add_chunk(scheduler *s, replay_job *job)
{
    bool later;
    int code = catch_up(s, job, &later);
    return code || later ? code : add(s, job, s->end - clkv_batch_tokens(s->batch));
}

/* The batch of the sequences that run: decoding first, then prefill by age, of a block at least, so that
 * decoding never starves it. It holds something if any runs: who waits does so for another in the batch. */
static int build(scheduler *s)
{
    int code = 0;
    clkv_status status = clkv_batch_clear(s->batch);
    if (status) return tool_fail_status(status, "clearing the batch");
    for (uint32_t i = 0; i < s->n_jobs && !code; i++)
        if (!s->jobs[i]->preempted && pending(s->jobs[i]) == 1) code = add(s, s->jobs[i], 1);
    s->end = larger(s->params->chunk, clkv_batch_tokens(s->batch) + s->block_size);
    for (uint32_t i = 0; i < s->n_jobs && !code && clkv_batch_tokens(s->batch) < s->end; i++)
        if (!s->jobs[i]->preempted && pending(s->jobs[i]) > 1) code = add_chunk(s, s->jobs[i]);
    return code;
}

/* Resumes a preempted job if it fits; else it stays as it is and s->full is set. */
static int resume(scheduler *s, replay_job *job)
{
    size_t matched;
    clkv_status status = clkv_sequence_resume(job->sequence, job->history, job->known, &matched);
    if (status) return tool_fail_status(status, "request %zu: resuming", job->request + 1);
    if (!fits(s, job)) {
        s->full = true;
        status = clkv_sequence_truncate(job->sequence, 0);
        return status ? tool_fail_status(status, "request %zu: waiting on", job->request + 1) : 0;
    }
    job->preempted = false;
    count_found(s, job, 0, (uint32_t)matched);
    return 0;
}

/* Lets the preempted jobs in that fit, oldest first. When none runs, the first of them always fits. */
static int let_back_in(scheduler *s)
{
    int code = 0;
    bool runs = false;
    for (uint32_t i = 0; i < s->n_jobs; i++) runs |= !s->jobs[i]->preempted;
    if (!runs) s->full = false;
    for (uint32_t i = 0; i < s->n_jobs && !s->full && !code; i++)
        if (s->jobs[i]->preempted) code = resume(s, s->jobs[i]);
    return code;
}

/* Makes the next request's job, s->coming; NULL when the whole pool cannot hold the request, which is rejected. */
static int make_coming(scheduler *s)
{
    replay_job *job = job_create(s, s->next);
    if (!job) return tool_fail(EXIT_CHECK, "request %zu: out of memory", s->next + 1);
    uint32_t at_end = job->prompt + job->output - (job->output > 0);
    if (blocks_for(s, at_end) > s->blocks) {
        s->result->rejected++;
        s->next++;
        job_free(job);
        return 0;
    }
    clkv_sequence_params params = CLKV_PARAMS_INIT(clkv_sequence_params);
    params.tokens = job->history;
    params.n_tokens = job->prompt;
    params.user_data = (uintptr_t)job;
    clkv_status status = clkv_sequence_create(&job->sequence, s->params->manager, &params, NULL);
    if (status) {
        job_free(job);
        return tool_fail_status(status, "request %zu: admitting", s->next + 1);
    }
    s->coming = job;
    return 0;
}

/* Admits the next request into the batch if it fits, else sets s->full. *later: it had better wait a step; its
 * sequence holds what was found. When no job runs, it always fits. */
static int admit(scheduler *s, bool *later)
{
    int code = s->coming ? 0 : make_coming(s);
    replay_job *job = s->coming;
    if (code || !job) return code;
    const uint64_t hits = s->result->prefix_hit_tokens;
    code = catch_up(s, job, later);
    s->result->prefix_hit_tokens = hits; /* all that was found is counted below */
    if (code || *later) return code;
    s->coming = NULL;
    if (!fits(s, job)) {
        s->full = true;
        job_free(job);
        return 0;
    }
    s->jobs[s->n_jobs++] = job;
    s->next++;
    s->result->prompt_tokens += job->prompt;
    s->result->prefix_hit_tokens += clkv_sequence_length(job->sequence);
    const uint32_t budget = s->end - clkv_batch_tokens(s->batch);
    return budget ? add(s, job, budget) : 0;
}

/* New requests get what the running ones have left of the step's tokens. Those that get none are let in all the same,
 * so that nobody evicts meanwhile what they have found. */
static int admit_all(scheduler *s)
{
    int code = 0;
    bool later = false;
    const size_t n = s->params->tokens->trace->n_requests;
    while (!code && !later && !s->full && s->n_jobs < s->params->concurrency && s->next < n)
        code = admit(s, &later);
    return code;
}

/* The victim may be the request that waits to be admitted: then it has nothing that it would have to compute again. */
static int preempt(scheduler *s, clkv_sequence *victim)
{
    replay_job *job = (replay_job *)(uintptr_t)clkv_sequence_user_data(victim);
    const uint32_t length = (uint32_t)clkv_sequence_length(victim);
    clkv_status status = clkv_batch_clear(s->batch);
    if (!status) status = clkv_sequence_preempt(victim);
    if (status) return tool_fail_status(status, "request %zu: preempting", job->request + 1);
    if (job != s->coming) {
        job->preempted = true;
        job->reached = larger(job->reached, length);
        s->result->recomputed_tokens += length;
    }
    s->full = true;
    return 0;
}

/* Reserves the batch; while it does not fit, preempts and builds it again. When nobody is left to be
 * preempted, the youngest of the batch waits for the next step. The batch may end empty: what ran was
 * younger than a preempted job, which now has all the room. */
static int reserve(scheduler *s)
{
    while (clkv_batch_tokens(s->batch)) {
        clkv_status status = clkv_batch_reserve(s->batch);
        if (!status) return 0;
        if (status != CLKV_ERROR_NO_BLOCKS) return tool_fail_status(status, "reserving a batch");
        clkv_sequence *victim = clkv_batch_victim(s->batch);
        const clkv_batch_entry *entries;
        uint32_t n;
        clkv_batch_get_entries(s->batch, &entries, &n);
        int code = 0;
        if (victim) {
            code = preempt(s, victim);
            if (!code) code = build(s);
        } else if (n > 1) {
            status = clkv_batch_pop(s->batch);
            if (status) code = tool_fail_status(status, "taking a sequence out of the batch");
        } else {
            code = tool_fail(EXIT_CHECK, "the oldest request does not fit the pool, although alone it would: "
                                         "%" PRIu32 " blocks are missing", clkv_batch_missing(s->batch));
        }
        if (code) return code;
    }
    return 0;
}

/* After a commit: sequences whose history is computed get their next token, or end. */
static void advance(scheduler *s)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < s->n_jobs; i++) {
        replay_job *job = s->jobs[i];
        bool done = false;
        if (!job->preempted && !pending(job)) {
            if (job->known < job->prompt + job->output) {
                job->history[job->known++] = replay_tokens_next(s->params->tokens);
                s->result->generated_tokens++;
            }
            done = job->known == job->prompt + job->output;
        }
        if (done) {
            job_free(job);
            s->result->requests++;
            s->full = false;
        } else {
            s->jobs[kept++] = job;
        }
    }
    s->n_jobs = kept;
}

static void show(scheduler *s)
{
    if (!progress_due(&s->progress)) return;
    const replay_result *r = s->result;
    double seconds = clock_seconds() - s->begun;
    progress_update(&s->progress,
                    "%" PRIu64 " of %zu requests, %" PRIu32 " running, %.1f%% of prompts found, %.0f tokens/s",
                    r->requests, s->params->tokens->trace->n_requests, s->n_jobs,
                    r->prompt_tokens ? 100.0 * (double)r->prefix_hit_tokens / (double)r->prompt_tokens : 0.0,
                    (double)(r->prompt_tokens + r->generated_tokens) / seconds);
}

static int step(scheduler *s)
{
    int code = let_back_in(s);
    if (!code) code = build(s);
    if (!code) code = admit_all(s);
    if (!code) code = reserve(s);
    if (code || !clkv_batch_tokens(s->batch)) return code;
    if (s->params->step) code = s->params->step(s->params->user, s->batch);
    if (code) {
        clkv_batch_rollback(s->batch);
        return code;
    }
    clkv_status status = clkv_batch_commit(s->batch);
    if (status) return tool_fail_status(status, "committing a batch");
    s->result->steps++;

    clkv_stats stats = CLKV_PARAMS_INIT(clkv_stats);
    clkv_manager_get_stats(s->params->manager, &stats);
    s->slots += (double)stats.blocks_used * s->block_size;
    s->wasted += (double)stats.slots_wasted;
    advance(s);
    show(s);
    return 0;
}

/* What holds when no sequence is left. */
static int conclude(scheduler *s)
{
    replay_result *r = s->result;
    r->stats = (clkv_stats)CLKV_PARAMS_INIT(clkv_stats);
    clkv_status status = clkv_manager_get_stats(s->params->manager, &r->stats);
    if (status) return tool_fail_status(status, "statistics");
    r->leaked_blocks = r->stats.blocks_used;
    r->waste_percent = s->slots > 0 ? 100 * s->wasted / s->slots : 0;
    const char *broken = clkv_manager_validate(s->params->manager);
    return broken ? tool_fail(EXIT_CHECK, "the block manager is not valid at the end: %s", broken) : 0;
}

int replay_run(const replay_params *params, replay_result *out)
{
    *out = (replay_result){ 0 };
    scheduler s = {
        .params = params,
        .result = out,
        .block_size = clkv_manager_block_size(params->manager),
        .blocks = clkv_manager_blocks(params->manager),
        .begun = clock_seconds(),
        .progress = progress_begin(),
    };
    int code = 0;
    clkv_status status = clkv_batch_create(&s.batch, params->manager);
    if (status) code = tool_fail_status(status, "creating a batch");
    s.jobs = malloc(params->concurrency * sizeof(*s.jobs));
    if (!code && !s.jobs)
        code = tool_fail(EXIT_CHECK, "out of memory for %" PRIu32 " requests", params->concurrency);

    bool more = true;
    clkv_interrupt_catch();
    while (!code && !clkv_interrupt_seen() && (more = s.n_jobs || s.next < params->tokens->trace->n_requests))
        code = step(&s);
    out->finished = !more;
    if (params->finish) {
        int finished = params->finish(params->user);
        if (!code) code = finished;
    }
    out->seconds = clock_seconds() - s.begun;
    progress_end(&s.progress);
    clkv_interrupt_release();

    clkv_batch_destroy(&s.batch);
    for (uint32_t i = 0; i < s.n_jobs; i++) job_free(s.jobs[i]);
    job_free(s.coming);
    free(s.jobs);
    return code ? code : conclude(&s);
}
