/* terminal.h: the terminal that a user sits at; on Windows, the console. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_OS_TERMINAL_H
#define CLKV_OS_TERMINAL_H

#include <stdio.h>

enum { CLKV_TERMINAL_COLUMNS = 80 }; /* where nobody tells */

/* Whether a descriptor (descriptor.h) is a terminal: 1 or 0. */
int clkv_terminal_is(int fd);

/* Whether it is one that may get escape codes: 1 or 0. TERM is set and not "dumb"; on Windows the console has them.
 * NO_COLOR is not set. */
int clkv_terminal_takes_escapes(int fd);

/* How many characters fit into a row: COLUMNS, if it is a number from 1 to 9999; else what the terminal has now; else
 * 80. */
int clkv_terminal_columns(int fd);
int clkv_terminal_wanted_columns(void); /* COLUMNS, or 0 */

/* A description of the terminal of its own for reading, which does not block: Ctrl-C takes away what was typed, perhaps
 * after it was seen and before it is read, and a read that blocks then does not end. Standard input where that fails,
 * and on Windows, where Ctrl-C ends a read. */
int clkv_terminal_open_input(void);

/* A description of the terminal of its own for writing, which nobody else can make non-blocking: stdio would lose what
 * it does not take at once. Standard output once more where that fails; NULL where that fails too. */
FILE *clkv_terminal_open_screen(void);

#endif
