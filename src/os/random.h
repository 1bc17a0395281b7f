/* random.h: random bytes from the system. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_OS_RANDOM_H
#define CLKV_OS_RANDOM_H

#include <stddef.h>

/* Fills at most 256 bytes. 0, or −1: the system gives none. */
int clkv_os_random(void *out, size_t bytes);

#endif
