/* pages_windows.c: see pages.h. SPDX-License-Identifier: Apache-2.0 */
#include "os/pages.h"

#include <stdint.h>
#include <string.h>

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

enum { TRIES = 8 };
static const size_t alignment = (size_t)2 << 20;

/* VirtualAlloc aligns to 64 KiB. Reserves more, frees it, and takes the aligned middle; another thread may have taken
 * it in between, so there are several tries. */
static void *map_aligned(size_t bytes)
{
    for (int i = 0; i < TRIES; i++) {
        char *p = VirtualAlloc(NULL, bytes + alignment, MEM_RESERVE, PAGE_READWRITE);
        if (!p) return NULL;
        const size_t head = (alignment - (uintptr_t)p % alignment) % alignment;
        VirtualFree(p, 0, MEM_RELEASE);
        char *q = VirtualAlloc(p + head, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
        if (q) return q;
    }
    return VirtualAlloc(NULL, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
}

void *clkv_map(size_t bytes)
{
    if (bytes == 0 || bytes > SIZE_MAX / 2) return NULL;
    return bytes >= alignment ? map_aligned(bytes) : VirtualAlloc(NULL, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
}

void *clkv_remap(void *p, size_t old_bytes, size_t new_bytes)
{
    void *q = clkv_map(new_bytes);
    if (!p || !q) return q;
    memcpy(q, p, old_bytes < new_bytes ? old_bytes : new_bytes);
    clkv_unmap(p, old_bytes);
    return q;
}

void clkv_unmap(void *p, size_t bytes)
{
    (void)bytes;
    if (p) VirtualFree(p, 0, MEM_RELEASE);
}
