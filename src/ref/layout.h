/* layout.h: where the elements of a block lie.
 *
 *   slab   [layer][block of the slab][kv_head]{ K [head_dim][block_size], V [block_size][head_dim_v] }
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_REF_LAYOUT_H
#define CLKV_REF_LAYOUT_H

#include <clkv/ref.h>

/* INVALID when it describes no slab. */
clkv_status clkv_ref_layout_check(const clkv_ref_layout *layout);

/* Bytes of one element. */
size_t clkv_ref_element_bytes(const clkv_ref_layout *layout);

/* The K tile of a block, layer and KV head, and the V tile behind it. */
unsigned char *clkv_ref_k_tile(const clkv_ref_layout *layout, void *const *slabs, uint32_t block, uint32_t layer,
                               uint32_t kv_head);
unsigned char *clkv_ref_v_tile(const clkv_ref_layout *layout, void *const *slabs, uint32_t block, uint32_t layer,
                               uint32_t kv_head);

/* Element i of a tile. Storing rounds to nearest even. */
float clkv_ref_load(const clkv_ref_layout *layout, const unsigned char *tile, size_t i);
void clkv_ref_store(const clkv_ref_layout *layout, unsigned char *tile, size_t i, float x);

#endif
