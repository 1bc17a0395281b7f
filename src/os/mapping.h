/* mapping.h: a whole file, mapped read-only: a large or sparse one costs nothing until it is read.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_OS_MAPPING_H
#define CLKV_OS_MAPPING_H

#include "os/why.h"

#include <stddef.h>

typedef struct clkv_mapping {
    const unsigned char *data; /* NULL: the file is empty, or nothing is mapped */
    size_t bytes;
} clkv_mapping;

/* Maps a file, whose path is UTF-8. 0, or −1 with the reason, which is "" for what is no ordinary file: a folder, a
 * device, a pipe. */
int clkv_mapping_open(clkv_mapping *out, const char *path, char why[CLKV_OS_WHY]);

/* Takes a mapping that was never opened (all 0), or is closed already. */
void clkv_mapping_close(clkv_mapping *m);

#endif
