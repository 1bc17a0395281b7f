/* append.c: the twin of cl/append.cl. SPDX-License-Identifier: Apache-2.0 */
#include "core/error.h"
#include "ref/layout.h"

clkv_status clkv_ref_append(const clkv_ref_layout *layout, void *const *slabs, uint32_t layer, const float *k,
                            const float *v, const uint32_t *slots, size_t n_tokens)
{
    const clkv_status status = clkv_ref_layout_check(layout);
    if (status != CLKV_OK) return CLKV_PUBLIC(status);
    if (!slabs || (n_tokens && (!k || !v || !slots)))
        return CLKV_FAIL(CLKV_ERROR_INVALID, "slabs, k, v or slots is NULL");
    if (layer >= layout->layers)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "layer %u of %u", layer, layout->layers);
    for (size_t t = 0; t < n_tokens; t++) {
        const uint32_t block = slots[t] / layout->block_size, at = slots[t] % layout->block_size;
        for (uint32_t h = 0; h < layout->kv_heads; h++) {
            unsigned char *kt = clkv_ref_k_tile(layout, slabs, block, layer, h);
            unsigned char *vt = clkv_ref_v_tile(layout, slabs, block, layer, h);
            const float *kr = k + (t * layout->kv_heads + h) * layout->head_dim;
            const float *vr = v + (t * layout->kv_heads + h) * layout->head_dim_v;
            for (uint32_t d = 0; d < layout->head_dim; d++)
                clkv_ref_store(layout, kt, (size_t)d * layout->block_size + at, kr[d]);
            for (uint32_t d = 0; d < layout->head_dim_v; d++)
                clkv_ref_store(layout, vt, (size_t)at * layout->head_dim_v + d, vr[d]);
        }
    }
    return CLKV_OK;
}
