/* log.c: the log callback of the process. SPDX-License-Identifier: Apache-2.0 */
#include "core/log.h"

#include <stdarg.h>
#include <stdio.h>

static clkv_log_fn log_fn;
static void *log_user;
static clkv_log_level log_level;

void clkv_set_log(clkv_log_fn fn, void *user, clkv_log_level level)
{
    log_fn = fn;
    log_user = user;
    log_level = level;
}

void clkv_log(clkv_log_level level, const char *fmt, ...)
{
    if (!log_fn || level > log_level) return;
    char line[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    log_fn(log_user, level, line);
}
