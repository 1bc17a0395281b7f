/* clkv-generate: a language model on clkv's public API: many texts at once, in one pool of blocks.
 *
 *   generate_options.c   what was asked for
 *   generate_prompts.c   prompts ──▶ ids
 *   generate_chat.c      --interactive
 *   generate_output.c    texts, JSON
 *   llm/                 the model, its tokenizer, its forward pass on a device, and the serving loop (serve.h)
 *
 * docs/integration.md walks through the loop. SPDX-License-Identifier: Apache-2.0 */
#include "clock.h"
#include "exit.h"
#include "generate_chat.h"
#include "generate_options.h"
#include "generate_output.h"
#include "generate_prompts.h"
#include "llm/make_random.h"
#include "llm/model_file.h"
#include "os/arguments.h"
#include "os/descriptor.h"
#include "os/interrupt.h"
#include "os/terminal.h"
#include "progress.h"

#include <stdio.h>
#include <stdlib.h>

#define POOL_STEP 16 /* the default pool is a multiple of so many blocks */

typedef struct generator {
    generate_options options;
    llm_model *model;
    llm_tokenizer *tokenizer;
    generate_prompts prompts;
    llm_runtime *runtime;
    llm_server server;
    generate_run run;
    progress progress;
    double begun;
    char stopped[WHY_BYTES]; /* why serving ended early */
} generator;

static int make_random(const generate_options *o)
{
    char why[WHY_BYTES];
    const llm_type type = o->random_type ? LLM_Q8_0 : LLM_F16;
    if (llm_make_random(o->file, o->make_random, type, o->seed, why)) return tool_fail(EXIT_USAGE, "%s", why);
    return EXIT_GOOD;
}

/* ---- loading ---- */

static int open_model(generator *g)
{
    char why[WHY_BYTES];
    if (llm_model_open(&g->model, g->options.model, g->options.tokenizer, why) ||
        llm_tokenizer_create(&g->tokenizer, g->model, why))
        return tool_fail(EXIT_USAGE, "%s", why);
    return g->options.interactive ? 0 : generate_prompts_read(&g->prompts, &g->options, g->model, g->tokenizer);
}

static uint32_t at_most(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Positions that a text may have. */
static uint32_t positions(const generator *g)
{
    uint32_t most = g->model->window ? at_most(g->model->context, g->model->window) : g->model->context;
    return g->options.interactive ? most : at_most(most, g->options.steps);
}

/* `cache` may be NULL before there is one. */
static llm_schedule_params scheduling(const generator *g, clkv_cache *cache)
{
    return (llm_schedule_params){
        .manager = cache ? clkv_cache_manager(cache) : NULL,
        .max_sequences = g->options.concurrency,
        .chunk = g->options.chunk,
        .draft = g->options.draft,
    };
}

static uint64_t blocks_for(const generator *g, uint64_t tokens)
{
    return (tokens + g->options.block_size - 1) / g->options.block_size;
}

/* The blocks that this run can use. Each text that is alive may grow to its last position, and the scheduler wants
 * one block more for each. Beyond that, prompts stay in the cache in case they come again: they get at most as many
 * blocks as the texts that are alive. */
static uint32_t most_blocks(const generator *g)
{
    const uint64_t texts = g->options.interactive ? 1 : g->prompts.n * (uint64_t)g->options.samples;
    const uint64_t each = blocks_for(g, positions(g)) + 1, all = texts * each;
    const uint64_t alive = each * (texts < g->options.concurrency ? texts : g->options.concurrency);
    uint64_t prompts = 0;
    for (size_t i = 0; i < g->prompts.n; i++) prompts += blocks_for(g, g->prompts.items[i].n);
    uint64_t most = alive + (prompts < alive ? prompts : alive);
    if (most > all) most = all;
    most = (most + POOL_STEP - 1) / POOL_STEP * POOL_STEP;
    return most < UINT32_MAX ? (uint32_t)most : 0;
}

static int open_runtime(generator *g)
{
    const generate_options *o = &g->options;
    char why[WHY_BYTES];
    int code = EXIT_CHECK;
    const llm_schedule_params schedule = scheduling(g, NULL);
    const llm_runtime_params params = {
        .device = o->device,
        .variant = o->variant,
        .kv_type = generate_options_kv(o, g->model),
        .weight_type = generate_options_weights(o, g->model),
        .memory_bytes = o->memory,
        .blocks = o->blocks,
        .most_blocks = most_blocks(g),
        .block_size = o->block_size,
        .max_sequences = o->concurrency,
        .max_context = positions(g),
        .max_batch_tokens = llm_schedule_batch_tokens(&schedule, o->block_size),
        .gemm = (llm_gemm_way)o->gemm,
        .profile = o->profile,
    };
    if (llm_runtime_create(&g->runtime, g->model, &params, why, &code)) return tool_fail(code, "%s", why);
    return 0;
}

/* The scheduler can promise an end only when each text fits the pool alone. */
static int check_pool(const generator *g)
{
    clkv_manager *manager = clkv_cache_manager(llm_runtime_cache(g->runtime));
    const uint32_t blocks = clkv_manager_blocks(manager), size = g->options.block_size;
    const uint64_t needed = blocks_for(g, positions(g));
    if (needed <= blocks || g->options.interactive) return 0;
    return tool_fail(EXIT_USAGE, "a text of %u positions (--steps) needs %u blocks of %u tokens; the pool has %u",
                     (unsigned)positions(g), (unsigned)needed, (unsigned)size, (unsigned)blocks);
}

/* What a user may not expect: prompts and texts that are shorter than asked for. */
static void tell_limits(const generator *g)
{
    const uint32_t most = positions(g), window = g->model->window;
    const int by_window = window && window < g->model->context && most == window;
    const char *limit = by_window ? "the model's sliding window" : "the model's context";
    if (by_window && (g->options.interactive || g->options.steps > window))
        tool_note("texts end after %u positions, the model's sliding window: attention does not slide it",
                  (unsigned)window);
    generate_prompts_tell_cut(&g->prompts, most, most < g->options.steps ? limit : "--steps");
}

/* ---- serving ---- */

static void show(generator *g)
{
    const generate_run *run = &g->run;
    if (!progress_due(&g->progress)) return;
    progress_update(&g->progress, "%zu of %zu texts, %u running, %llu tokens, %.0f tokens/s", run->n_finished,
                    run->n_requests, (unsigned)g->server.schedule.n_alive, (unsigned long long)run->generated,
                    (double)run->generated / (clock_seconds() - g->begun));
}

static void on_ids(void *user, llm_request *request, uint32_t n)
{
    generator *g = user;
    g->run.generated += n;
    g->run.n_finished += request->finish != LLM_FINISH_NOT;
    if (g->options.stream) generate_print_texts(&g->run);
    else show(g);
}

static int make_requests(generator *g)
{
    const llm_sampler_params how = generate_options_sampling(&g->options);
    const uint32_t samples = g->options.samples;
    g->run.requests = calloc(g->prompts.n * samples, sizeof(*g->run.requests));
    if (!g->run.requests) return tool_fail(EXIT_CHECK, "out of memory for %zu prompts", g->prompts.n);
    g->run.n_requests = g->prompts.n * samples;
    for (size_t i = 0; i < g->run.n_requests; i++) {
        const generate_prompt *p = &g->prompts.items[i / samples];
        llm_request **r = &g->run.requests[i];
        *r = i % samples ? llm_request_fork(r[-(ptrdiff_t)(i % samples)])
                         : llm_request_create(p->ids, p->n, positions(g) + 1, &how);
        if (!*r) return tool_fail(EXIT_CHECK, "out of memory for %zu texts", g->run.n_requests);
    }
    return 0;
}

/* Serves until all texts are finished, a step fails, the output cannot be written, or a signal asks for the end.
 * Returns 0, or the code to exit with; what was generated by then is there in each case. */
static int serve(generator *g, const llm_server_params *params)
{
    int more = 1, failed = llm_server_init(&g->server, params, g->stopped);
    clkv_interrupt_catch();
    /* On pocl the first step compiles them, which takes seconds when they are not in its cache. */
    if (!g->options.stream) progress_update(&g->progress, "compiling the model's kernels");
    for (size_t i = 0; !failed && i < g->run.n_requests; i += g->options.samples)
        failed = llm_server_add(&g->server, g->run.requests[i], g->stopped);
    while (!failed && more && !g->run.code && !clkv_interrupt_seen())
        failed = llm_server_step(&g->server, &more, g->stopped);
    clkv_interrupt_release();
    progress_end(&g->progress);
    if (!failed && more && clkv_interrupt_seen()) {
        snprintf(g->stopped, sizeof g->stopped, "stopped by %s", clkv_interrupt_name(clkv_interrupt_seen()));
        failed = g->run.n_finished < g->run.n_requests;
    }
    if (failed) g->run.stopped = g->stopped;
    g->run.steps = g->server.steps;
    g->run.seconds = clock_seconds() - g->begun;
    return failed ? EXIT_CHECK : 0;
}

static int report(generator *g)
{
    generate_run *run = &g->run;
    if (run->code) return run->code; /* nothing can be written any more */
    if (g->options.json) run->code = generate_print_json(run);
    else generate_print_texts(run);
    if (run->stopped) generate_tell_stopped(run);
    else if (clkv_terminal_is(CLKV_STDERR) && !run->code && !g->options.json)
        output_printf(&output_err, "%llu tokens in %.2f s: %.1f tokens/s, %llu steps\n",
                      (unsigned long long)run->generated, run->seconds, (double)run->generated / run->seconds,
                      (unsigned long long)run->steps);
    output_flush(&output_err);
    return run->code;
}

static int generate(generator *g)
{
    const double loading = clock_seconds();
    int code = open_model(g);
    if (!code) code = open_runtime(g);
    if (!code) code = check_pool(g);
    if (code) return code;
    tell_limits(g);
    clkv_cache *cache = llm_runtime_cache(g->runtime);
    const llm_server_params serving = {
        .runtime = g->runtime, .tokenizer = g->tokenizer, .schedule = scheduling(g, cache),
        .ignore_end = g->options.ignore_end, .on_ids = on_ids, .user = g,
    };
    if (g->options.interactive) return generate_chat(&g->options, g->model, g->tokenizer, g->runtime, &serving);

    g->begun = clock_seconds();
    g->progress = progress_begin();
    g->run = (generate_run){ .options = &g->options, .model = g->model, .tokenizer = g->tokenizer,
                             .runtime = g->runtime, .prompts = &g->prompts, .load_seconds = g->begun - loading };
    code = make_requests(g);
    if (code) return code;
    code = serve(g, &serving);
    const int printed = report(g);
    return code ? code : printed;
}

int main(int argc, char **argv)
{
    generator g = { 0 };
    clkv_os_arguments(&argc, &argv);
    clkv_interrupt_begin();
    int code = generate_options_read(&g.options, argc, argv);
    if (code < 0) code = g.options.make_random ? make_random(&g.options) : generate(&g);
    for (size_t i = 0; i < g.run.n_requests; i++) llm_request_destroy(&g.run.requests[i]);
    free(g.run.requests);
    llm_server_free(&g.server);
    llm_runtime_destroy(&g.runtime);
    generate_prompts_free(&g.prompts);
    llm_tokenizer_destroy(&g.tokenizer);
    llm_model_close(&g.model);
    free(g.options.prompts.items);
    free(g.options.prompt_files.items);
    clkv_interrupt_end();
    return code;
}
