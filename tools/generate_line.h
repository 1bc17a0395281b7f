/* generate_line.h: the lines of standard input, one at a time. On a terminal a prompt stands before each, and where the
 * program was built with libedit and the terminal takes escape codes, arrow keys edit the line and bring back earlier
 * ones. Elsewhere lines are bytes up to a line end.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_GENERATE_LINE_H
#define CLKV_TOOLS_GENERATE_LINE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct line_reader line_reader;

typedef enum line_result {
    LINE_READ,
    LINE_END,         /* the end of the input; Ctrl-D on a terminal */
    LINE_INTERRUPTED, /* *interrupted was set while it waited: what was typed so far is dropped */
    LINE_FAILED,      /* errno says why */
} line_result;

/* `terminal`: standard input and output are one. `interrupted` is set by the handler of Ctrl-C that the caller has
 * installed. NULL: no memory. */
line_reader *line_reader_create(bool terminal, const atomic_int *interrupted);
void line_reader_destroy(line_reader **reader);

/* *line is the next line without its end, *n its bytes; valid until the next call. */
line_result line_read(line_reader *reader, const char *prompt, const char **line, size_t *n);

#endif
