/* fd.h: reads and writes file descriptors that may be non-blocking: whoever shares a terminal or a pipe with us can
 * have made it so. fd_read and fd_write wait where the descriptor is not ready.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_FD_H
#define CLKV_TOOLS_FD_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Waits until there is something, and reads at most n bytes of it. Returns how many; 0 at the end; −1 with errno,
 * which is EINTR when a signal came while it waited. With `stop` (or NULL), which a signal's handler sets, it is EINTR
 * too when *stop was set before; the descriptor is below FD_SETSIZE then. */
ssize_t fd_read(int fd, void *bytes, size_t n, const volatile sig_atomic_t *stop);

/* Whether a read would return at once. */
bool fd_is_ready(int fd);

/* Writes all n bytes, in as many pieces as it takes, signals or not. Returns 0, or −1 with errno. */
int fd_write(int fd, const void *bytes, size_t n);

#endif
