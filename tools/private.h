/* private.h: takes out of a text what tells whose machine it comes from: a home folder becomes ~, the user's name
 * USER, the machine's name HOST. A name counts where it is a word of its own, in capitals or not; a home folder where a
 * path begins. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_PRIVATE_H
#define CLKV_TOOLS_PRIVATE_H

#include <stddef.h>

enum { PRIVATE_NAMES = 16, PRIVATE_BYTES = 512 };

typedef struct private_names {
    struct private_name {
        char text[PRIVATE_BYTES];
        size_t bytes;
        int is_path;
        const char *stand_in;
    } names[PRIVATE_NAMES];
    size_t n;
} private_names;

/* Collects the names of this user and this machine. */
void private_names_find(private_names *out);

/* Copies a text without them, cut to fit. Returns `out`. */
const char *private_names_hide(const private_names *names, const char *text, char *out, size_t room);

#endif
