/* environment.h: variables of the environment, and the folders that the system keeps for a user.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_OS_ENVIRONMENT_H
#define CLKV_OS_ENVIRONMENT_H

#include <stddef.h>

/* Copies the value of a variable, in UTF-8, cut to fit. Returns the length of the whole value; 0 when the variable is
 * not set or is empty. */
size_t clkv_os_environment(const char *name, char *out, size_t room);

/* The folder for what a program can make again: XDG_CACHE_HOME when it is an absolute path, else ~/.cache;
 * ~/Library/Caches on macOS; the user's local application data on Windows. Returns its length, as snprintf does, so
 * that a caller sees when it does not fit; 0 when the system has none for this user. */
size_t clkv_os_cache_home(char *out, size_t room);

#endif
