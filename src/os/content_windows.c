/* content_windows.c: see content.h. SPDX-License-Identifier: Apache-2.0 */
#include "os/content.h"

#include "os/text_windows.h"

#include <wchar.h>

int clkv_os_content(const char *path, uint64_t *files, uint64_t *bytes)
{
    wchar_t wide[CLKV_WIDE_PATH + 2];
    WIN32_FIND_DATAW entry;
    *files = *bytes = 0;
    if (clkv_os_widen(path, wide, CLKV_WIDE_PATH)) return -1;
    const HANDLE list = FindFirstFileW(wcscat(wide, L"\\*"), &entry);
    if (list == INVALID_HANDLE_VALUE) return -1;
    do {
        if (entry.dwFileAttributes & (FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_REPARSE_POINT)) continue;
        ++*files;
        *bytes += (uint64_t)entry.nFileSizeHigh << 32 | entry.nFileSizeLow;
    } while (FindNextFileW(list, &entry));
    FindClose(list);
    return 0;
}
