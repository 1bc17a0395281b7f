/* clkv/memory.h: where the host memory of the library comes from.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_MEMORY_H
#define CLKV_MEMORY_H

#include <clkv/api.h>

#ifdef __cplusplus
extern "C" {
#endif

/* realloc-shaped: resize(user, NULL, 0, n) allocates n bytes aligned for any type, resize(user, p, old, 0)
 * frees, else it grows or shrinks keeping the first min(old, new) bytes. Returns NULL on failure (never
 * for a free). `old_bytes` is what was asked for. Must be thread-safe. */
typedef struct clkv_allocator {
    void *(*resize)(void *user, void *p, size_t old_bytes, size_t new_bytes);
    void *user;
} clkv_allocator;

/* Replaces the process's allocator; NULL restores malloc's. Only while no clkv object lives. Not
 * thread-safe. The per-block arrays of a pool and the host slabs of CPU devices do not come from here:
 * they are mapped from the system, zeroed, touched only as they are used and advised for 2 MiB pages. */
CLKV_API void clkv_set_allocator(const clkv_allocator *allocator);

#ifdef __cplusplus
}
#endif
#endif
