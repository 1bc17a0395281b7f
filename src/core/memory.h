/* memory.h: where host memory comes from. Small objects from the process's allocator; arrays of one entry
 * per block from the system, so that untouched parts cost nothing. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CORE_MEMORY_H
#define CLKV_CORE_MEMORY_H

#include <clkv/memory.h>

#include <stddef.h>

/* Zeroed; NULL when there is none. Every size is given back at free: the allocator need not keep it. */
void *clkv_alloc(size_t bytes);
void *clkv_resize(void *p, size_t old_bytes, size_t new_bytes); /* the grown part is not zeroed */
void clkv_free(void *p, size_t bytes);

/* Grows an array to hold at least `need` elements of `each` bytes, doubling. 0 on success, and *p and
 * *capacity (in elements) updated; else nothing changed. */
int clkv_grow(void **p, size_t *capacity, size_t need, size_t each);

/* Zeroed pages from the system, touched lazily, advised for 2 MiB pages and aligned to them when large.
 * NULL when there is none. */
void *clkv_map(size_t bytes);
/* Like realloc: the grown part is zero. NULL leaves the old mapping. */
void *clkv_remap(void *p, size_t old_bytes, size_t new_bytes);
void clkv_unmap(void *p, size_t bytes);

#endif
