/* environment_windows.c: see environment.h. SPDX-License-Identifier: Apache-2.0 */
#include "os/environment.h"

#include "os/text_windows.h"

#include <wchar.h>

enum { VALUE = 32767 }; /* characters of the longest value */

/* The C library's getenv() has the value in the user's code page, which lacks letters. */
size_t clkv_os_environment(const char *name, char *out, size_t room)
{
    wchar_t wide_name[128], *value = HeapAlloc(GetProcessHeap(), 0, VALUE * sizeof *value);
    int bytes = 0;
    *out = 0;
    if (value && !clkv_os_widen(name, wide_name, sizeof wide_name / sizeof *wide_name) &&
        GetEnvironmentVariableW(wide_name, value, VALUE) > 0) {
        bytes = WideCharToMultiByte(CP_UTF8, 0, value, -1, NULL, 0, NULL, NULL); /* with the end */
        for (size_t n = wcslen(value); clkv_os_narrow(value, out, room) && n; n--) value[n - 1] = 0;
    }
    if (value) HeapFree(GetProcessHeap(), 0, value);
    return bytes > 0 ? (size_t)bytes - 1 : 0;
}

size_t clkv_os_cache_home(char *out, size_t room)
{
    return clkv_os_environment("LOCALAPPDATA", out, room);
}
