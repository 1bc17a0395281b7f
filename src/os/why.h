/* why.h: the reason that a function of this folder gives when it fails. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_OS_WHY_H
#define CLKV_OS_WHY_H

#include <stdio.h>

enum { CLKV_OS_WHY = 160 }; /* bytes of a reason: a text without a line end */

/* Returns −1. */
static inline int clkv_os_fail(char *why, const char *reason)
{
    snprintf(why, CLKV_OS_WHY, "%s", reason);
    return -1;
}

#endif
