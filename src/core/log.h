/* log.h: hands finished lines to the process's log callback. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CORE_LOG_H
#define CLKV_CORE_LOG_H

#include "core/error.h"

#include <clkv/log.h>

/* Formats one line (cut at 1023 bytes) and passes it to the callback. Formats nothing when there is no callback for
 * that level. */
void clkv_log(clkv_log_level level, const char *fmt, ...) CLKV_PRINTF(2, 3);

#endif
