/* progress.h: one line on stderr that says how far a long job is.
 *
 * Only on a terminal, at most five times a second, and gone at the end: what the tool prints for keeps is
 * the same with and without it. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_PROGRESS_H
#define CLKV_TOOLS_PROGRESS_H

#include "output.h"

#include <stdbool.h>

typedef struct progress {
    bool on;     /* stderr is a terminal */
    double next; /* when the next update is due, in clock_seconds() */
} progress;

progress progress_begin(void);

/* Whether an update would be shown now; for those whose text costs something. */
bool progress_due(const progress *p);

/* Replaces the line, if it is due. */
void progress_update(progress *p, const char *fmt, ...) TOOLS_PRINTF(2, 3);

/* Clears the line; call it before anything else is printed. Messages by tool_fail clear it by themselves. */
void progress_end(progress *p);

#endif
