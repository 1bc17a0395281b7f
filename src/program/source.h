/* source.h: the kernel files embedded in the library by cl/embed.py. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_PROGRAM_SOURCE_H
#define CLKV_PROGRAM_SOURCE_H

#include <stddef.h>

typedef struct clkv_source {
    const char *name; /* the file's name without .cl */
    const char *text; /* NUL-terminated */
    size_t bytes;     /* without the NUL */
    int shared;       /* compiled before every other file */
} clkv_source;

/* Ends with a NULL name. */
extern const clkv_source clkv_sources[];

#endif
