/* output.h: what the tools print, on stdout and stderr.
 *
 *   output_printf ──▶ buffer ──(full, or output_flush)──▶ clkv_descriptor_write ──▶ descriptor
 *
 * All tools print through here and never through stdio, which loses what a non-blocking descriptor does not take at
 * once. The first failure is kept, and what is printed after it is dropped; who flushes at the end learns of it.
 * Nothing is written before a flush, so a program flushes when the user is to see something, and before it ends.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_OUTPUT_H
#define CLKV_TOOLS_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

#if defined(__clang__)
#define TOOLS_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#elif defined(__GNUC__) /* of MinGW's two sorts of printf, the one that knows %zu */
#define TOOLS_PRINTF(fmt, args) __attribute__((format(gnu_printf, fmt, args)))
#else
#define TOOLS_PRINTF(fmt, args)
#endif

typedef struct out_stream {
    int fd;      /* −1: what is printed stays in `bytes` */
    char *bytes; /* not written yet */
    size_t n, room;
    int error;   /* errno of the first failure, else 0 */
    bool told;   /* tool_flush has printed a message about it */
} out_stream;

extern out_stream output_out, output_err; /* stdout and stderr */

void output_bytes(out_stream *o, const char *bytes, size_t n);
void output_text(out_stream *o, const char *text);

/* As printf: returns how many bytes the text has. */
int output_printf(out_stream *o, const char *fmt, ...) TOOLS_PRINTF(2, 3);

/* Writes what is there; waits for a slow reader. 0, or −1 when anything has failed so far: o->error says what. */
int output_flush(out_stream *o);

/* A line on stderr that the next one replaces, cut so that it fits into a row; "" takes it away. Nothing but carriage
 * returns and spaces is needed for it, so that it works on every terminal. The caller knows that stderr is one. */
void output_status(const char *line);

#endif
