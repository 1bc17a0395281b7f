/* path.h: files that a user names by their paths, which are UTF-8. A function that fails says why in errno.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_OS_PATH_H
#define CLKV_OS_PATH_H

#include <stdio.h>

/* Whether something of that name exists that is no ordinary file: 1 or 0. */
int clkv_path_is_special(const char *path);

/* Opens a file for writing bytes; an older one is emptied. NULL on failure. */
FILE *clkv_path_create(const char *path);

/* Gives a file another name; an older file of that name is replaced. 0 or −1. */
int clkv_path_rename(const char *from, const char *to);

/* 0 or −1. */
int clkv_path_remove(const char *path);

#endif
