/* clear.cl: zeros into whole blocks, all layers, one work-group per (block, layer): of one layer a block is one
 * run of bytes, K and V of every KV head. SPDX-License-Identifier: Apache-2.0 */

__kernel __attribute__((reqd_work_group_size(CLKV_WORK_GROUP, 1, 1)))
void clkv_clear(CLKV_SLAB_PARAMS, __global const uint *batch, uint clears_at, uint layers, uint blocks_per_slab)
{
    const uint block = batch[clears_at + get_group_id(0) / layers];
    const uint layer = get_group_id(0) % layers;
    __global clkv_piece *to =
        (__global clkv_piece *)clkv_kv_tile(block, layer, 0, blocks_per_slab, CLKV_SLAB_ARGS);

    for (uint i = get_local_id(0); i < CLKV_BLOCK_PIECES; i += CLKV_WORK_GROUP) {
        to[i] = (clkv_piece)(0u);
    }
}
