/* random_posix.c: see random.h. SPDX-License-Identifier: Apache-2.0 */
#define _DEFAULT_SOURCE  /* getentropy */
#define _DARWIN_C_SOURCE /* the same on Apple's systems */
#include "os/random.h"

#include <unistd.h>

#ifdef __APPLE__
#include <sys/random.h>
#endif

int clkv_os_random(void *out, size_t bytes)
{
    return getentropy(out, bytes);
}
