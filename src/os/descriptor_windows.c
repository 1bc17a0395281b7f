/* descriptor_windows.c: see descriptor.h. A console gets and gives UTF-16; everything else gets and gives bytes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "os/descriptor.h"

#include "os/text_windows.h"

#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <stdlib.h>
#include <string.h>

enum { CONSOLE_CHARACTERS = 1024, AT_ONCE = 1 << 20 };

/* What was read from the console and not yet given out: a caller may want less than a character. */
static struct {
    char bytes[4 * CONSOLE_CHARACTERS];
    size_t at, n;
} typed;

static HANDLE handle_of(int fd)
{
    return (HANDLE)_get_osfhandle(fd);
}

/* A handle is −1 when the descriptor is not open, and −2 when it leads nowhere. */
static int is_closed(int fd)
{
    const intptr_t handle = _get_osfhandle(fd);
    return handle == -1 || handle == -2;
}

static int is_console(HANDLE handle)
{
    DWORD mode;
    return GetConsoleMode(handle, &mode);
}

static int fail_with(DWORD error)
{
    switch (error) {
    case ERROR_BROKEN_PIPE:
    case ERROR_NO_DATA:
    case ERROR_PIPE_NOT_CONNECTED: errno = EPIPE; break;
    case ERROR_DISK_FULL:
    case ERROR_HANDLE_DISK_FULL: errno = ENOSPC; break;
    case ERROR_INVALID_HANDLE:
    case ERROR_ACCESS_DENIED: errno = EBADF; break;
    default: errno = EIO;
    }
    return -1;
}

/* A function that is handed a descriptor that is not open would end the program. */
static void ignore(const wchar_t *expression, const wchar_t *function, const wchar_t *file, unsigned line,
                   uintptr_t unused)
{
    (void)expression, (void)function, (void)file, (void)line, (void)unused;
}

void clkv_descriptor_begin(void)
{
    _set_invalid_parameter_handler(ignore);
    for (int fd = CLKV_STDIN; fd <= CLKV_STDERR; fd++) {
        /* _wopen() takes the lowest free number, which is fd. */
        if (is_closed(fd) && _wopen(L"NUL", fd == CLKV_STDIN ? _O_WRONLY : _O_RDONLY) != fd) return;
        _setmode(fd, _O_BINARY);
    }
}

int clkv_descriptor_open(const char *path)
{
    wchar_t wide[CLKV_WIDE_PATH];
    if (clkv_os_widen(path, wide, CLKV_WIDE_PATH)) {
        errno = ENOENT;
        return -1;
    }
    const int fd = _wopen(wide, _O_RDONLY | _O_BINARY | _O_NOINHERIT);
    if (fd < 0 && errno == EACCES) { /* what Windows says of a folder */
        const DWORD attributes = GetFileAttributesW(wide);
        errno = attributes != INVALID_FILE_ATTRIBUTES && attributes & FILE_ATTRIBUTE_DIRECTORY ? EISDIR : EACCES;
    }
    return fd;
}

void clkv_descriptor_close(int fd)
{
    _close(fd);
}

/* Ctrl-C ends the call without characters, and Windows runs the handler on a thread of its own: waits for that. */
static int interrupted(const atomic_int *stop)
{
    for (int wait = 0; stop && !*stop && wait < 100; wait++) Sleep(10);
    errno = EINTR;
    return -1;
}

/* Reads a line of the console, or a part of a long one, into `typed`. Ctrl-Z at its beginning ends the input. */
static int fill_typed(HANDLE handle, const atomic_int *stop)
{
    wchar_t wide[CONSOLE_CHARACTERS];
    DWORD n = 0, more = 0;
    typed.at = typed.n = 0;
    SetLastError(0);
    if (!ReadConsoleW(handle, wide, CONSOLE_CHARACTERS - 1, &n, NULL)) return fail_with(GetLastError());
    if (!n) return GetLastError() == ERROR_OPERATION_ABORTED ? interrupted(stop) : 0;
    if (wide[0] == 0x1a) return 0;
    if (wide[n - 1] >= 0xd800 && wide[n - 1] < 0xdc00 && ReadConsoleW(handle, wide + n, 1, &more, NULL)) n += more;
    const int bytes = WideCharToMultiByte(CP_UTF8, 0, wide, (int)n, typed.bytes, sizeof typed.bytes, NULL, NULL);
    typed.n = bytes > 0 ? (size_t)bytes : 0;
    return 0;
}

static ptrdiff_t read_console(HANDLE handle, void *bytes, size_t n, const atomic_int *stop)
{
    if (typed.at == typed.n && fill_typed(handle, stop)) return -1;
    if (n > typed.n - typed.at) n = typed.n - typed.at;
    memcpy(bytes, typed.bytes + typed.at, n);
    typed.at += n;
    return (ptrdiff_t)n;
}

ptrdiff_t clkv_descriptor_read(int fd, void *bytes, size_t n, const atomic_int *stop)
{
    const HANDLE handle = handle_of(fd);
    DWORD got = 0;
    if (stop && *stop) {
        errno = EINTR;
        return -1;
    }
    if (is_console(handle)) return read_console(handle, bytes, n, stop);
    if (ReadFile(handle, bytes, n < AT_ONCE ? (DWORD)n : AT_ONCE, &got, NULL)) return (ptrdiff_t)got;
    const DWORD error = GetLastError(); /* a pipe whose writer has gone is at its end */
    return error == ERROR_BROKEN_PIPE ? 0 : fail_with(error);
}

int clkv_descriptor_is_ready(int fd)
{
    const HANDLE handle = handle_of(fd);
    DWORD n = 0;
    if (is_console(handle)) return typed.at < typed.n || (GetNumberOfConsoleInputEvents(handle, &n) && n);
    if (GetFileType(handle) != FILE_TYPE_PIPE) return 1;
    return !PeekNamedPipe(handle, NULL, 0, NULL, &n, NULL) || n; /* without a writer it is at its end */
}

/* A piece ends between two characters, if the bytes are text. */
static int write_console(HANDLE handle, const char *bytes, size_t n)
{
    wchar_t wide[CONSOLE_CHARACTERS];
    while (n) {
        size_t piece = n < CONSOLE_CHARACTERS ? n : CONSOLE_CHARACTERS;
        for (int back = 0; back < 3 && piece < n && (bytes[piece] & 0xc0) == 0x80; back++) piece--;
        const int characters = MultiByteToWideChar(CP_UTF8, 0, bytes, (int)piece, wide, CONSOLE_CHARACTERS);
        for (DWORD at = 0, done = 0; at < (DWORD)characters; at += done)
            if (!WriteConsoleW(handle, wide + at, (DWORD)characters - at, &done, NULL)) return fail_with(GetLastError());
        bytes += piece;
        n -= piece;
    }
    return 0;
}

/* A pipe that does not block takes nothing when it is full. */
int clkv_descriptor_write(int fd, const void *bytes, size_t n)
{
    const HANDLE handle = handle_of(fd);
    const char *at = bytes;
    if (is_console(handle)) return write_console(handle, at, n);
    while (n) {
        DWORD written = 0;
        if (!WriteFile(handle, at, n < AT_ONCE ? (DWORD)n : AT_ONCE, &written, NULL)) return fail_with(GetLastError());
        if (!written) Sleep(1);
        at += written;
        n -= written;
    }
    return 0;
}
