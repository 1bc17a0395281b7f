/* descriptor_posix.c: see descriptor.h. SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L /* poll, pselect */
#include "os/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/select.h>
#include <unistd.h>

void clkv_descriptor_begin(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
        /* open() takes the lowest free number, which is fd. */
        if (open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd) return;
    }
}

int clkv_descriptor_open(const char *path)
{
    return open(path, O_RDONLY | O_CLOEXEC);
}

void clkv_descriptor_close(int fd)
{
    close(fd);
}

/* −1 with errno, EINTR included. An error of the descriptor is left to the call that follows. */
static int wait_for(int fd, short events)
{
    struct pollfd one = { .fd = fd, .events = events };
    return poll(&one, 1, -1) < 0 ? -1 : 0;
}

/* The same for reading, but EINTR also when *stop is set already. Signals are blocked between that look and the wait,
 * in which they are not: one that comes in between would otherwise be noted and wake nobody. */
static int wait_unless(int fd, const atomic_int *stop)
{
    sigset_t all, before;
    fd_set set;
    int ready = -1;
    FD_ZERO(&set);
    FD_SET(fd, &set);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (*stop) errno = EINTR;
    else ready = pselect(fd + 1, &set, NULL, NULL, NULL, &before);
    const int error = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return ready < 0 ? -1 : 0;
}

int clkv_descriptor_is_ready(int fd)
{
    struct pollfd one = { .fd = fd, .events = POLLIN };
    return poll(&one, 1, 0) > 0;
}

static int is_not_ready(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK;
}

ptrdiff_t clkv_descriptor_read(int fd, void *bytes, size_t n, const atomic_int *stop)
{
    for (;;) {
        /* Before the call too: the wait returns at a signal, read() is restarted by SA_RESTART. */
        if (stop ? wait_unless(fd, stop) : wait_for(fd, POLLIN)) return -1;
        const ssize_t got = read(fd, bytes, n);
        if (got >= 0 || !is_not_ready()) return got;
    }
}

int clkv_descriptor_write(int fd, const void *bytes, size_t n)
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
