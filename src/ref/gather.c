/* gather.c: the twin of cl/gather.cl. SPDX-License-Identifier: Apache-2.0 */
#include "core/error.h"
#include "ref/layout.h"

clkv_status clkv_ref_gather(const clkv_ref_layout *layout, void *const *slabs, uint32_t layer,
                            const uint32_t *table, size_t first, size_t n, float *k, float *v)
{
    const clkv_status status = clkv_ref_layout_check(layout);
    if (status != CLKV_OK) return CLKV_PUBLIC(status);
    if (!slabs || (n && !table)) return CLKV_FAIL(CLKV_ERROR_INVALID, "slabs or table is NULL");
    if (layer >= layout->layers)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "layer %u of %u", layer, layout->layers);
    for (size_t t = 0; t < n; t++) {
        const uint32_t block = table[(first + t) / layout->block_size];
        const size_t at = (first + t) % layout->block_size;
        for (uint32_t h = 0; h < layout->kv_heads; h++) {
            const size_t row = t * layout->kv_heads + h;
            const unsigned char *kt = clkv_ref_k_tile(layout, slabs, block, layer, h);
            const unsigned char *vt = clkv_ref_v_tile(layout, slabs, block, layer, h);
            for (uint32_t d = 0; k && d < layout->head_dim; d++)
                k[row * layout->head_dim + d] = clkv_ref_load(layout, kt, (size_t)d * layout->block_size + at);
            for (uint32_t d = 0; v && d < layout->head_dim_v; d++)
                v[row * layout->head_dim_v + d] = clkv_ref_load(layout, vt, at * layout->head_dim_v + d);
        }
    }
    return CLKV_OK;
}
