/* memory.c: the process's allocator. SPDX-License-Identifier: Apache-2.0 */
#include "core/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void *default_resize(void *user, void *p, size_t old_bytes, size_t new_bytes)
{
    (void)user;
    (void)old_bytes;
    if (new_bytes == 0) {
        free(p);
        return NULL;
    }
    return realloc(p, new_bytes);
}

static clkv_allocator allocator = { default_resize, NULL };

void clkv_set_allocator(const clkv_allocator *a)
{
    if (a && a->resize) {
        allocator = *a;
    } else {
        allocator.resize = default_resize;
        allocator.user = NULL;
    }
}

void *clkv_alloc(size_t bytes)
{
    void *p = clkv_resize(NULL, 0, bytes);
    if (p) memset(p, 0, bytes);
    return p;
}

void *clkv_resize(void *p, size_t old_bytes, size_t new_bytes)
{
    return allocator.resize(allocator.user, p, old_bytes, new_bytes);
}

void clkv_free(void *p, size_t bytes)
{
    if (p) allocator.resize(allocator.user, p, bytes, 0);
}

int clkv_grow(void **p, size_t *capacity, size_t need, size_t each)
{
    if (need <= *capacity) return 0;
    size_t n = *capacity ? *capacity : 8;
    while (n < need) {
        if (n > SIZE_MAX / 2) return -1;
        n *= 2;
    }
    if (n > SIZE_MAX / each) return -1;
    void *q = clkv_resize(*p, *capacity * each, n * each);
    if (!q) return -1;
    *p = q;
    *capacity = n;
    return 0;
}
