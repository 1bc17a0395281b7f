/* scratch.h: folders that a program makes for itself and removes in the end. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_OS_SCRATCH_H
#define CLKV_OS_SCRATCH_H

#include "os/why.h"

#include <stddef.h>

/* The folder that the system has for that: TMPDIR, else /tmp; on Windows the user's. Returns its length, as snprintf
 * does. */
size_t clkv_scratch_home(char *out, size_t room);

/* Makes a new folder for this user only. Its name is `path` with "-" and six random letters behind it, which are put
 * there. 0, or −1 with the reason. */
int clkv_scratch_make(char *path, size_t room, char why[CLKV_OS_WHY]);

/* Removes a folder and all that is in it; what a link leads to stays. */
void clkv_scratch_remove(const char *path);

#endif
