/* why.c: see why.h. SPDX-License-Identifier: Apache-2.0 */
#include "why.h"

#include "os/machine.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int llm_fail(char *why, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(why, WHY_BYTES, fmt, args);
    va_end(args);
    return -1;
}

int llm_fail_clkv(char *why, const char *doing)
{
    const clkv_error *e = clkv_last_error();
    return llm_fail(why, "%s: %s%s%s", doing, clkv_status_text(e->status), *e->message ? ": " : "", e->message);
}

int llm_check_byte_order(const char *path, char *why)
{
    if (!clkv_machine_is_big_endian()) return 0;
    return llm_fail(why, "%s: model files are little-endian, and this machine is big-endian", llm_shown_path(path));
}

const char *llm_shown(const char *text, size_t bytes, char out[SHOWN_BYTES])
{
    return tool_shown(text, bytes, out);
}

const char *llm_shown_path(const char *path)
{
    const size_t n = strlen(path), most = WHY_BYTES * 3 / 8; /* names and reasons need the rest */
    return n > most ? path + (n - most) : path;
}
