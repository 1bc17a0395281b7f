/* clkv/log.h: the log callback, which gets finished lines; the library itself never prints.
 * Threads: any thread may log. Set the callback before other threads use clkv. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_LOG_H
#define CLKV_LOG_H

#include <clkv/api.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum clkv_log_level { CLKV_LOG_ERROR = 1, CLKV_LOG_WARNING = 2, CLKV_LOG_INFO = 3, CLKV_LOG_DEBUG = 4 } clkv_log_level;

/* Gets one finished line without its newline. It is called on the thread that logs, possibly with the lock of a
 * cache held: it must not call clkv. */
typedef void (*clkv_log_fn)(void *user, clkv_log_level level, const char *line);

/* Sets the log callback of the process; NULL (the default) drops every line. The callback gets the lines of `level`
 * and of the more severe levels. Never fails. */
CLKV_API void clkv_set_log(clkv_log_fn fn, void *user, clkv_log_level level);

#ifdef __cplusplus
}
#endif
#endif
