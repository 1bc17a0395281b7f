/* scratch_windows.c: see scratch.h. SPDX-License-Identifier: Apache-2.0 */
#include "os/scratch.h"

#include "os/random.h"
#include "os/text_windows.h"

#include <string.h>
#include <wchar.h>

enum { LETTERS = 6, TRIES = 100 };

size_t clkv_scratch_home(char *out, size_t room)
{
    wchar_t wide[CLKV_WIDE_PATH];
    DWORD n = GetTempPathW(CLKV_WIDE_PATH, wide);
    if (!n || n >= CLKV_WIDE_PATH) n = 0;
    if (n && (wide[n - 1] == L'\\' || wide[n - 1] == L'/')) n--;
    wide[n] = 0;
    const int bytes = WideCharToMultiByte(CP_UTF8, 0, wide, -1, NULL, 0, NULL, NULL); /* with the end */
    clkv_os_narrow(wide, out, room);
    return bytes > 0 ? (size_t)bytes - 1 : 0;
}

/* A folder below the user's own is for this user only, since it inherits that. */
int clkv_scratch_make(char *path, size_t room, char why[CLKV_OS_WHY])
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
    wchar_t wide[CLKV_WIDE_PATH];
    const size_t n = strlen(path);
    DWORD error = ERROR_FILENAME_EXCED_RANGE;
    for (int i = 0; i < TRIES && n + LETTERS + 2 <= room; i++) {
        unsigned char random[LETTERS];
        if (clkv_os_random(random, sizeof random)) return clkv_os_fail(why, "the system gives no random numbers");
        path[n] = '-';
        for (int k = 0; k < LETTERS; k++) path[n + 1 + (size_t)k] = letters[random[k] % 32];
        path[n + 1 + LETTERS] = 0;
        if (clkv_os_widen(path, wide, CLKV_WIDE_PATH)) break;
        if (CreateDirectoryW(wide, NULL)) return 0;
        error = GetLastError();
        if (error != ERROR_ALREADY_EXISTS) break;
    }
    clkv_os_error_text(error, why, CLKV_OS_WHY);
    return -1;
}

/* `path` has n characters, and room behind them for the names of what is in it. */
static void remove_tree(wchar_t *path, size_t n)
{
    WIN32_FIND_DATAW entry;
    if (n + 2 >= CLKV_WIDE_PATH) return;
    wcscpy(path + n, L"\\*");
    const HANDLE list = FindFirstFileW(path, &entry);
    for (BOOL more = list != INVALID_HANDLE_VALUE; more; more = FindNextFileW(list, &entry)) {
        const size_t name = wcslen(entry.cFileName);
        const DWORD folder = entry.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY;
        const DWORD link = entry.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT;
        if (!wcscmp(entry.cFileName, L".") || !wcscmp(entry.cFileName, L"..") || n + 1 + name >= CLKV_WIDE_PATH) continue;
        wcscpy(path + n + 1, entry.cFileName);
        if (folder && !link) remove_tree(path, n + 1 + name);
        else if (folder) RemoveDirectoryW(path);
        else DeleteFileW(path);
    }
    if (list != INVALID_HANDLE_VALUE) FindClose(list);
    path[n] = 0;
    RemoveDirectoryW(path);
}

void clkv_scratch_remove(const char *path)
{
    wchar_t wide[CLKV_WIDE_PATH];
    if (!clkv_os_widen(path, wide, CLKV_WIDE_PATH)) remove_tree(wide, wcslen(wide));
}
