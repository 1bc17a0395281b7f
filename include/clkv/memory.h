/* clkv/memory.h: the allocator of the library's host memory.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_MEMORY_H
#define CLKV_MEMORY_H

#include <clkv/api.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One function like realloc. resize(user, NULL, 0, n) allocates n bytes, aligned for any type. resize(user, p, old,
 * 0) frees p. Otherwise the function resizes p and keeps its first min(old, new) bytes. It returns NULL when it
 * fails; freeing must not fail. `old_bytes` is the size with which p was last allocated or resized. Must be
 * thread-safe. */
typedef struct clkv_allocator {
    void *(*resize)(void *user, void *p, size_t old_bytes, size_t new_bytes);
    void *user;
} clkv_allocator;

/* Replaces the allocator of the process; NULL restores malloc. Call it only while no object of clkv exists. Not
 * thread-safe. Two sorts of memory do not come from this allocator: the arrays of a pool with an element for each
 * block, and the slabs of CPU devices. They are mapped from the system, which gives zeroed pages when they are first
 * used, and are advised for 2 MiB pages. */
CLKV_API void clkv_set_allocator(const clkv_allocator *allocator);

#ifdef __cplusplus
}
#endif
#endif
