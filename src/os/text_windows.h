/* text_windows.h: clkv's texts are UTF-8, those of Windows are UTF-16. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_OS_TEXT_WINDOWS_H
#define CLKV_OS_TEXT_WINDOWS_H

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include <stddef.h>

enum { CLKV_WIDE_PATH = 1024 }; /* characters of a path, the end included */

/* 0; −1 when the text is not UTF-8 or does not fit, and out is "". */
int clkv_os_widen(const char *text, wchar_t *out, size_t room);
int clkv_os_narrow(const wchar_t *text, char *out, size_t room);

/* What an error of Windows means, in English where the system has it. Without a line end. */
void clkv_os_error_text(DWORD error, char *out, size_t room);

#endif
