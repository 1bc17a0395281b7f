/* memory.h: allocation of host memory. Small objects come from the allocator of the process. Arrays with an entry per
 * block are mapped from the system, so that unused parts take no memory. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CORE_MEMORY_H
#define CLKV_CORE_MEMORY_H

#include <clkv/memory.h>

#include <stddef.h>

/* Allocates zeroed memory; NULL when there is none. clkv_free gets the size again: the allocator need not store
 * it. */
void *clkv_alloc(size_t bytes);
void *clkv_resize(void *p, size_t old_bytes, size_t new_bytes); /* the grown part is not zeroed */
void clkv_free(void *p, size_t bytes);

/* Grows an array to hold at least `need` elements of `each` bytes, doubling. 0 on success, and *p and
 * *capacity (in elements) updated; else nothing changed. */
int clkv_grow(void **p, size_t *capacity, size_t need, size_t each);

/* Maps zeroed pages from the system, which provides a page when it is first used. Large mappings are aligned to 2 MiB
 * and advised for 2 MiB pages. NULL when there is no memory. */
void *clkv_map(size_t bytes);
/* Like realloc; the grown part is zero. Returns NULL on failure, and the old mapping stays. */
void *clkv_remap(void *p, size_t old_bytes, size_t new_bytes);
void clkv_unmap(void *p, size_t bytes);

#endif
