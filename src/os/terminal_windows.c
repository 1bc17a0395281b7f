/* terminal_windows.c: see terminal.h. SPDX-License-Identifier: Apache-2.0 */
#include "os/terminal.h"

#include "os/descriptor.h"
#include "os/environment.h"

#include <io.h>
#include <string.h>

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#ifndef ENABLE_VIRTUAL_TERMINAL_PROCESSING
#define ENABLE_VIRTUAL_TERMINAL_PROCESSING 4
#endif

/* NUL and serial lines are characters' devices too, but no consoles. */
static int console_mode(int fd, DWORD *mode)
{
    return GetConsoleMode((HANDLE)_get_osfhandle(fd), mode);
}

int clkv_terminal_is(int fd)
{
    DWORD mode;
    return console_mode(fd, &mode);
}

/* A console takes them from Windows 10 on, once it is asked to. */
int clkv_terminal_takes_escapes(int fd)
{
    char term[8], plain[2];
    DWORD mode;
    if (clkv_os_environment("NO_COLOR", plain, sizeof plain) || !console_mode(fd, &mode)) return 0;
    if (clkv_os_environment("TERM", term, sizeof term) && !strcmp(term, "dumb")) return 0;
    return SetConsoleMode((HANDLE)_get_osfhandle(fd), mode | ENABLE_VIRTUAL_TERMINAL_PROCESSING);
}

/* What is seen of the console's rows, which may be longer. */
int clkv_terminal_columns(int fd)
{
    CONSOLE_SCREEN_BUFFER_INFO info;
    const int wanted = clkv_terminal_wanted_columns();
    if (wanted) return wanted;
    if (!GetConsoleScreenBufferInfo((HANDLE)_get_osfhandle(fd), &info)) return CLKV_TERMINAL_COLUMNS;
    return info.srWindow.Right >= info.srWindow.Left ? info.srWindow.Right - info.srWindow.Left + 1 : CLKV_TERMINAL_COLUMNS;
}

int clkv_terminal_open_input(void)
{
    return CLKV_STDIN;
}

FILE *clkv_terminal_open_screen(void)
{
    const int fd = _dup(CLKV_STDOUT);
    FILE *screen = fd < 0 ? NULL : _fdopen(fd, "wb");
    if (!screen && fd >= 0) _close(fd);
    return screen;
}
