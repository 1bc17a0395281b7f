/* gather.c: the twin of cl/gather.cl. SPDX-License-Identifier: Apache-2.0 */
#include "core/error.h"
#include "ref/layout.h"

clkv_status clkv_ref_gather(const clkv_ref_layout *layout, void *const *slabs, uint32_t layer,
                            const uint32_t *table, size_t first, size_t n, float *k, float *v)
{
    clkv_layout read;
    const clkv_status status = clkv_ref_layout_read(layout, &read);
    if (status != CLKV_OK) return CLKV_PUBLIC(status);
    if (!slabs || (n && !table)) return CLKV_FAIL(CLKV_ERROR_INVALID, "slabs or table is NULL");
    if (layer >= layout->layers)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "layer %u of %u", layer, layout->layers);
    for (size_t t = 0; t < n; t++) {
        const uint32_t block = table[(first + t) / layout->block_size];
        const size_t at = (first + t) % layout->block_size;
        for (uint32_t h = 0; h < layout->kv_heads; h++) {
            const size_t row = t * layout->kv_heads + h;
            const unsigned char *const bytes = clkv_ref_block(layout, &read, slabs, block);
            if (k)
                read.k->decode(bytes + clkv_layout_k_at(&read, layer, h), at, layout->block_size,
                               k + row * layout->head_dim, layout->head_dim);
            if (v)
                read.v->decode(bytes + clkv_layout_v_at(&read, layer, h), at * layout->head_dim_v, 1,
                               v + row * layout->head_dim_v, layout->head_dim_v);
        }
    }
    return CLKV_OK;
}
