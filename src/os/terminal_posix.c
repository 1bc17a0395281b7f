/* terminal_posix.c: see terminal.h. SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L /* ttyname, fdopen, O_CLOEXEC */
#define _DARWIN_C_SOURCE        /* struct winsize on Apple's systems */
#include "os/terminal.h"

#include "os/environment.h"

#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int clkv_terminal_is(int fd)
{
    return isatty(fd);
}

int clkv_terminal_takes_escapes(int fd)
{
    char term[8], plain[2];
    return isatty(fd) && clkv_os_environment("TERM", term, sizeof term) && strcmp(term, "dumb") &&
           !clkv_os_environment("NO_COLOR", plain, sizeof plain);
}

int clkv_terminal_columns(int fd)
{
    struct winsize size;
    const int wanted = clkv_terminal_wanted_columns();
    if (wanted) return wanted;
    return !ioctl(fd, TIOCGWINSZ, &size) && size.ws_col ? size.ws_col : CLKV_TERMINAL_COLUMNS;
}

int clkv_terminal_open_input(void)
{
    const char *name = ttyname(STDIN_FILENO);
    const int fd = name ? open(name, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC) : -1;
    return fd < 0 ? STDIN_FILENO : fd;
}

FILE *clkv_terminal_open_screen(void)
{
    const char *name = ttyname(STDOUT_FILENO);
    int fd = name ? open(name, O_WRONLY | O_NOCTTY | O_CLOEXEC) : -1;
    if (fd < 0) fd = dup(STDOUT_FILENO);
    FILE *screen = fd < 0 ? NULL : fdopen(fd, "w");
    if (!screen && fd >= 0) close(fd);
    return screen;
}
