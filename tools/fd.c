/* fd.c: see fd.h. SPDX-License-Identifier: Apache-2.0 */
#include "fd.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

/* −1 with errno, EINTR included. An error of the descriptor is left to the call that follows. */
static int wait_for(int fd, short events)
{
    struct pollfd one = { .fd = fd, .events = events };
    return poll(&one, 1, -1) < 0 ? -1 : 0;
}

static int is_not_ready(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK;
}

ssize_t fd_read(int fd, void *bytes, size_t n)
{
    for (;;) {
        /* Before the call too: poll() returns at a signal, read() is restarted by SA_RESTART. */
        if (wait_for(fd, POLLIN)) return -1;
        const ssize_t got = read(fd, bytes, n);
        if (got >= 0 || !is_not_ready()) return got;
    }
}

int fd_write(int fd, const void *bytes, size_t n)
{
    const char *at = bytes;
    while (n) {
        const ssize_t written = write(fd, at, n);
        if (written >= 0) {
            at += written;
            n -= (size_t)written;
        } else if (is_not_ready()) {
            if (wait_for(fd, POLLOUT) && errno != EINTR) return -1;
        } else if (errno != EINTR) {
            return -1;
        }
    }
    return 0;
}
