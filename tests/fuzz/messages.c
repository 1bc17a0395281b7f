/* messages.c: stands in for tool_fail (ld --wrap): the message is made and looked at, not printed.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include <stdarg.h>

int __wrap_tool_fail(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

int __wrap_tool_fail(int code, const char *fmt, ...)
{
    char message[4096];
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    fuzz_check_message(message);
    return code;
}
