/* output.c: see output.h. SPDX-License-Identifier: Apache-2.0 */
#include "output.h"

#include "os/descriptor.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FLUSH_BYTES = 64 << 10, /* so much is written without being asked for */
    STATUS_CHARACTERS = 79, /* a longer line would go on in the next row, where it could not be covered */
};

out_stream output_out = { .fd = CLKV_STDOUT }, output_err = { .fd = CLKV_STDERR };
static int status_width; /* characters of the status line that is shown; 0 = none is */

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

/* A line that is as long as the one before covers it. */
void output_status(const char *line)
{
    if (!*line && !status_width) return;
    int width = 0, n = 0;
    for (; line[n]; n++) { /* up to the first byte of a character too many */
        if ((line[n] & 0xc0) == 0x80) continue;
        if (width == STATUS_CHARACTERS) break;
        width++;
    }
    const int rest = status_width > width ? status_width - width : 0;
    output_printf(&output_err, "\r%.*s%*s%s", n, line, rest, "", *line ? "" : "\r");
    output_flush(&output_err);
    status_width = width;
}
