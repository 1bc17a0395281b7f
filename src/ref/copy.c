/* copy.c: the twin of cl/copy.cl. SPDX-License-Identifier: Apache-2.0 */
#include "core/error.h"
#include "ref/layout.h"

#include <string.h>

clkv_status clkv_ref_copy(const clkv_ref_layout *layout, void *const *slabs, uint32_t from, uint32_t to)
{
    clkv_layout read;
    const clkv_status status = clkv_ref_layout_read(layout, &read);
    if (status != CLKV_OK) return CLKV_PUBLIC(status);
    if (!slabs) return CLKV_FAIL(CLKV_ERROR_INVALID, "slabs is NULL");
    memmove(clkv_ref_block(layout, &read, slabs, to), clkv_ref_block(layout, &read, slabs, from),
            (size_t)clkv_layout_block_bytes(&read));
    return CLKV_OK;
}
