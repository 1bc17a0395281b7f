/* stream.h: the standard streams of a program and the files that it reads: descriptors of the C library, and bytes on
 * every system.
 *
 * A descriptor may be non-blocking: whoever shares a terminal or a pipe with us can have made it so. clkv_stream_read
 * and clkv_stream_write wait where the descriptor is not ready. What is read from a console of Windows, and written to
 * one, is UTF-8 here.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_OS_STREAM_H
#define CLKV_OS_STREAM_H

#include <stdatomic.h>
#include <stddef.h>

enum { CLKV_STREAM_IN, CLKV_STREAM_OUT, CLKV_STREAM_ERR }; /* standard input, output, error */

/* First of all: a standard stream that the caller has closed becomes one that cannot be used, so that no file that is
 * opened later takes its number and gets what is printed. */
void clkv_stream_begin(void);

/* Opens a file, whose path is UTF-8, for reading. −1 with errno. */
int clkv_stream_open(const char *path);
void clkv_stream_close(int stream);

/* Waits until there is something, and reads at most n bytes of it. Returns how many; 0 at the end; −1 with errno,
 * which is EINTR when a signal came while it waited. With `stop` (or NULL), which a signal's handler sets, it is EINTR
 * too when *stop was set before; the descriptor is below FD_SETSIZE then. On Windows Ctrl-C ends a read of the console
 * only. */
ptrdiff_t clkv_stream_read(int stream, void *bytes, size_t n, const atomic_int *stop);

/* Whether a read would return at once: 1 or 0. */
int clkv_stream_is_ready(int stream);

/* Writes all n bytes, in as many pieces as it takes, signals or not. 0, or −1 with errno: EPIPE when nobody reads any
 * more. */
int clkv_stream_write(int stream, const void *bytes, size_t n);

#endif
