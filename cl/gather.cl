/* gather.cl: copies the K and V of a sequence from their blocks to tensors, one work-group per token and KV head. It
 * is the reverse of append.cl. SPDX-License-Identifier: Apache-2.0 */
__kernel __attribute__((reqd_work_group_size(CLKV_WORK_GROUP, 1, 1)))
void clkv_gather(CLKV_SLAB_PARAMS, __global const uint *rows, uint row_at, uint first, uint n_tokens, uint layer,
                 ulong block_bytes, uint blocks_per_slab, __global clkv_out *k, ulong k_offset, uint k_stride,
                 __global clkv_out *v, ulong v_offset, uint v_stride, uint want)
{
    const uint token = get_group_id(0) / CLKV_KV_HEADS;
    const uint kv_head = get_group_id(0) % CLKV_KV_HEADS;
    if (token >= n_tokens) {
        return;
    }
    const uint position = first + token;
    const uint in_block = position % CLKV_BLOCK_SIZE;
    __global const uchar *k_tile =
        clkv_block(rows[row_at + position / CLKV_BLOCK_SIZE], block_bytes, blocks_per_slab, CLKV_SLAB_ARGS) +
        clkv_tile_at(layer, kv_head);
    __global const uchar *v_tile = k_tile + CLKV_K_TILE_BYTES;
    const ulong k_at = k_offset + (ulong)token * k_stride + kv_head * CLKV_HEAD_DIM;
    const ulong v_at = v_offset + (ulong)token * v_stride + kv_head * CLKV_HEAD_DIM_V;

    if (want & 1u) {
        for (uint d = get_local_id(0) * CLKV_WIDTH; d < CLKV_HEAD_DIM; d += CLKV_WORK_GROUP * CLKV_WIDTH) {
            CLKV_OUT_WIDE(CLKV_K_WIDE(k_tile + CLKV_K(bytes)(d * CLKV_BLOCK_SIZE + in_block)), k,
                          k_at + d);
        }
    }
    if (want & 2u) {
        for (uint d = get_local_id(0) * CLKV_WIDTH; d < CLKV_HEAD_DIM_V; d += CLKV_WORK_GROUP * CLKV_WIDTH) {
            CLKV_OUT_WIDE(CLKV_V_WIDE(v_tile + CLKV_V(bytes)(in_block * CLKV_HEAD_DIM_V + d)), v,
                          v_at + d);
        }
    }
}
