/* pages_posix.c: see pages.h. SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE    /* mremap, madvise */
#define _DARWIN_C_SOURCE /* MAP_ANON */
#include "os/pages.h"

#include <stdint.h>
#include <string.h>

#include <sys/mman.h>

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif
#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

static const size_t huge_page = (size_t)2 << 20;

/* The size that munmap needs: whole huge pages for a large mapping. */
static size_t mapped_bytes(size_t bytes)
{
    size_t unit = bytes >= huge_page ? huge_page : 4096;
    return (bytes + unit - 1) / unit * unit;
}

void *clkv_map(size_t bytes)
{
    if (bytes == 0 || bytes > SIZE_MAX / 2) return NULL;
    const size_t size = mapped_bytes(bytes);
    const size_t slack = bytes >= huge_page ? huge_page : 0;
    char *p = mmap(NULL, size + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) return NULL;
    if (!slack) return p;
    /* mmap aligns to small pages only: unmap the parts outside the aligned middle. */
    const size_t head = (huge_page - (uintptr_t)p % huge_page) % huge_page;
    if (head) munmap(p, head);
    if (slack - head) munmap(p + head + size, slack - head);
#ifdef MADV_HUGEPAGE
    madvise(p + head, size, MADV_HUGEPAGE);
#endif
    return p + head;
}

#ifdef MREMAP_FIXED
/* mremap moves page tables, not bytes, so that growing a gigabyte needs no second gigabyte. The pages go to a place that
 * is aligned: left to itself, mremap aligns to small pages. */
static void *move_pages(void *p, size_t had, size_t new_bytes)
{
    const size_t wanted = mapped_bytes(new_bytes);
    if (wanted < had) return munmap((char *)p + wanted, had - wanted) ? NULL : p;
    void *q = clkv_map(new_bytes);
    if (q && mremap(p, had, had, MREMAP_MAYMOVE | MREMAP_FIXED, q) == MAP_FAILED) {
        munmap(q, wanted);
        q = NULL;
    }
    return q;
}
#endif

void *clkv_remap(void *p, size_t old_bytes, size_t new_bytes)
{
    if (!p) return clkv_map(new_bytes);
    if (mapped_bytes(old_bytes) == mapped_bytes(new_bytes)) return p;
#ifdef MREMAP_FIXED
    if (old_bytes >= huge_page && new_bytes >= huge_page) return move_pages(p, mapped_bytes(old_bytes), new_bytes);
#endif
    void *q = clkv_map(new_bytes);
    if (!q) return NULL;
    memcpy(q, p, old_bytes < new_bytes ? old_bytes : new_bytes);
    clkv_unmap(p, old_bytes);
    return q;
}

void clkv_unmap(void *p, size_t bytes)
{
    if (p) munmap(p, mapped_bytes(bytes));
}
