/* append.cl: writes the K and V of new tokens into their slots, one work-group per token and KV head.
 *
 *   k [token][kv_head][head_dim]    one column of   K [head_dim][block_size]
 *   v [token][kv_head][head_dim_v]  one row of      V [block_size][head_dim_v]
 *
 * The tokens of k are k_stride elements apart, those of v v_stride. SPDX-License-Identifier: Apache-2.0 */
__kernel __attribute__((reqd_work_group_size(CLKV_WORK_GROUP, 1, 1)))
void clkv_append(CLKV_SLAB_PARAMS, __global const clkv_in *k, ulong k_offset, uint k_stride,
                 __global const clkv_in *v, ulong v_offset, uint v_stride, __global const uint *batch, uint slots_at,
                 uint n_tokens, uint layer, ulong block_bytes, uint blocks_per_slab)
{
    const uint token = get_group_id(0) / CLKV_KV_HEADS;
    const uint kv_head = get_group_id(0) % CLKV_KV_HEADS;
    if (token >= n_tokens) {
        return;
    }
    const uint slot = batch[slots_at + token];
    const uint in_block = slot % CLKV_BLOCK_SIZE;
    __global uchar *k_tile = clkv_block(slot / CLKV_BLOCK_SIZE, block_bytes, blocks_per_slab, CLKV_SLAB_ARGS) +
                             clkv_tile_at(layer, kv_head);
    __global uchar *v_tile = k_tile + CLKV_K_TILE_BYTES;
    const ulong k_at = k_offset + (ulong)token * k_stride + kv_head * CLKV_HEAD_DIM;
    const ulong v_at = v_offset + (ulong)token * v_stride + kv_head * CLKV_HEAD_DIM_V;

    for (uint d = get_local_id(0) * CLKV_WIDTH; d < CLKV_HEAD_DIM; d += CLKV_WORK_GROUP * CLKV_WIDTH) {
        CLKV_K_WIDE_STORE(CLKV_IN_WIDE(k, k_at + d),
                          k_tile + CLKV_K(bytes)(d * CLKV_BLOCK_SIZE + in_block));
    }
    for (uint d = get_local_id(0) * CLKV_WIDTH; d < CLKV_HEAD_DIM_V; d += CLKV_WORK_GROUP * CLKV_WIDTH) {
        CLKV_V_WIDE_STORE(CLKV_IN_WIDE(v, v_at + d),
                          v_tile + CLKV_V(bytes)(in_block * CLKV_HEAD_DIM_V + d));
    }
}
