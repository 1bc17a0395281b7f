/* terminal.c: the width that a user asks for; see terminal.h. SPDX-License-Identifier: Apache-2.0 */
#include "os/terminal.h"

#include "os/environment.h"

#include <string.h>

int clkv_terminal_wanted_columns(void)
{
    char text[8];
    int columns = 0;
    const size_t n = clkv_os_environment("COLUMNS", text, sizeof text);
    if (n > 4 || strspn(text, "0123456789") != n) return 0;
    for (size_t i = 0; i < n; i++) columns = columns * 10 + text[i] - '0';
    return columns;
}
