/* random_windows.c: see random.h. SPDX-License-Identifier: Apache-2.0 */
#include "os/random.h"

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include <bcrypt.h>

int clkv_os_random(void *out, size_t bytes)
{
    return BCryptGenRandom(NULL, out, (ULONG)bytes, BCRYPT_USE_SYSTEM_PREFERRED_RNG) < 0 ? -1 : 0;
}
