/* messages.c: stands in for tool_fail and tool_note (ld --wrap): the message is made and looked at, not printed.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include <stdarg.h>

int __wrap_tool_fail(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void __wrap_tool_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void check(const char *fmt, va_list args)
{
    char message[4096];
    vsnprintf(message, sizeof message, fmt, args);
    fuzz_check_message(message);
}

int __wrap_tool_fail(int code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    check(fmt, args);
    va_end(args);
    return code;
}

void __wrap_tool_note(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    check(fmt, args);
    va_end(args);
}
