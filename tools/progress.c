/* progress.c: see progress.h. SPDX-License-Identifier: Apache-2.0 */
#include "progress.h"

#include "clock.h"
#include "os/descriptor.h"
#include "os/terminal.h"

#include <stdarg.h>
#include <stdio.h>

static const double interval = 0.2; /* seconds */

progress progress_begin(void)
{
    return (progress){ .on = clkv_terminal_is(CLKV_STDERR) };
}

bool progress_due(const progress *p)
{
    return p->on && clock_seconds() >= p->next;
}

void progress_update(progress *p, const char *fmt, ...)
{
    va_list args;
    if (!progress_due(p)) return;
    p->next = clock_seconds() + interval;
    char line[256];
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    output_status(line);
}

void progress_end(progress *p)
{
    if (p->on) output_status("");
}
