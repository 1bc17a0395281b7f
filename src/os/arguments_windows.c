/* arguments_windows.c: see arguments.h. SPDX-License-Identifier: Apache-2.0 */
#include "os/arguments.h"

#include "os/text_windows.h"

#include <shellapi.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

/* In memory that nobody frees. NULL: there is none. */
static char *narrow(const wchar_t *text)
{
    const int bytes = WideCharToMultiByte(CP_UTF8, 0, text, -1, NULL, 0, NULL, NULL);
    char *out = bytes > 0 ? malloc((size_t)bytes) : NULL;
    if (out) WideCharToMultiByte(CP_UTF8, 0, text, -1, out, bytes, NULL, NULL);
    return out;
}

static wchar_t *name_of(wchar_t *path)
{
    wchar_t *name = path;
    for (wchar_t *p = path; *p; p++)
        if (*p == L'\\' || *p == L'/' || *p == L':') name = p + 1;
    const size_t n = wcslen(name);
    if (n > 4 && !_wcsicmp(name + n - 4, L".exe")) name[n - 4] = 0;
    return name;
}

void clkv_os_arguments(int *argc, char ***argv)
{
    int n = 0, made = 0;
    wchar_t **wide = CommandLineToArgvW(GetCommandLineW(), &n);
    char **out = wide && n > 0 ? calloc((size_t)n + 1, sizeof *out) : NULL;
    for (; out && made < n; made++)
        if (!(out[made] = narrow(made ? wide[made] : name_of(wide[made])))) break;
    if (out && made == n) {
        *argc = n;
        *argv = out;
    } else if (out) {
        while (made) free(out[--made]);
        free(out);
    }
    if (wide) LocalFree(wide);
}
