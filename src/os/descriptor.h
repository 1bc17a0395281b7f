/* descriptor.h: descriptors of the C library: the standard streams of a program, and the files that it reads. They hold
 * bytes on every system.
 *
 * A descriptor may be non-blocking: whoever shares a terminal or a pipe with us can have made it so. clkv_descriptor_read
 * and clkv_descriptor_write wait where the descriptor is not ready. What is read from a console of Windows, and written to
 * one, is UTF-8 here.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_OS_DESCRIPTOR_H
#define CLKV_OS_DESCRIPTOR_H

#include <stdatomic.h>
#include <stddef.h>

enum { CLKV_STDIN, CLKV_STDOUT, CLKV_STDERR }; /* standard input, output, error */

/* First of all: a standard stream that the caller has closed becomes one that cannot be used, so that no file that is
 * opened later takes its number and gets what is printed. */
void clkv_descriptor_begin(void);

/* Opens a file, whose path is UTF-8, for reading. −1 with errno. */
int clkv_descriptor_open(const char *path);
void clkv_descriptor_close(int fd);

/* Waits until there is something, and reads at most n bytes of it. Returns how many; 0 at the end; −1 with errno,
 * which is EINTR when a signal came while it waited. With `stop` (or NULL), which a signal's handler sets, it is EINTR
 * too when *stop was set before; the descriptor is below FD_SETSIZE then. On Windows Ctrl-C ends a read of the console
 * only. */
ptrdiff_t clkv_descriptor_read(int fd, void *bytes, size_t n, const atomic_int *stop);

/* Whether a read would return at once: 1 or 0. */
int clkv_descriptor_is_ready(int fd);

/* Writes all n bytes, in as many pieces as it takes, signals or not. 0, or −1 with errno: EPIPE when nobody reads any
 * more. */
int clkv_descriptor_write(int fd, const void *bytes, size_t n);

#endif
