/* system.h: what a report says of the system that a program runs on, and the names that it leaves out.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_OS_SYSTEM_H
#define CLKV_OS_SYSTEM_H

#include <stddef.h>

/* Name and version of the system and the kind of processor: "Linux 6.1.0 x86_64, Debian GNU/Linux 12 (bookworm)".
 * The machine's own name is not in it. */
void clkv_os_system(char *out, size_t room);

typedef enum clkv_os_name { CLKV_OS_HOME, CLKV_OS_USER, CLKV_OS_HOST } clkv_os_name;

/* The names that tell whose the machine is: home folders, names of the user and names of the machine, by environment
 * and by system. Copies the index-th one and sets its kind. It is "" when the system does not tell it, and may be there
 * twice. Returns 1, or 0 past the last. Not for several threads. */
int clkv_os_private(size_t index, clkv_os_name *kind, char *out, size_t room);

#endif
