/* unpack.h: the bytes of a file, unpacked where the file is gzip: what its first two bytes are decides, not its name.
 * A gzip file is one or more members, one behind the other, and nothing else: a damaged or unfinished member and other
 * bytes behind the last one are errors. (zlib's gzread() takes them for the end of the file.)
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_UNPACK_H
#define CLKV_TOOLS_UNPACK_H

#include <stddef.h>

typedef struct unpack unpack;

/* Reads from the descriptor `fd` (os/descriptor.h) on, which stays the caller's. NULL: no memory. */
unpack *unpack_create(int fd);
void unpack_destroy(unpack **u);

/* Up to n > 0 bytes. Returns how many; 0 at the end; −1 with the reason in *why. */
ptrdiff_t unpack_read(unpack *u, void *bytes, size_t n, const char **why);

#endif
