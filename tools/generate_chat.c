/* generate_chat.c: see generate_chat.h. SPDX-License-Identifier: Apache-2.0 */
#include "generate_chat.h"

#include "clock.h"
#include "exit.h"
#include "generate_line.h"
#include "generate_output.h"
#include "llm/chat.h"
#include "os/descriptor.h"
#include "os/interrupt.h"
#include "os/terminal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct chat {
    const generate_options *options;
    const llm_model *model;
    const llm_tokenizer *tokenizer;
    const llm_chat_format *format;
    clkv_cache *cache;
    llm_server server;
    llm_request *request; /* NULL before the first turn */
    bool terminal;        /* a user sits at both ends */
    bool unanswered;      /* a line got no answer */
    uint32_t context;     /* tokens that a conversation may have */
    uint32_t printed;     /* of the request's ids */
    int code;             /* 0, or what to exit with: its message is printed */
    /* over all answers, those before /reset too */
    uint64_t asked, reused, generated, answers;
    double seconds;
} chat;

/* ---- what the chat says itself ----
 * Standard output has nothing but answers when it is no terminal. */

static out_stream *words(const chat *c)
{
    return c->terminal ? &output_out : &output_err;
}

static void say(const chat *c, const char *fmt, ...) TOOLS_PRINTF(2, 3);

static void say(const chat *c, const char *fmt, ...)
{
    char line[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    if (c->terminal) output_printf(&output_out, "%s\n", line);
    else tool_note("%s", line);
}

/* The line stays without an answer. */
static void refuse(chat *c, const char *fmt, ...) TOOLS_PRINTF(2, 3);

static void refuse(chat *c, const char *fmt, ...)
{
    char line[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    say(c, "%s", line);
    c->unanswered = true;
}

static uint32_t used(const chat *c)
{
    const uint32_t n = c->request ? c->request->n_ids : 0;
    return n < c->context ? n : c->context; /* the last id needs no place */
}

static void say_full(const chat *c)
{
    say(c, "the context of %u tokens is full: /reset begins a new conversation", (unsigned)c->context);
}

static void greet(const chat *c)
{
    char name[TOOL_SHOWN_BYTES], architecture[TOOL_SHOWN_BYTES];
    const char *slash = strrchr(c->options->model, '/');
    const char *model = *c->model->name ? c->model->name : slash ? slash + 1 : c->options->model;
    tool_shown(model, strlen(model), name);
    tool_shown(c->model->architecture, strlen(c->model->architecture), architecture);
    say(c, "Chat with %s (%s, %s), context %u tokens. /help /reset /stats; Ctrl-C stops an answer, Ctrl-D ends.", name,
        architecture, llm_chat_name(c->format), (unsigned)c->context);
}

/* ---- commands ---- */

static void help(chat *c)
{
    output_text(words(c), "/help    this list\n"
                          "/reset   forget the conversation and begin a new one\n"
                          "/stats   tokens, blocks, speed and cache hits so far\n"
                          "//TEXT   a line that begins with one /\n"
                          "Ctrl-C   stops an answer; what was said stays\n"
                          "Ctrl-D   ends the chat\n");
}

/* The blocks stay in the cache, where a later conversation with the same beginning finds them. */
static void reset(chat *c)
{
    llm_request_destroy(&c->request);
    if (c->terminal) say(c, "a new conversation");
}

static void stats(chat *c)
{
    out_stream *out = words(c);
    clkv_stats s = CLKV_PARAMS_INIT(clkv_stats);
    const llm_request *r = c->request;
    if (clkv_cache_get_stats(c->cache, &s)) {
        say(c, "no statistics: %s", clkv_last_error()->message);
        return;
    }
    const uint32_t last = r ? r->n_ids - r->n_prompt : 0;
    output_printf(out, "context     %u of %u tokens\n", (unsigned)used(c), (unsigned)c->context);
    output_printf(out, "blocks      %llu used, %llu cached, %llu free; %u tokens each\n",
                  (unsigned long long)s.blocks_used, (unsigned long long)s.blocks_cached,
                  (unsigned long long)s.blocks_free,
                  (unsigned)clkv_manager_block_size(clkv_cache_manager(c->cache)));
    output_printf(out, "answers     %llu, of %llu tokens in %.2f s", (unsigned long long)c->answers,
                  (unsigned long long)c->generated, c->seconds);
    if (c->seconds > 0) output_printf(out, ": %.1f tokens/s", (double)c->generated / c->seconds);
    output_text(out, "\n");
    if (last && r->ended > r->begun)
        output_printf(out, "last answer %u tokens, the first after %.2f s; %.1f tokens/s\n", (unsigned)last,
                      r->first - r->begun, last / (r->ended - r->begun));
    output_printf(out, "cache hits  %llu of %llu prompt tokens were there already\n", (unsigned long long)c->reused,
                  (unsigned long long)c->asked);
}

static const struct {
    const char *name;
    void (*run)(chat *c);
} commands[] = { { "/help", help }, { "/reset", reset }, { "/stats", stats } };

static void command(chat *c, const char *line, size_t bytes)
{
    char shown[TOOL_SHOWN_BYTES];
    while (bytes && (line[bytes - 1] == ' ' || line[bytes - 1] == '\t')) bytes--;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strlen(commands[i].name) != bytes || memcmp(commands[i].name, line, bytes)) continue;
        commands[i].run(c);
        output_flush(words(c));
        return;
    }
    refuse(c, "there is no command %s: /help lists them, and // begins a text with /", tool_shown(line, bytes, shown));
}

/* ---- turns ---- */

static void print_answer(void *user, llm_request *request, uint32_t n)
{
    chat *c = user;
    if (!c->options->stream && !c->terminal && request->finish == LLM_FINISH_NOT) return;
    (void)n;
    if (!c->code) c->code = generate_print_ids(c->tokenizer, request->ids, c->printed, request->n_ids);
    c->printed = request->n_ids;
    if (!c->code) c->code = tool_flush(&output_out);
}

/* Whether n more ids leave room for an answer; says so when they do not. */
static bool fits(chat *c, size_t n)
{
    const uint64_t left = c->context - used(c);
    if (n && n <= left) return true;
    c->unanswered = true;
    if (!n) say(c, "there is nothing to begin with: the line is empty, and the model has no token that begins a text");
    else if (!left) say_full(c);
    else say(c, "this line has %zu tokens, and the context of %u tokens has room for %u: %s", n, (unsigned)c->context,
             (unsigned)left, c->request ? "a shorter one may fit, or /reset" : "a shorter one may fit");
    return false;
}

/* The turn's ids are in the request afterwards. 1: it is to be answered; 0: it cannot be; −1: failed. */
static int take_line(chat *c, const char *line, size_t bytes, char *why)
{
    uint32_t *ids = NULL;
    size_t n;
    llm_request *r = c->request;
    const int64_t end = r && r->finish == LLM_FINISH_END ? (int64_t)r->end : -1;
    if (llm_chat_turn(c->format, c->tokenizer, line, bytes, !r, end, &ids, &n, why)) return -1;
    int result = fits(c, n);
    if (result) {
        const uint32_t known = used(c) + (uint32_t)n, room = c->context + 1;
        const uint32_t most = c->options->steps < room - known ? known + c->options->steps : room;
        const llm_sampler_params how = generate_options_sampling(c->options);
        const bool made = r ? !llm_request_extend(r, ids, n, most) : (r = llm_request_create(ids, n, most, &how)) != NULL;
        c->request = r;
        if (made) r->keep = true;
        else result = llm_fail(why, "out of memory for %u tokens", (unsigned)most);
    }
    free(ids);
    return result;
}

/* What was said so far stays said, as where --steps ends an answer. */
static void break_off(chat *c)
{
    c->request->finish = LLM_FINISH_STEPS;
    c->request->ended = clock_seconds();
    llm_schedule_sweep(&c->server.schedule);
    print_answer(c, c->request, 0);
}

static void count(chat *c)
{
    const llm_request *r = c->request;
    c->answers++;
    c->asked += r->n_prompt;
    c->reused += r->reused;
    c->generated += r->n_ids - r->n_prompt;
    c->seconds += r->ended - r->begun;
}

static int answer(chat *c, char *why)
{
    clkv_interrupt_handling before;
    int more = 1, failed;
    c->printed = c->request->n_ids;
    if (llm_server_add(&c->server, c->request, why)) return -1;
    clkv_interrupt_watch(&before);
    do failed = llm_server_step(&c->server, &more, why);
    while (!failed && more && !c->code && !clkv_interrupt_pressed && c->request->finish == LLM_FINISH_NOT);
    clkv_interrupt_handle(&before);
    if (failed) return -1;
    if (c->request->finish == LLM_FINISH_NOT) break_off(c);
    count(c);
    output_text(&output_out, "\n");
    if (c->request->n_ids > c->context) say_full(c);
    if (!c->code) c->code = tool_flush(&output_out);
    return 0;
}

static void turn(chat *c, const char *line, size_t n)
{
    char why[WHY_BYTES];
    const bool slash = n && *line == '/', text = n > 1 && slash && line[1] == '/';
    if (slash && !text) {
        command(c, line, n);
        return;
    }
    int taken = take_line(c, line + text, n - text, why);
    if (taken > 0) taken = answer(c, why);
    if (taken < 0) c->code = tool_fail(EXIT_CHECK, "%s", why);
}

/* One line of input; false at its end. */
static bool next(chat *c, line_reader *reader)
{
    char prompt[48];
    const char *line;
    size_t n;
    clkv_interrupt_pressed = 0;
    snprintf(prompt, sizeof prompt, "[%u/%u] > ", (unsigned)used(c), (unsigned)c->context);
    switch (line_read(reader, prompt, &line, &n)) {
    case LINE_READ: turn(c, line, n); break;
    case LINE_END: return false;
    case LINE_INTERRUPTED: say(c, "Ctrl-D ends the chat"); break;
    case LINE_FAILED: c->code = tool_fail(EXIT_USAGE, "standard input: %s", strerror(errno)); break;
    }
    return !c->code;
}

static void talk(chat *c)
{
    clkv_interrupt_handling before;
    line_reader *reader = line_reader_create(c->terminal, &clkv_interrupt_pressed);
    if (!reader) {
        c->code = tool_fail(EXIT_CHECK, "out of memory");
        return;
    }
    if (c->terminal) {
        clkv_interrupt_watch(&before);
        greet(c);
    }
    while (next(c, reader)) {}
    if (c->terminal) clkv_interrupt_handle(&before);
    line_reader_destroy(&reader);
    if (!c->code) c->code = tool_flush(&output_out);
    if (!c->code && c->unanswered && !c->terminal) c->code = EXIT_CHECK;
}

int generate_chat(const generate_options *options, const llm_model *model, const llm_tokenizer *tokenizer,
                  llm_runtime *runtime, const llm_server_params *serving)
{
    char why[WHY_BYTES];
    chat c = { .options = options, .model = model, .tokenizer = tokenizer, .format = llm_chat_find(model),
               .cache = llm_runtime_cache(runtime),
               .terminal = clkv_terminal_is(CLKV_STDIN) && clkv_terminal_is(CLKV_STDOUT) };
    llm_server_params params = *serving;
    params.on_ids = print_answer;
    params.user = &c;
    clkv_manager *manager = clkv_cache_manager(c.cache);
    const uint64_t slots = (uint64_t)clkv_manager_blocks(manager) * clkv_manager_block_size(manager);
    c.context = llm_runtime_max_context(runtime);
    if (slots < c.context) c.context = (uint32_t)slots;
    if (llm_server_init(&c.server, &params, why)) c.code = tool_fail(EXIT_CHECK, "%s", why);
    if (!c.code) talk(&c);
    llm_request_destroy(&c.request);
    llm_server_free(&c.server);
    return c.code;
}
