/* content.h: how much is in a folder. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_OS_CONTENT_H
#define CLKV_OS_CONTENT_H

#include <stdint.h>

/* Counts the ordinary files of a folder, not those of folders in it, and their bytes. 0, or −1: there is no such
 * folder, or it cannot be read. */
int clkv_os_content(const char *path, uint64_t *files, uint64_t *bytes);

#endif
