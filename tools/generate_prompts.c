/* generate_prompts.c: see generate_prompts.h. SPDX-License-Identifier: Apache-2.0 */
#include "generate_prompts.h"

#include "exit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Takes `text` over. Arrays of 1, 2, 4, 8 … items. */
static int add(generate_prompts *p, char *text)
{
    if (!(p->n & (p->n - 1))) {
        generate_prompt *items = realloc(p->items, (p->n ? 2 * p->n : 1) * sizeof *items);
        if (items) p->items = items;
        else free(text);
        if (!items) text = NULL;
    }
    if (!text) return tool_fail(EXIT_CHECK, "out of memory for %zu prompts", p->n + 1);
    p->items[p->n++] = (generate_prompt){ .text = text };
    return 0;
}

static int read_lines(generate_prompts *p, const char *path)
{
    FILE *in = strcmp(path, "-") ? fopen(path, "r") : stdin;
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    int code = 0;
    if (!in) return tool_fail(EXIT_USAGE, "--prompts: %s: %s", path, strerror(errno));
    errno = 0;
    while (!code && (n = getline(&line, &room, in)) >= 0) {
        while (n && (line[n - 1] == '\n' || line[n - 1] == '\r')) line[--n] = 0;
        if (memchr(line, 0, (size_t)n))
            code = tool_fail(EXIT_USAGE, "--prompts: %s: line %zu holds a 0 byte: this is no text", path, p->n + 1);
        else code = add(p, strdup(line));
    }
    if (!code && ferror(in)) code = tool_fail(EXIT_USAGE, "--prompts: %s: %s", path, strerror(errno));
    free(line);
    if (in != stdin) fclose(in);
    return code;
}

static int encode(generate_prompt *p, size_t number, const llm_model *model, const llm_tokenizer *tokenizer)
{
    if (llm_tokenizer_encode(tokenizer, p->text, strlen(p->text), LLM_ENCODE_BOS, &p->ids, &p->n))
        return tool_fail(EXIT_CHECK, "prompt %zu: out of memory for its tokens", number);
    if (p->n) return 0;
    if (model->tok.bos < 0) /* there must be something to begin with */
        return tool_fail(EXIT_USAGE, "prompt %zu is empty, and the model has no token that begins a text", number);
    free(p->ids);
    p->ids = malloc(sizeof *p->ids);
    if (!p->ids) return tool_fail(EXIT_CHECK, "prompt %zu: out of memory for its tokens", number);
    p->ids[p->n++] = (uint32_t)model->tok.bos;
    return 0;
}

int generate_prompts_read(generate_prompts *out, const generate_options *o, const llm_model *model,
                          const llm_tokenizer *tokenizer)
{
    int code = 0;
    for (size_t i = 0; !code && i < o->prompts.n; i++) code = add(out, strdup(o->prompts.items[i]));
    if (!code && o->prompts_file) code = read_lines(out, o->prompts_file);
    if (!code && !out->n) {
        if (o->prompts_file) return tool_fail(EXIT_USAGE, "--prompts: %s is empty", o->prompts_file);
        code = add(out, strdup(""));
    }
    for (size_t i = 0; !code && i < out->n; i++) code = encode(&out->items[i], i + 1, model, tokenizer);
    return code;
}

void generate_prompts_free(generate_prompts *prompts)
{
    for (size_t i = 0; i < prompts->n; i++) {
        free(prompts->items[i].text);
        free(prompts->items[i].ids);
    }
    free(prompts->items);
    *prompts = (generate_prompts){ 0 };
}
