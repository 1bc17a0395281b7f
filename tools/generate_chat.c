/* generate_chat.c: see generate_chat.h. SPDX-License-Identifier: Apache-2.0 */
#include "generate_chat.h"

#include "exit.h"
#include "generate_output.h"
#include "llm/chat.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct chat {
    const generate_options *options;
    const llm_tokenizer *tokenizer;
    const llm_chat_format *format;
    llm_server server;
    llm_request *request; /* NULL before the first turn */
    uint32_t room;        /* ids that the context holds */
    uint32_t printed;     /* of the request's ids */
    int code;
} chat;

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal)
{
    (void)signal;
    interrupted = 1;
}

/* SIGINT ends an answer from now on, and no longer the program; unless it is ignored, as in the background. */
static void catch_interrupts(struct sigaction *before)
{
    struct sigaction ours = { .sa_handler = on_interrupt, .sa_flags = SA_RESTART };
    interrupted = 0;
    sigemptyset(&ours.sa_mask);
    if (!sigaction(SIGINT, NULL, before) && before->sa_handler != SIG_IGN) sigaction(SIGINT, &ours, NULL);
}

static void print_answer(void *user, llm_request *request, uint32_t n)
{
    chat *c = user;
    if (!c->options->stream && request->finish == LLM_FINISH_NOT) return;
    (void)n;
    if (!c->code) c->code = generate_print_ids(c->tokenizer, request->ids, c->printed, request->n_ids);
    c->printed = request->n_ids;
    output_flush(&output_out);
}

/* The turn's ids are in the request afterwards. */
static int take_line(chat *c, const char *line, size_t bytes, char *why)
{
    uint32_t *ids = NULL;
    size_t n;
    const llm_request *r = c->request;
    const int64_t end = r && r->finish == LLM_FINISH_END ? (int64_t)r->end : -1;
    if (llm_chat_turn(c->format, c->tokenizer, line, bytes, !r, end, &ids, &n, why)) return -1;
    const uint64_t known = (r ? r->n_ids : 0) + (uint64_t)n;
    int failed = 0;
    if (!known || known >= c->room) {
        failed = llm_fail(why, known ? "the context of %u tokens is full" : "there is nothing to begin with: the "
                          "line is empty, and the model has no token that begins a text", (unsigned)c->room - 1);
    } else {
        uint32_t most = c->options->steps < c->room - known ? (uint32_t)known + c->options->steps : c->room;
        llm_sampler_params how = generate_options_sampling(c->options);
        if (r) failed = llm_request_extend(c->request, ids, n, most);
        else failed = !(c->request = llm_request_create(ids, n, most, &how));
        if (failed) llm_fail(why, "out of memory for %u tokens", (unsigned)most);
        else c->request->keep = true;
    }
    free(ids);
    return failed ? -1 : 0;
}

/* What was said so far stays said, as where --steps ends an answer. */
static void break_off(chat *c)
{
    c->request->finish = LLM_FINISH_STEPS;
    llm_schedule_sweep(&c->server.schedule);
    print_answer(c, c->request, 0);
}

static int answer(chat *c, char *why)
{
    struct sigaction before;
    int more = 1, failed;
    c->printed = c->request->n_ids;
    if (llm_server_add(&c->server, c->request, why)) return -1;
    catch_interrupts(&before);
    do failed = llm_server_step(&c->server, &more, why);
    while (!failed && more && !c->code && !interrupted && c->request->finish == LLM_FINISH_NOT);
    sigaction(SIGINT, &before, NULL);
    if (failed) return -1;
    if (c->request->finish == LLM_FINISH_NOT) break_off(c);
    output_text(&output_out, "\n");
    if (!c->code) c->code = tool_flush(&output_out);
    return 0;
}

static int talk(chat *c)
{
    char why[WHY_BYTES], *line = NULL;
    size_t room = 0;
    const int terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    while (!c->code) {
        if (terminal) output_text(&output_out, "> ");
        output_flush(&output_out);
        errno = 0;
        ssize_t n = getline(&line, &room, stdin);
        if (n < 0) {
            if (ferror(stdin)) c->code = tool_fail(EXIT_USAGE, "standard input: %s", strerror(errno));
            else if (terminal) output_text(&output_out, "\n");
            break;
        }
        while (n && (line[n - 1] == '\n' || line[n - 1] == '\r')) n--;
        if (take_line(c, line, (size_t)n, why) || answer(c, why)) c->code = tool_fail(EXIT_CHECK, "%s", why);
    }
    free(line);
    return c->code;
}

int generate_chat(const generate_options *options, const llm_model *model, const llm_tokenizer *tokenizer,
                  llm_runtime *runtime, const llm_server_params *serving)
{
    char why[WHY_BYTES];
    chat c = { .options = options, .tokenizer = tokenizer, .format = llm_chat_find(model) };
    llm_server_params params = *serving;
    params.on_ids = print_answer;
    params.user = &c;
    clkv_manager *manager = clkv_cache_manager(llm_runtime_cache(runtime));
    const uint64_t slots = (uint64_t)clkv_manager_blocks(manager) * clkv_manager_block_size(manager);
    c.room = llm_runtime_max_context(runtime);
    if (slots < c.room) c.room = (uint32_t)slots;
    c.room++; /* the last id is not computed */
    if (llm_server_init(&c.server, &params, why)) c.code = tool_fail(EXIT_CHECK, "%s", why);
    if (!c.code) talk(&c);
    llm_request_destroy(&c.request);
    llm_server_free(&c.server);
    return c.code;
}
