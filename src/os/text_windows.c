/* text_windows.c: see text_windows.h. SPDX-License-Identifier: Apache-2.0 */
#include "os/text_windows.h"

#include <stdio.h>
#include <string.h>

int clkv_os_widen(const char *text, wchar_t *out, size_t room)
{
    if (MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, out, (int)room) > 0) return 0;
    *out = 0;
    return -1;
}

int clkv_os_narrow(const wchar_t *text, char *out, size_t room)
{
    if (WideCharToMultiByte(CP_UTF8, WC_ERR_INVALID_CHARS, text, -1, out, (int)room, NULL, NULL) > 0) return 0;
    *out = 0;
    return -1;
}

void clkv_os_error_text(DWORD error, char *out, size_t room)
{
    wchar_t wide[256];
    const DWORD flags = FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS | FORMAT_MESSAGE_MAX_WIDTH_MASK;
    const DWORD english = MAKELANGID(LANG_ENGLISH, SUBLANG_ENGLISH_US);
    DWORD n = FormatMessageW(flags, NULL, error, english, wide, 256, NULL);
    if (!n) n = FormatMessageW(flags, NULL, error, 0, wide, 256, NULL);
    if (!n || clkv_os_narrow(wide, out, room)) {
        snprintf(out, room, "error %lu of Windows", (unsigned long)error);
        return;
    }
    for (size_t end = strlen(out); end && (out[end - 1] == ' ' || out[end - 1] == '.'); end--) out[end - 1] = 0;
}
