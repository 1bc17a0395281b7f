/* child_posix.c: see child.h. SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L /* setenv */
#include "os/child.h"

#include "os/interrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __APPLE__
#include <mach-o/dyld.h>
#endif

int clkv_child_environment(const char *name, const char *value)
{
    return setenv(name, value, 1);
}

/* Becomes this program anew, with its standard output in a pipe. If that fails, writes errno into the other pipe, which
 * closes when it succeeds. */
static void run_this_program(char *const *argv, int output, int failure)
{
    int ready = dup2(output, STDOUT_FILENO) >= 0 && fcntl(failure, F_SETFD, FD_CLOEXEC) >= 0;
#ifdef __APPLE__
    char path[PATH_MAX];
    uint32_t room = sizeof path;
    ready = ready && !_NSGetExecutablePath(path, &room);
    if (ready) execv(path, argv);
#else
    if (ready) execv("/proc/self/exe", argv);
#endif
    const int error = errno;
    _exit(write(failure, &error, sizeof error) == sizeof error ? 126 : 127);
}

/* Reads to the end, so that the child can print more than there is room for. */
static void read_output(int fd, pid_t child, char *output, size_t room)
{
    char rest[256];
    size_t n = 0;
    for (;;) {
        const int full = n + 1 >= room;
        const ssize_t got = read(fd, full ? rest : output + n, full ? sizeof rest : room - 1 - n);
        if (got < 0 && errno == EINTR) {
            if (clkv_interrupt_seen()) kill(child, SIGTERM); /* Ctrl-C reaches both, a signal of `kill` only one */
            continue;
        }
        if (got <= 0) break;
        if (!full) n += (size_t)got;
    }
    output[n] = 0;
}

int clkv_child_run(char *const *argv, char *output, size_t room, int *code, char why[CLKV_OS_WHY])
{
    int ends[2], failure[2], state = 0, error = 0;
    if (pipe(ends)) {
        snprintf(why, CLKV_OS_WHY, "no pipe: %s", strerror(errno));
        return -1;
    }
    if (pipe(failure)) {
        snprintf(why, CLKV_OS_WHY, "no pipe: %s", strerror(errno));
        close(ends[0]);
        close(ends[1]);
        return -1;
    }
    const pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        close(failure[0]);
        run_this_program(argv, ends[1], failure[1]);
    }
    if (pid < 0) error = errno;
    close(ends[1]);
    close(failure[1]);
    read_output(ends[0], pid, output, room);
    close(ends[0]);
    while (!error && waitpid(pid, &state, 0) < 0)
        if (errno != EINTR) error = errno;
    if (!error && read(failure[0], &error, sizeof error) != sizeof error) error = 0;
    close(failure[0]);
    if (error) snprintf(why, CLKV_OS_WHY, "cannot start a child process: %s", strerror(error));
    else if (!WIFEXITED(state)) snprintf(why, CLKV_OS_WHY, "the child process was ended by signal %d", WTERMSIG(state));
    else *code = WEXITSTATUS(state);
    return error || !WIFEXITED(state) ? -1 : 0;
}
