/* mapping_windows.c: see mapping.h. SPDX-License-Identifier: Apache-2.0 */
#include "os/mapping.h"

#include "os/text_windows.h"

#include <stdint.h>

static int fail_error(char *why)
{
    clkv_os_error_text(GetLastError(), why, CLKV_OS_WHY);
    return -1;
}

/* A view keeps what it shows: neither the file nor the mapping must stay open. */
static int map(clkv_mapping *out, HANDLE file, char *why)
{
    LARGE_INTEGER bytes;
    if (GetFileType(file) != FILE_TYPE_DISK) return clkv_os_fail(why, "");
    if (!GetFileSizeEx(file, &bytes)) return fail_error(why);
    if ((uint64_t)bytes.QuadPart > SIZE_MAX) return clkv_os_fail(why, "larger than this machine can map");
    if (!bytes.QuadPart) return 0;
    const HANDLE mapping = CreateFileMappingW(file, NULL, PAGE_READONLY, 0, 0, NULL);
    if (!mapping) return fail_error(why);
    const void *p = MapViewOfFile(mapping, FILE_MAP_READ, 0, 0, 0);
    const int failed = p ? 0 : fail_error(why);
    CloseHandle(mapping);
    if (!failed) *out = (clkv_mapping){ p, (size_t)bytes.QuadPart };
    return failed;
}

int clkv_mapping_open(clkv_mapping *out, const char *path, char why[CLKV_OS_WHY])
{
    wchar_t wide[CLKV_WIDE_PATH];
    *out = (clkv_mapping){ 0 };
    if (clkv_os_widen(path, wide, CLKV_WIDE_PATH)) return clkv_os_fail(why, "the name is too long, or is not UTF-8");
    const DWORD attributes = GetFileAttributesW(wide);
    if (attributes != INVALID_FILE_ATTRIBUTES && attributes & FILE_ATTRIBUTE_DIRECTORY) return clkv_os_fail(why, "");
    const HANDLE file = CreateFileW(wide, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                                    OPEN_EXISTING, 0, NULL);
    if (file == INVALID_HANDLE_VALUE) return fail_error(why);
    const int result = map(out, file, why);
    CloseHandle(file);
    return result;
}

void clkv_mapping_close(clkv_mapping *m)
{
    if (m->data) UnmapViewOfFile(m->data);
    *m = (clkv_mapping){ 0 };
}
