/* exit.h: what the tools exit with, and how they say why.
 *
 * Every message is one line on stderr that begins with the program's name and says what is wrong, and where.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_EXIT_H
#define CLKV_TOOLS_EXIT_H

#include "output.h"

#include <clkv/status.h>

#include <stddef.h>

enum {
    EXIT_GOOD = 0,      /* done, and every check passed */
    EXIT_CHECK = 1,     /* done, but a check failed; or the work could not be done to its end */
    EXIT_USAGE = 2,     /* usage, or unreadable or malformed input */
    EXIT_NO_DEVICE = 3, /* no usable device */
};

/* Begins a program: the last part of argv[0] is its name in messages, and standard streams that are closed are made
 * harmless (clkv_descriptor_begin). options_parse calls it. */
void tool_begin(const char *argv0);
const char *tool_name(void);

/* Prints "name: message" and returns `code`, so that `return tool_fail(EXIT_USAGE, …);` does both. */
int tool_fail(int code, const char *fmt, ...) TOOLS_PRINTF(2, 3);

/* The same for what is worth knowing and no failure. */
void tool_note(const char *fmt, ...) TOOLS_PRINTF(1, 2);

/* Writes what was printed so far. Returns 0, or EXIT_CHECK when not all of it could be written. The first time a
 * message says why, except where the reader has closed the pipe: that ends a program quietly. */
int tool_flush(out_stream *o);

/* Text out of a file, fit to be printed in a message: hostile ones may be megabytes of what a terminal obeys. What
 * does not fit is cut, and ends in "...". Returns `out`. */
#define TOOL_SHOWN_BYTES 64
const char *tool_shown(const char *text, size_t bytes, char out[TOOL_SHOWN_BYTES]);

/* tool_fail for a failed call of the library: "name: doing: text of the status: last error's message".
 * The code follows from the status: NO_DEVICE and BUILD are EXIT_NO_DEVICE; INVALID, UNSUPPORTED, LIMIT and
 * the two kinds of too little memory are EXIT_USAGE (what was asked for cannot be served); the rest is
 * EXIT_CHECK. */
int tool_fail_status(clkv_status status, const char *fmt, ...) TOOLS_PRINTF(2, 3);

#endif
