/* copy.c: the twin of cl/copy.cl. SPDX-License-Identifier: Apache-2.0 */
#include "core/error.h"
#include "ref/layout.h"

#include <string.h>

clkv_status clkv_ref_copy(const clkv_ref_layout *layout, void *const *slabs, uint32_t from, uint32_t to)
{
    const clkv_status status = clkv_ref_layout_check(layout);
    if (status != CLKV_OK) return CLKV_PUBLIC(status);
    if (!slabs) return CLKV_FAIL(CLKV_ERROR_INVALID, "slabs is NULL");
    for (uint32_t layer = 0; layer < layout->layers; layer++)
        memmove(clkv_ref_k_tile(layout, slabs, to, layer, 0), clkv_ref_k_tile(layout, slabs, from, layer, 0),
                clkv_ref_block_bytes(layout));
    return CLKV_OK;
}
