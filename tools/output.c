/* output.c: see output.h. SPDX-License-Identifier: Apache-2.0 */
#include "output.h"

#include "os/descriptor.h"
#include "os/terminal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FLUSH_BYTES = 64 << 10, /* so much is written without being asked for */
};

out_stream output_out = { .fd = CLKV_STDOUT }, output_err = { .fd = CLKV_STDERR };
static int status_width; /* columns of the status line that is shown, or more; 0 = none is */

static int make_room(out_stream *o, size_t more)
{
    if (o->room - o->n >= more) return 0;
    const size_t room = 2 * o->room > o->n + more ? 2 * o->room : o->n + more + 1024;
    char *bytes = realloc(o->bytes, room);
    if (!bytes) return -1;
    o->bytes = bytes;
    o->room = room;
    return 0;
}

int output_flush(out_stream *o)
{
    if (!o->error && o->fd >= 0 && o->n) {
        if (clkv_descriptor_write(o->fd, o->bytes, o->n)) o->error = errno;
        o->n = 0;
    }
    return o->error ? -1 : 0;
}

void output_bytes(out_stream *o, const char *bytes, size_t n)
{
    if (o->error) return;
    if (make_room(o, n)) {
        o->error = ENOMEM;
        return;
    }
    if (n) memcpy(o->bytes + o->n, bytes, n);
    o->n += n;
    if (o->n >= FLUSH_BYTES) output_flush(o);
}

void output_text(out_stream *o, const char *text)
{
    output_bytes(o, text, strlen(text));
}

static int print(out_stream *o, const char *fmt, va_list args)
{
    char little[512], *text = little;
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(little, sizeof little, fmt, args);
    if (n >= (int)sizeof little) {
        text = malloc((size_t)n + 1);
        if (text) vsnprintf(text, (size_t)n + 1, fmt, again);
    }
    va_end(again);
    if (n < 0 || !text) {
        if (!o->error) o->error = n < 0 ? EILSEQ : ENOMEM;
        return 0;
    }
    output_bytes(o, text, (size_t)n);
    if (text != little) free(text);
    return n;
}

int output_printf(out_stream *o, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const int n = print(o, fmt, args);
    va_end(args);
    return n;
}

/* How many columns a terminal may need for the character that begins with a byte. Beyond the alphabets of Europe it can be
 * two, and which ones are differs between terminals. */
static int columns_of(unsigned char first)
{
    return (first & 0xc0) == 0x80 ? 0 : first < 0xe1 ? 1 : 2;
}

/* A line that fills the row, or goes on in the next one, could not be taken away. */
void output_status(const char *line)
{
    if (!*line && !status_width) return;
    const int most = clkv_terminal_columns(output_err.fd) - 1;
    int width = 0, n = 0;
    for (; line[n] && width + columns_of((unsigned char)line[n]) <= most; n++) width += columns_of((unsigned char)line[n]);
    if (status_width > most) status_width = most; /* the terminal has become narrower */
    if (status_width > 0) output_printf(&output_err, "\r%*s", status_width, "");
    output_printf(&output_err, "\r%.*s", n, line);
    output_flush(&output_err);
    status_width = width;
}
