/* pages.h: zeroed pages from the system, for arrays with an entry per block, of which unused parts take no memory.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_OS_PAGES_H
#define CLKV_OS_PAGES_H

#include <stddef.h>

/* Maps zeroed pages, which the system provides when they are first used. Large mappings are aligned to 2 MiB, and the
 * system is asked for large pages where an ordinary user may have them. NULL when there is no memory. */
void *clkv_map(size_t bytes);
/* Like realloc; the grown part is zero. Returns NULL on failure, and the old mapping stays. */
void *clkv_remap(void *p, size_t old_bytes, size_t new_bytes);
void clkv_unmap(void *p, size_t bytes);

#endif
