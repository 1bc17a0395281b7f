/* generate_prompts.c: see generate_prompts.h. SPDX-License-Identifier: Apache-2.0 */
#include "generate_prompts.h"

#include "exit.h"
#include "os/descriptor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { READ_BYTES = 4096 };

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

/* Without the mark that some editors put at the beginning of a file. */
static char *copy_text(const char *text, size_t line)
{
    static const char mark[] = "\xef\xbb\xbf";
    return strdup(line == 1 && !strncmp(text, mark, 3) ? text + 3 : text);
}

/* What can be read from a descriptor, and a 0 behind them. NULL with errno. */
static char *read_all(int fd, size_t *bytes)
{
    char *text = NULL;
    size_t n = 0, room = 0;
    for (;;) {
        if (room - n < READ_BYTES) {
            room = 2 * room + READ_BYTES + 1;
            char *more = realloc(text, room);
            if (!more) break;
            text = more;
        }
        const ptrdiff_t got = clkv_descriptor_read(fd, text + n, room - n - 1, NULL);
        if (got == 0) {
            text[n] = 0;
            *bytes = n;
            return text;
        }
        if (got > 0) n += (size_t)got;
        else if (errno != EINTR) break;
    }
    const int error = errno;
    free(text);
    errno = error;
    return NULL;
}

/* Adds each line of a text as a prompt; with `end` 0 in place of '\n', the whole text. */
static int add_lines(generate_prompts *p, const char *option, const char *path, int end, char *text, size_t bytes)
{
    int code = bytes ? 0 : tool_fail(EXIT_USAGE, "%s: %s is empty", option, path);
    size_t line = 0;
    for (char *at = text, *next; !code && at < text + bytes; at = next) {
        const size_t left = (size_t)(text + bytes - at);
        const char *found = end ? memchr(at, end, left) : NULL;
        size_t n = found ? (size_t)(found - at) : left;
        next = at + n + (found != NULL);
        line++;
        if (!found && at[n - 1] == '\n') n--;
        if (n && at[n - 1] == '\r') n--;
        at[n] = 0;
        if (memchr(at, 0, n))
            code = tool_fail(EXIT_USAGE, end ? "%s: %s: line %zu holds a 0 byte: this is no text"
                                             : "%s: %s holds a 0 byte: this is no text", option, path, line);
        else code = add(p, copy_text(at, line));
    }
    return code;
}

/* "-": standard input. */
static int read_file(generate_prompts *p, const char *option, const char *path, int end)
{
    const int fd = strcmp(path, "-") ? clkv_descriptor_open(path) : CLKV_STDIN;
    size_t bytes;
    char *text = fd < 0 ? NULL : read_all(fd, &bytes);
    const int code = text ? add_lines(p, option, path, end, text, bytes)
                          : tool_fail(EXIT_USAGE, "%s: %s: %s", option, path, strerror(errno));
    free(text);
    if (fd > CLKV_STDIN) clkv_descriptor_close(fd);
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
    for (size_t i = 0; !code && i < o->prompt_files.n; i++)
        code = read_file(out, "--prompt-file", o->prompt_files.items[i], 0);
    if (!code && o->prompts_file) code = read_file(out, "--prompts", o->prompts_file, '\n');
    if (!code && !out->n) code = add(out, strdup(""));
    for (size_t i = 0; !code && i < out->n; i++) code = encode(&out->items[i], i + 1, model, tokenizer);
    return code;
}

void generate_prompts_tell_cut(const generate_prompts *prompts, uint32_t positions, const char *limit)
{
    const size_t most = (size_t)positions + 1; /* the last id has no position */
    size_t n = 0, first = 0;
    for (size_t i = prompts->n; i-- > 0;) {
        if (prompts->items[i].n <= most) continue;
        first = i;
        n++;
    }
    if (n == 1)
        tool_note("prompt %zu has %zu tokens and is cut to %zu: a text has %u positions (%s)", first + 1,
                  prompts->items[first].n, most, (unsigned)positions, limit);
    if (n > 1)
        tool_note("%zu prompts (the first: prompt %zu, %zu tokens) are cut to %zu: a text has %u positions (%s)", n,
                  first + 1, prompts->items[first].n, most, (unsigned)positions, limit);
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
