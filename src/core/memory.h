/* memory.h: allocation of host memory. Small objects come from the allocator of the process; arrays with an entry per
 * block are pages of the system (os/pages.h). SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CORE_MEMORY_H
#define CLKV_CORE_MEMORY_H

#include "os/pages.h"

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

#endif
