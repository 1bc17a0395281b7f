/* child_windows.c: see child.h. SPDX-License-Identifier: Apache-2.0 */
#include "os/child.h"

#include "os/text_windows.h"

#include <string.h>
#include <wchar.h>

enum { COMMAND = 32767 }; /* characters of the longest command line */

int clkv_child_environment(const char *name, const char *value)
{
    wchar_t wide_name[128], wide_value[CLKV_WIDE_PATH];
    if (clkv_os_widen(name, wide_name, 128) || clkv_os_widen(value, wide_value, CLKV_WIDE_PATH)) return -1;
    return SetEnvironmentVariableW(wide_name, wide_value) ? 0 : -1;
}

static int fail_start(char *why)
{
    char text[CLKV_OS_WHY / 2];
    clkv_os_error_text(GetLastError(), text, sizeof text);
    snprintf(why, CLKV_OS_WHY, "cannot start a child process: %s", text);
    return -1;
}

/* Writes an argument so that CommandLineToArgvW reads it as it was: in quotation marks, with a backslash before each of
 * those inside, and twice as many backslashes as there are before any. Returns the end, or NULL: no room. */
static wchar_t *quote(wchar_t *at, const wchar_t *end, const char *text)
{
    const size_t room = strlen(text) + 1;
    wchar_t *wide = HeapAlloc(GetProcessHeap(), 0, room * sizeof *wide);
    if (!wide || clkv_os_widen(text, wide, room) || (size_t)(end - at) < 2 * room + 4) at = NULL;
    if (at) {
        size_t slashes = 0;
        *at++ = L'"';
        for (const wchar_t *p = wide;; p++) {
            const int marked = *p == L'"' || !*p;
            for (size_t i = 0; marked && i < slashes; i++) *at++ = L'\\';
            slashes = *p == L'\\' ? slashes + 1 : 0;
            if (!*p) break;
            if (*p == L'"') *at++ = L'\\';
            *at++ = *p;
        }
        *at++ = L'"';
    }
    if (wide) HeapFree(GetProcessHeap(), 0, wide);
    return at;
}

static int start(PROCESS_INFORMATION *child, char *const *argv, HANDLE output)
{
    wchar_t program[CLKV_WIDE_PATH], *command = HeapAlloc(GetProcessHeap(), 0, COMMAND * sizeof *command);
    wchar_t *at = command;
    const DWORD n = GetModuleFileNameW(NULL, program, CLKV_WIDE_PATH);
    STARTUPINFOW streams = { .cb = sizeof streams, .dwFlags = STARTF_USESTDHANDLES, .hStdOutput = output,
                             .hStdInput = GetStdHandle(STD_INPUT_HANDLE), .hStdError = GetStdHandle(STD_ERROR_HANDLE) };
    for (; at && *argv; argv++) {
        at = quote(at, command + COMMAND, *argv);
        if (at) *at++ = argv[1] ? L' ' : 0;
    }
    if (!at) SetLastError(ERROR_FILENAME_EXCED_RANGE);
    const int started = at && n && n < CLKV_WIDE_PATH &&
                        CreateProcessW(program, command, NULL, NULL, TRUE, 0, NULL, NULL, &streams, child);
    const DWORD error = GetLastError();
    if (command) HeapFree(GetProcessHeap(), 0, command);
    SetLastError(error);
    return started ? 0 : -1;
}

/* Reads to the end, so that the child can print more than there is room for. */
static void read_output(HANDLE from, char *output, size_t room)
{
    char rest[256];
    size_t n = 0;
    for (DWORD got = 0;; got = 0) {
        const int full = n + 1 >= room;
        const DWORD most = full ? sizeof rest : (DWORD)(room - 1 - n);
        if (!ReadFile(from, full ? rest : output + n, most, &got, NULL) || !got) break;
        if (!full) n += got;
    }
    output[n] = 0;
}

int clkv_child_run(char *const *argv, char *output, size_t room, int *code, char why[CLKV_OS_WHY])
{
    SECURITY_ATTRIBUTES inherited = { .nLength = sizeof inherited, .bInheritHandle = TRUE };
    PROCESS_INFORMATION child;
    HANDLE from, to;
    DWORD exited = 0;
    if (!CreatePipe(&from, &to, &inherited, 0)) return fail_start(why);
    SetHandleInformation(from, HANDLE_FLAG_INHERIT, 0);
    int failed = start(&child, argv, to) ? fail_start(why) : 0;
    CloseHandle(to);
    if (!failed) {
        read_output(from, output, room);
        WaitForSingleObject(child.hProcess, INFINITE);
        if (!GetExitCodeProcess(child.hProcess, &exited)) failed = fail_start(why);
        CloseHandle(child.hThread);
        CloseHandle(child.hProcess);
        *code = (int)exited;
    }
    CloseHandle(from);
    return failed;
}
