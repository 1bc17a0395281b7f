/* copy.cl: copies whole blocks, all layers, one work-group per (copy, layer): of one layer a block is one
 * run of bytes, K and V of every KV head. The copies of a batch must not touch each other's blocks.
 * SPDX-License-Identifier: Apache-2.0 */

__kernel __attribute__((reqd_work_group_size(CLKV_WORK_GROUP, 1, 1)))
void clkv_copy(CLKV_SLAB_PARAMS, __global const uint *batch, uint copies_at, uint layers, uint blocks_per_slab)
{
    const uint copy = get_group_id(0) / layers;
    const uint layer = get_group_id(0) % layers;
    const uint from_block = batch[copies_at + 2 * copy];
    const uint to_block = batch[copies_at + 2 * copy + 1];
    __global const clkv_piece *from =
        (__global const clkv_piece *)clkv_kv_tile(from_block, layer, 0, blocks_per_slab, CLKV_SLAB_ARGS);
    __global clkv_piece *to =
        (__global clkv_piece *)clkv_kv_tile(to_block, layer, 0, blocks_per_slab, CLKV_SLAB_ARGS);

    for (uint i = get_local_id(0); i < CLKV_BLOCK_PIECES; i += CLKV_WORK_GROUP) {
        to[i] = from[i];
    }
}
