/* clkv/log.h: finished lines to a callback; the library itself never prints.
 * Thread-safe: set it before other threads use clkv. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_LOG_H
#define CLKV_LOG_H

#include <clkv/api.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum clkv_log_level { CLKV_LOG_ERROR = 1, CLKV_LOG_WARNING = 2, CLKV_LOG_INFO = 3, CLKV_LOG_DEBUG = 4 } clkv_log_level;

/* Gets one finished line without its newline. Called from whichever thread logs, possibly with a
 * cache's lock held: it must not call clkv. */
typedef void (*clkv_log_fn)(void *user, clkv_log_level level, const char *line);

/* Sets the process's log callback; NULL (the default) drops every line. `level` is the chattiest one
 * wanted. Never fails. */
CLKV_API void clkv_set_log(clkv_log_fn fn, void *user, clkv_log_level level);

#ifdef __cplusplus
}
#endif
#endif
