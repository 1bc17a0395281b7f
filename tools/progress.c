/* progress.c: see progress.h. SPDX-License-Identifier: Apache-2.0 */
#include "progress.h"

#include "clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define CLEAR_LINE "\r\033[K"

static const double interval = 0.2; /* seconds */

progress progress_begin(void)
{
    return (progress){ .on = isatty(STDERR_FILENO) };
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
    p->shown = true;
    fputs(CLEAR_LINE, stderr);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fflush(stderr);
}

void progress_end(progress *p)
{
    if (p->shown) fputs(CLEAR_LINE, stderr);
    p->shown = false;
}
