/* append.c: the twin of cl/append.cl. SPDX-License-Identifier: Apache-2.0 */
#include "core/error.h"
#include "ref/layout.h"

clkv_status clkv_ref_append(const clkv_ref_layout *layout, void *const *slabs, uint32_t layer, const float *k,
                            const float *v, const uint32_t *slots, size_t n_tokens)
{
    clkv_layout read;
    const clkv_status status = clkv_ref_layout_read(layout, &read);
    if (status != CLKV_OK) return CLKV_PUBLIC(status);
    if (!slabs || (n_tokens && (!k || !v || !slots)))
        return CLKV_FAIL(CLKV_ERROR_INVALID, "slabs, k, v or slots is NULL");
    if (layer >= layout->layers)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "layer %u of %u", layer, layout->layers);
    for (size_t t = 0; t < n_tokens; t++) {
        const uint32_t block = slots[t] / layout->block_size, at = slots[t] % layout->block_size;
        for (uint32_t h = 0; h < layout->kv_heads; h++) {
            unsigned char *const bytes = clkv_ref_block(layout, &read, slabs, block);
            const size_t row = t * layout->kv_heads + h;
            read.k->encode(bytes + clkv_layout_k_at(&read, layer, h), at, layout->block_size,
                           k + row * layout->head_dim, layout->head_dim);
            read.v->encode(bytes + clkv_layout_v_at(&read, layer, h), (size_t)at * layout->head_dim_v, 1,
                           v + row * layout->head_dim_v, layout->head_dim_v);
        }
    }
    return CLKV_OK;
}
