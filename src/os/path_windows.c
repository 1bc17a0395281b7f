/* path_windows.c: see path.h. SPDX-License-Identifier: Apache-2.0 */
#include "os/path.h"

#include "os/text_windows.h"

#include <errno.h>

static int widen(const char *path, wchar_t wide[CLKV_WIDE_PATH])
{
    if (!clkv_os_widen(path, wide, CLKV_WIDE_PATH)) return 0;
    errno = ENOENT;
    return -1;
}

int clkv_path_is_special(const char *path)
{
    wchar_t wide[CLKV_WIDE_PATH];
    if (widen(path, wide)) return 0;
    const DWORD attributes = GetFileAttributesW(wide);
    return attributes != INVALID_FILE_ATTRIBUTES && attributes & (FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_DEVICE);
}

FILE *clkv_path_create(const char *path)
{
    wchar_t wide[CLKV_WIDE_PATH];
    return widen(path, wide) ? NULL : _wfopen(wide, L"wb");
}

/* The C library's function replaces no file. */
int clkv_path_rename(const char *from, const char *to)
{
    wchar_t old_name[CLKV_WIDE_PATH], new_name[CLKV_WIDE_PATH];
    if (widen(from, old_name) || widen(to, new_name)) return -1;
    if (MoveFileExW(old_name, new_name, MOVEFILE_REPLACE_EXISTING)) return 0;
    const DWORD error = GetLastError();
    errno = error == ERROR_FILE_NOT_FOUND || error == ERROR_PATH_NOT_FOUND ? ENOENT : EACCES;
    return -1;
}

int clkv_path_remove(const char *path)
{
    wchar_t wide[CLKV_WIDE_PATH];
    return widen(path, wide) ? -1 : _wremove(wide);
}
