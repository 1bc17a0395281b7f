/* pages.h: zeroed pages from the system, for arrays with an entry per block, of which unused parts take no memory.
 *
 * Large pages are used where the system gives them page by page at the first use:
 *
 *   Linux    madvise(MADV_HUGEPAGE), unless /sys/kernel/mm/transparent_hugepage/enabled says "never"
 *   Windows  none: MEM_LARGE_PAGES needs the right SeLockMemoryPrivilege, which users do not have, and takes the memory
 *            of the whole mapping at once
 *   Apple    none: superpages (VM_FLAGS_SUPERPAGE_SIZE_2MB) are for x86-64 only, and take the memory at once too
 *   others   what the system does by itself for mappings that are aligned to 2 MiB
 *
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
