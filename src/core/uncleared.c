/* uncleared.c: see uncleared.h. SPDX-License-Identifier: Apache-2.0 */
#include "core/uncleared.h"

#include "core/error.h"
#include "core/memory.h"

#include <string.h>

static size_t list_bytes(const clkv_uncleared *u)
{
    return (size_t)u->blocks * sizeof *u->list;
}

static size_t bits_bytes(const clkv_uncleared *u)
{
    return (size_t)u->blocks / 8 + 1;
}

clkv_status clkv_uncleared_init(clkv_uncleared *u, uint32_t blocks)
{
    *u = (clkv_uncleared){.blocks = blocks};
    u->list = clkv_map(list_bytes(u));
    u->bits = clkv_map(bits_bytes(u));
    if (u->list && u->bits) return CLKV_OK;
    clkv_uncleared_free(u);
    return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "the list of %u blocks to be cleared", blocks);
}

void clkv_uncleared_free(clkv_uncleared *u)
{
    clkv_unmap(u->list, list_bytes(u));
    clkv_unmap(u->bits, bits_bytes(u));
    memset(u, 0, sizeof *u);
}

void clkv_uncleared_add(clkv_uncleared *u, uint32_t block)
{
    if (clkv_uncleared_has(u, block)) return;
    u->bits[block >> 3] |= (uint8_t)(1u << (block & 7));
    u->list[u->n++] = block;
}

void clkv_uncleared_drop_last(clkv_uncleared *u, uint32_t n)
{
    while (n-- > 0) {
        const uint32_t block = u->list[--u->n];
        u->bits[block >> 3] &= (uint8_t)~(1u << (block & 7));
    }
}

size_t clkv_uncleared_bytes(const clkv_uncleared *u)
{
    return clkv_uncleared_is_on(u) ? list_bytes(u) + bits_bytes(u) : 0;
}

const char *clkv_uncleared_validate(const clkv_uncleared *u)
{
    uint32_t bits = 0;
    for (uint32_t block = 0; block < u->blocks; block++) bits += (uint32_t)clkv_uncleared_has(u, block);
    if (bits != u->n) return "uncleared: the list is not as long as there are bits";
    for (uint32_t i = 0; i < u->n; i++)
        if (u->list[i] >= u->blocks || !clkv_uncleared_has(u, u->list[i])) return "uncleared: a block of the list has no bit";
    return NULL;
}
