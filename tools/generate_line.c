/* generate_line.c: see generate_line.h. SPDX-License-Identifier: Apache-2.0 */
#include "generate_line.h"

#include "os/descriptor.h"
#include "os/interrupt.h"
#include "os/terminal.h"
#include "output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#ifdef CLKV_TOOLS_LIBEDIT
#include <histedit.h>
#include <locale.h>
#include <stdio.h>
#include <wchar.h>
#endif

enum { READ_BYTES = 4096 };

struct line_reader {
    bool terminal;
    int input;
    const atomic_int *interrupted;
    char *bytes; /* [at, n) is read and not yet given out */
    size_t at, n, room;
#ifdef CLKV_TOOLS_LIBEDIT
    EditLine *edit; /* NULL: lines are read as they are */
    History *history;
    FILE *screen;
    const char *prompt;
    clkv_interrupt_handling interrupt; /* the caller's */
    bool ahead;                        /* what is read was typed before the terminal was the editor's */
#endif
};

/* ---- by libedit ---- */

#ifdef CLKV_TOOLS_LIBEDIT
static line_reader *reader_of(EditLine *edit)
{
    void *reader = NULL;
    el_get(edit, EL_CLIENTDATA, &reader);
    return reader;
}

static char *prompt_of(EditLine *edit)
{
    return (char *)(size_t)reader_of(edit)->prompt;
}

/* One byte: 1, 0 at the end, −1 when interrupted or failed. The system stores Ctrl-D as a zero byte when it is typed
 * while the terminal still reads whole lines, during an answer for example. */
static int read_byte(line_reader *r, char *byte)
{
    enum { CTRL_D = 4 };
    ptrdiff_t got;
    if (r->ahead && !clkv_descriptor_is_ready(r->input)) r->ahead = false;
    do got = clkv_descriptor_read(r->input, byte, 1, r->interrupted);
    while (got < 0 && errno == EINTR && !*r->interrupted);
    if (got > 0 && r->ahead && !*byte) *byte = CTRL_D;
    return (int)got;
}

/* Libedit's own reader goes on after an interrupt; this one stops. Bytes that are no text are left out. */
static int read_character(EditLine *edit, wchar_t *out)
{
    line_reader *r = reader_of(edit);
    mbstate_t state = { 0 };
    /* While a line is read, libedit handles signals: it gives the terminal back before the program is stopped or
     * ended. Of an interrupt it would tell the whole process group, so that one stays with the caller's handler. */
    clkv_interrupt_handle(&r->interrupt);
    for (;;) {
        char byte;
        const int got = read_byte(r, &byte);
        if (got <= 0) return got;
        size_t used = mbrtowc(out, &byte, 1, &state);
        if (used == (size_t)-1) { /* perhaps it begins another character */
            state = (mbstate_t){ 0 };
            used = mbrtowc(out, &byte, 1, &state);
        }
        if (used == (size_t)-1) state = (mbstate_t){ 0 };
        else if (used != (size_t)-2) return 1;
    }
}

/* Where it fails, lines are read as they are. */
static void begin_editing(line_reader *r)
{
    HistEvent event;
    setlocale(LC_CTYPE, "");
    if (MB_CUR_MAX == 1) setlocale(LC_CTYPE, "C.UTF-8"); /* no locale is set: terminals talk UTF-8 */
    r->screen = clkv_terminal_open_screen(); /* libedit would lose what a non-blocking one does not take at once */
    r->history = history_init();
    if (r->screen && r->history) r->edit = el_init("clkv-generate", stdin, r->screen, r->screen);
    if (!r->edit) return;
    history(r->history, &event, H_SETSIZE, 1000);
    history(r->history, &event, H_SETUNIQUE, 1);
    el_set(r->edit, EL_CLIENTDATA, r);
    el_set(r->edit, EL_EDITOR, "emacs");
    el_set(r->edit, EL_SIGNAL, 1);
    el_set(r->edit, EL_PROMPT, prompt_of);
    el_set(r->edit, EL_HIST, history, r->history);
    el_set(r->edit, EL_GETCFN, read_character);
    el_source(r->edit, NULL); /* the user's ~/.editrc */
}

static void end_editing(line_reader *r)
{
    if (r->edit) el_end(r->edit);
    if (r->history) history_end(r->history);
    if (r->screen) fclose(r->screen);
}

static line_result edit_line(line_reader *r, const char *prompt, const char **line, size_t *n)
{
    int count = 0;
    HistEvent event;
    r->prompt = prompt;
    clkv_interrupt_handled(&r->interrupt);
    /* Before the prompt is seen: libedit takes the terminal after it, and a key that comes in between would be stored
     * as the system stores whole lines. */
    el_set(r->edit, EL_PREP_TERM, 1);
    r->ahead = true;
    *line = el_gets(r->edit, &count);
    if (*r->interrupted || !*line || count <= 0) {
        fputc('\n', r->screen);
        fflush(r->screen);
        return *r->interrupted ? LINE_INTERRUPTED : count < 0 ? LINE_FAILED : LINE_END;
    }
    *n = strlen(*line);
    while (*n && ((*line)[*n - 1] == '\n' || (*line)[*n - 1] == '\r')) --*n;
    if (*n) history(r->history, &event, H_ENTER, *line);
    return LINE_READ;
}
#endif

/* ---- as they are ---- */

static int fill(line_reader *r)
{
    if (r->room - r->n < READ_BYTES) {
        char *bytes = realloc(r->bytes, 2 * r->room + READ_BYTES);
        if (!bytes) return -1;
        r->bytes = bytes;
        r->room = 2 * r->room + READ_BYTES;
    }
    ptrdiff_t got;
    do got = clkv_descriptor_read(r->input, r->bytes + r->n, r->room - r->n, r->interrupted);
    while (got < 0 && errno == EINTR && !*r->interrupted);
    if (got > 0) r->n += (size_t)got;
    return got < 0 ? -1 : got > 0;
}

/* The last line may have no end. */
static line_result plain_line(line_reader *r, const char **line, size_t *n)
{
    size_t looked = 0;
    for (int more = 1;;) {
        const char *start = r->bytes ? r->bytes + r->at : NULL;
        const size_t there = r->n - r->at;
        const char *end = there > looked ? memchr(start + looked, '\n', there - looked) : NULL;
        if (end || (!more && there)) {
            *line = start;
            *n = end ? (size_t)(end - start) : there;
            r->at += *n + (end != NULL);
            while (*n && (*line)[*n - 1] == '\r') --*n;
            return LINE_READ;
        }
        if (!more) return LINE_END;
        looked = there;
        if (r->at) {
            memmove(r->bytes, r->bytes + r->at, there);
            r->n = there;
            r->at = 0;
        }
        more = fill(r);
        if (more >= 0) continue;
        if (!*r->interrupted) return LINE_FAILED;
        r->n = 0;
        return LINE_INTERRUPTED;
    }
}

/* ---- the reader ---- */

line_reader *line_reader_create(bool terminal, const atomic_int *interrupted)
{
    line_reader *r = calloc(1, sizeof *r);
    if (!r) return NULL;
    r->terminal = terminal;
    r->input = terminal ? clkv_terminal_open_input() : CLKV_STDIN;
    r->interrupted = interrupted;
#ifdef CLKV_TOOLS_LIBEDIT
    if (terminal && clkv_terminal_takes_escapes(CLKV_STDOUT)) begin_editing(r);
#endif
    return r;
}

void line_reader_destroy(line_reader **reader)
{
    line_reader *r = *reader;
    if (!r) return;
#ifdef CLKV_TOOLS_LIBEDIT
    end_editing(r);
#endif
    if (r->input != CLKV_STDIN) clkv_descriptor_close(r->input);
    free(r->bytes);
    free(r);
    *reader = NULL;
}

line_result line_read(line_reader *r, const char *prompt, const char **line, size_t *n)
{
    output_flush(&output_out);
#ifdef CLKV_TOOLS_LIBEDIT
    if (r->edit) return edit_line(r, prompt, line, n);
#endif
    if (r->terminal) output_text(&output_out, prompt);
    output_flush(&output_out);
    const line_result result = plain_line(r, line, n);
    if (r->terminal && result != LINE_READ) output_text(&output_out, "\n");
    return result;
}
