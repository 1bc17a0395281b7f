/* attention_portable.cl: attention for GPUs and any other device, in OpenCL C 1.2 without any extension. A work-group
 * has 1 to 256 lanes (a power of two) and at most 32 KiB of local memory; lanes need not run in lockstep.
 *
 * A work-group computes one item for one KV head. It takes the rows of the item (query × head of the group) in sweeps
 * of up to SWEEP_ROWS, and in each sweep the tokens of the item in steps of STEP. Every element of K and V is read once
 * per sweep, for all rows of the sweep. One step:
 *
 *   1 scores    lane = (slice of head_dim, K_WIDTH adjacent tokens)   K is transposed: unit stride over lanes
 *               sums over a slice of head_dim → area[slice][row][token]
 *   2 maxima    lane = (row, every ROW_LANES-th token)                adds the slices, masks → reduce[row][lane]
 *   3 weights   same lanes                                            area[0][row][token] = exp2(score − maximum)
 *   4 output    lane = (group of tokens, V_WIDTH adjacent dims)       private sums [row][dim], online softmax
 *
 * with a barrier after each stage. The sums over the lanes of stage 3, and over the token groups of stage 4, are added
 * up once, at the end.
 * Local memory in bytes (AREA as defined below; at most 28 KiB for any legal parameters):
 *
 *   4 · (SWEEP_ROWS · head_dim + AREA + max(work_group, SWEEP_ROWS) + SWEEP_ROWS + max(1, STEP / block_size))
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_WORK_GROUP
#define CLKV_WORK_GROUP 64
#endif

#define ROWS (CLKV_TILE_TOKENS * CLKV_GROUP)
#define SWEEP_ROWS (ROWS <= 4 ? 4 : 8)
#define STEP 128 /* tokens */
#define NO_SCORE (-1e30f) /* below every score; finite, so that differences of two are */

/* Scores: the number of adjacent tokens that a lane takes, the number of such vectors in a step, and the number of
 * slices of head_dim that keeps all lanes busy. */
#if CLKV_BLOCK_SIZE == 1
#define K_WIDTH 1
typedef float k_vec;
#elif CLKV_BLOCK_SIZE == 2 || CLKV_WORK_GROUP > 64
#define K_WIDTH 2
typedef float2 k_vec;
#else
#define K_WIDTH 4
typedef float4 k_vec;
#endif
#define VECS (STEP / K_WIDTH)
#define SLICES (CLKV_WORK_GROUP > VECS ? CLKV_WORK_GROUP / VECS : 1)
#define QUADS (CLKV_HEAD_DIM / 4)
#define SLICE_QUADS ((QUADS + SLICES - 1) / SLICES)
#define AREA (SLICES * SWEEP_ROWS * STEP)

/* Softmax: lanes per row, rows per lane. */
#define ROW_LANES (CLKV_WORK_GROUP > SWEEP_ROWS ? CLKV_WORK_GROUP / SWEEP_ROWS : 1)
#define LANE_ROWS (CLKV_WORK_GROUP > SWEEP_ROWS ? 1 : SWEEP_ROWS / CLKV_WORK_GROUP)

/* Output: columns of adjacent dims, columns per lane, and groups of lanes that divide the tokens among them. Narrow
 * columns halve the registers, most of which hold the private sums. */
#if CLKV_WORK_GROUP > 64
#define V_WIDTH 2
typedef float2 v_vec;
#else
#define V_WIDTH 4
typedef float4 v_vec;
#endif
#define COLUMNS (CLKV_HEAD_DIM_V / V_WIDTH)
#define LANE_COLUMNS ((COLUMNS + CLKV_WORK_GROUP - 1) / CLKV_WORK_GROUP)
#define TOKEN_GROUPS (CLKV_WORK_GROUP > COLUMNS ? CLKV_WORK_GROUP / COLUMNS : 1)
#define ROUND_ROWS (AREA / (TOKEN_GROUPS * CLKV_HEAD_DIM_V)) /* rows that fit into area at the end; ≥ 1 */

#define STEP_BLOCKS (STEP > CLKV_BLOCK_SIZE ? STEP / CLKV_BLOCK_SIZE : 1)

#if K_WIDTH == 4
#define load_k CLKV_K(load4)
#elif K_WIDTH == 2
#define load_k CLKV_K(load2)
#else
#define load_k CLKV_K(load)
#endif
#if V_WIDTH == 4
#define load_v CLKV_V(load4)
#else
#define load_v CLKV_V(load2)
#endif
/* Bytes from one dimension of K to the next, and from one token of V to the next. */
#define K_ROW CLKV_K(bytes)(CLKV_BLOCK_SIZE)
#define V_ROW CLKV_V(bytes)(CLKV_HEAD_DIM_V)

/* The task of a work-group, the same for all of its lanes. */
typedef struct task {
    clkv_item item;
    ulong tile_at, block_bytes; /* of the layer and KV head in each block; of a block */
    uint blocks_per_slab, kv_head;
    uint row0, rows;            /* of the tile, in this sweep */
    uint end;                   /* of the keys that the sweep reads */
} task;

/* The place of a row of the sweep in a caller's tensor [token][head][dim], and in the workspace of parts. */
#define ROW_QUERY(k, row) (((k)->row0 + (row)) / CLKV_GROUP)
#define ROW_HEAD(k, row) ((k)->kv_head * CLKV_GROUP + ((k)->row0 + (row)) % CLKV_GROUP)
#define ROW_AT(k, row, stride, dim)                                                                                \
    ((ulong)((k)->item.token + ROW_QUERY(k, row)) * (stride) + ROW_HEAD(k, row) * (dim))
#define PART_ROW_AT(k, row) (((ulong)(k)->item.part + ROW_QUERY(k, row)) * CLKV_HEADS + ROW_HEAD(k, row))

/* A row of the sweep sees the tokens below this; 0 for rows that are only padding. */
static inline uint row_limit(const task *k, uint row)
{
    return row < k->rows ? clkv_row_end(&k->item, ROW_QUERY(k, row)) : 0u;
}

/* The K tile of a block. */
static inline __global const uchar *tile_of(const task *k, uint block, CLKV_SLAB_PARAMS)
{
    return clkv_block(block, k->block_bytes, k->blocks_per_slab, CLKV_SLAB_ARGS) + k->tile_at;
}

static inline void add_scores(k_vec *sums, __local const float4 *q, k_vec k0, k_vec k1, k_vec k2, k_vec k3)
{
#pragma unroll
    for (uint r = 0; r < 4; r++) {
        const float4 x = q[r * QUADS];
        sums[r] = mad(x.x, k0, mad(x.y, k1, mad(x.z, k2, mad(x.w, k3, sums[r]))));
    }
}

/* Stage 1. blocks[] keeps the step's block ids for stage 4. */
static inline void scores(const task *k, uint t0, __global const uint *table, __local const float4 *q,
                          __local float *area, __local uint *blocks, CLKV_SLAB_PARAMS)
{
    for (uint unit = (uint)get_local_id(0); unit < VECS * SLICES; unit += CLKV_WORK_GROUP) {
        const uint slice = unit / VECS, vec = unit % VECS, t = t0 + vec * K_WIDTH;
        if (t >= k->end) continue;
        const uint block = table[t / CLKV_BLOCK_SIZE];
        if (slice == 0 && vec % (CLKV_BLOCK_SIZE / K_WIDTH) == 0)
            blocks[vec * K_WIDTH / CLKV_BLOCK_SIZE] = block;
        __global const uchar *tile = tile_of(k, block, CLKV_SLAB_ARGS) + CLKV_K(bytes)(t % CLKV_BLOCK_SIZE);
        k_vec sums[SWEEP_ROWS];
#pragma unroll
        for (uint r = 0; r < SWEEP_ROWS; r++) sums[r] = 0.0f;
        const uint last = min((slice + 1) * SLICE_QUADS, (uint)QUADS);
#pragma unroll 2
        for (uint quad = slice * SLICE_QUADS; quad < last; quad++) {
            __global const uchar *p = tile + quad * 4 * K_ROW;
            const k_vec k0 = load_k(p), k1 = load_k(p + K_ROW);
            const k_vec k2 = load_k(p + 2 * K_ROW), k3 = load_k(p + 3 * K_ROW);
            add_scores(sums, q + quad, k0, k1, k2, k3);
            if (SWEEP_ROWS > 4 && k->rows > 4)
                add_scores(sums + SWEEP_ROWS - 4, q + 4 * QUADS + quad, k0, k1, k2, k3);
        }
        __local float *out = area + slice * SWEEP_ROWS * STEP + vec * K_WIDTH;
#pragma unroll
        for (uint r = 0; r < SWEEP_ROWS; r++) *(__local k_vec *)(out + r * STEP) = sums[r];
    }
}

/* Stage 2. Scores of tokens that a row does not see may be NaN; a selection replaces them by NO_SCORE. */
static inline void maxima(const task *k, uint t0, __local float *area, __local float *reduce)
{
    const uint lid = (uint)get_local_id(0);
#pragma unroll
    for (uint i = 0; i < LANE_ROWS; i++) {
        const uint row = lid / ROW_LANES + i * CLKV_WORK_GROUP, limit = row_limit(k, row);
        float top = NO_SCORE;
#pragma unroll 2
        for (uint t = lid % ROW_LANES; t < STEP; t += ROW_LANES) {
            __local float *at = area + row * STEP + t;
            float score = NO_SCORE;
            if (t0 + t < limit) {
                score = *at;
#pragma unroll
                for (uint slice = 1; slice < SLICES; slice++) score += at[slice * SWEEP_ROWS * STEP];
            }
            *at = score;
            top = fmax(top, score);
        }
        reduce[lid + i * CLKV_WORK_GROUP] = top;
    }
}

/* Stage 3. Each lane keeps the maximum of the row and the sum of its own tokens. scaling[row] is the factor by which
 * stage 4 multiplies the sums so far. */
static inline void weights(const task *k, uint t0, __local float *area, __local const float *reduce,
                           __local float *scaling, float *tops, float *totals)
{
    const uint lid = (uint)get_local_id(0);
#pragma unroll
    for (uint i = 0; i < LANE_ROWS; i++) {
        const uint row = lid / ROW_LANES + i * CLKV_WORK_GROUP, limit = row_limit(k, row);
        float top = tops[i];
#pragma unroll 4
        for (uint j = 0; j < ROW_LANES; j++) top = fmax(top, reduce[row * ROW_LANES + j]);
        const float shrink = exp2(tops[i] - top);
        float total = totals[i] * shrink;
#pragma unroll 2
        for (uint t = lid % ROW_LANES; t < STEP; t += ROW_LANES) {
            __local float *at = area + row * STEP + t;
            const float weight = t0 + t < limit ? exp2(*at - top) : 0.0f;
            *at = weight;
            total += weight;
        }
        tops[i] = top;
        totals[i] = total;
        if (lid % ROW_LANES == 0) scaling[row] = shrink;
    }
}

static inline void add_values(v_vec *sums, __local const float4 *weight, v_vec v0, v_vec v1, v_vec v2,
                              v_vec v3)
{
#pragma unroll
    for (uint r = 0; r < 4; r++) {
        const float4 w = weight[r * (STEP / 4)];
        sums[r] = mad(w.x, v0, mad(w.y, v1, mad(w.z, v2, mad(w.w, v3, sums[r]))));
    }
}

/* The same for four tokens from t on that some rows do not all see. Values that a row does not see may be NaN or
 * infinite. */
static inline void add_seen_values(const task *k, uint t, uint row0, v_vec *sums, __local const float4 *weight,
                                   v_vec v0, v_vec v1, v_vec v2, v_vec v3)
{
    const v_vec zero = (v_vec)(0.0f);
#pragma unroll
    for (uint r = 0; r < 4; r++) {
        const float4 w = weight[r * (STEP / 4)];
        const uint limit = row_limit(k, row0 + r); /* less t would be a saturating subtraction: not in Oclgrind */
        sums[r] = mad(w.x, limit > t ? v0 : zero,
                      mad(w.y, limit > t + 1 ? v1 : zero,
                          mad(w.z, limit > t + 2 ? v2 : zero, mad(w.w, limit > t + 3 ? v3 : zero, sums[r]))));
    }
}

/* Stage 4 for one column of a lane. Slots beyond the end may hold NaN; a selection masks them, since NaN × 0 is
 * NaN. */
static inline void output(const task *k, uint t0, uint group, uint column, __local const float *area,
                          __local const uint *blocks, __local const float *scaling, v_vec *sums, CLKV_SLAB_PARAMS)
{
#pragma unroll
    for (uint r = 0; r < SWEEP_ROWS; r++) sums[r] *= scaling[r];
    const uint n = min(k->end - t0, (uint)STEP), all = row_limit(k, 0); /* every row sees those below `all` */
    for (uint t = 4 * group; t < n; t += 4 * TOKEN_GROUPS) {
        v_vec v[4];
#if CLKV_BLOCK_SIZE >= 4
        __global const uchar *tile =
            tile_of(k, blocks[CLKV_BLOCK_SIZE > STEP ? 0 : t / CLKV_BLOCK_SIZE], CLKV_SLAB_ARGS) +
            CLKV_K_TILE_BYTES + (t0 + t) % CLKV_BLOCK_SIZE * V_ROW + CLKV_V(bytes)(column * V_WIDTH);
#pragma unroll
        for (uint i = 0; i < 4; i++) v[i] = load_v(tile + i * V_ROW);
#else
#pragma unroll
        for (uint i = 0; i < 4; i++) {
            const uint at = min(t + i, n - 1);
            v[i] = load_v(tile_of(k, blocks[at / CLKV_BLOCK_SIZE], CLKV_SLAB_ARGS) + CLKV_K_TILE_BYTES +
                          (t0 + at) % CLKV_BLOCK_SIZE * V_ROW + CLKV_V(bytes)(column * V_WIDTH));
        }
#endif
#pragma unroll
        for (uint i = 1; i < 4; i++) v[i] = t + i < n ? v[i] : (v_vec)(0.0f);
        __local const float4 *weight = (__local const float4 *)(area + t);
        if (t0 + min(t + 4, n) <= all) {
            add_values(sums, weight, v[0], v[1], v[2], v[3]);
            if (SWEEP_ROWS > 4 && k->rows > 4)
                add_values(sums + SWEEP_ROWS - 4, weight + 4 * (STEP / 4), v[0], v[1], v[2], v[3]);
        } else {
            add_seen_values(k, t0 + t, 0, sums, weight, v[0], v[1], v[2], v[3]);
            if (SWEEP_ROWS > 4 && k->rows > 4)
                add_seen_values(k, t0 + t, 4, sums + SWEEP_ROWS - 4, weight + 4 * (STEP / 4), v[0], v[1], v[2],
                                v[3]);
        }
    }
}

/* Loads the queries of the sweep, scaled so that the weight is exp2 of the score. */
static inline void load_queries(const task *k, float scale, __global const clkv_in *q, ulong q_offset,
                                uint q_stride, __local float *out)
{
    for (uint i = (uint)get_local_id(0); i < SWEEP_ROWS * CLKV_HEAD_DIM; i += CLKV_WORK_GROUP) {
        const uint row = i / CLKV_HEAD_DIM;
        const ulong at = q_offset + ROW_AT(k, row, q_stride, CLKV_HEAD_DIM) + i % CLKV_HEAD_DIM;
        out[i] = row < k->rows ? CLKV_IN_LOAD(q, at) * (scale * M_LOG2E_F) : 0.0f;
    }
}

/* Adds up the lanes' sums of weights. scaling[row] becomes the factor that normalises the row, or 0 if it saw no
 * key. */
static inline void finish_rows(const task *k, __local const float *reduce, __local float *scaling,
                               const float *tops, __global float *lse, ulong lse_offset, uint lse_stride,
                               uint want_lse, __global float2 *part_sums)
{
    const uint lid = (uint)get_local_id(0);
#pragma unroll
    for (uint i = 0; i < LANE_ROWS; i++) {
        const uint row = lid / ROW_LANES + i * CLKV_WORK_GROUP;
        if (lid % ROW_LANES == 0 && row < k->rows) {
            float total = 0.0f;
#pragma unroll 4
            for (uint j = 0; j < ROW_LANES; j++) total += reduce[row * ROW_LANES + j];
            const bool any = total != 0.0f; /* or NaN, which is not to be hidden */
            scaling[row] = any ? 1.0f / total : 0.0f;
            if (k->item.part != CLKV_DIRECT)
                part_sums[PART_ROW_AT(k, row)] = (float2)(tops[i], total);
            else if (want_lse)
                lse[lse_offset + ROW_AT(k, row, lse_stride, 1)] = any ? (tops[i] + log2(total)) * M_LN2_F : -INFINITY;
        }
    }
}

/* Adds up the sums of the token groups for `rows` rows from row r0 on, and stores the result. */
static inline void store_rows(const task *k, uint r0, uint rows, __local const float *area,
                              __local const float *scaling, __global clkv_out *o, ulong o_offset,
                              uint o_stride, __global float *part_o)
{
    for (uint i = (uint)get_local_id(0); i < rows * CLKV_HEAD_DIM_V; i += CLKV_WORK_GROUP) {
        const uint r = i / CLKV_HEAD_DIM_V, d = i % CLKV_HEAD_DIM_V, row = r0 + r;
        float sum = 0.0f;
        for (uint group = 0; group < TOKEN_GROUPS; group++)
            sum += area[(r * TOKEN_GROUPS + group) * CLKV_HEAD_DIM_V + d];
        sum *= scaling[row];
        if (k->item.part != CLKV_DIRECT)
            part_o[PART_ROW_AT(k, row) * CLKV_HEAD_DIM_V + d] = sum;
        else
            CLKV_OUT_STORE(sum, o, o_offset + ROW_AT(k, row, o_stride, CLKV_HEAD_DIM_V) + d);
    }
}

#if CLKV_SUB_GROUP
__attribute__((intel_reqd_sub_group_size(CLKV_SUB_GROUP)))
#endif
__attribute__((reqd_work_group_size(CLKV_WORK_GROUP, 1, 1)))
__kernel void clkv_attention(CLKV_SLAB_PARAMS, __global const uint *rows, uint row_stride,
                             __global const uint *batch, uint items_at, uint layer, ulong block_bytes,
                             uint blocks_per_slab, float scale, __global const clkv_in *q, ulong q_offset,
                             uint q_stride, __global clkv_out *o, ulong o_offset, uint o_stride,
                             __global float *lse, ulong lse_offset, uint lse_stride, uint want_lse, __global float *part_o, __global float2 *part_sums)
{
    __local float4 q4[SWEEP_ROWS * QUADS], area4[AREA / 4];
    __local float reduce[CLKV_WORK_GROUP > SWEEP_ROWS ? CLKV_WORK_GROUP : SWEEP_ROWS], scaling[SWEEP_ROWS];
    __local uint blocks[STEP_BLOCKS];
    __local float *area = (__local float *)area4;
    const uint lid = (uint)get_local_id(0);
    const uint group = TOKEN_GROUPS > 1 ? lid / COLUMNS : 0;
    const uint column = group >= TOKEN_GROUPS ? COLUMNS : TOKEN_GROUPS > 1 ? lid % COLUMNS : lid;

    task k;
    clkv_read_item(&k.item, batch, items_at, (uint)get_group_id(0) / CLKV_KV_HEADS);
    k.kv_head = (uint)get_group_id(0) % CLKV_KV_HEADS;
    k.tile_at = clkv_tile_at(layer, k.kv_head);
    k.block_bytes = block_bytes;
    k.blocks_per_slab = blocks_per_slab;
    __global const uint *table = rows + (ulong)k.item.row * row_stride;
    const uint tile_rows = k.item.queries * CLKV_GROUP;

    for (uint row0 = 0; row0 < tile_rows; row0 += SWEEP_ROWS) {
        k.row0 = row0;
        k.rows = min((uint)SWEEP_ROWS, tile_rows - row0);
        k.end = row_limit(&k, k.rows - 1); /* the last row sees most */
        load_queries(&k, scale, q, q_offset, q_stride, (__local float *)q4);
        barrier(CLK_LOCAL_MEM_FENCE);

        v_vec sums[LANE_COLUMNS][SWEEP_ROWS];
        float tops[LANE_ROWS], totals[LANE_ROWS];
#pragma unroll
        for (uint i = 0; i < LANE_ROWS; i++) {
            tops[i] = NO_SCORE;
            totals[i] = 0.0f;
        }
#pragma unroll
        for (uint c = 0; c < LANE_COLUMNS; c++)
#pragma unroll
            for (uint r = 0; r < SWEEP_ROWS; r++) sums[c][r] = 0.0f;

        for (uint t0 = k.item.first; t0 < k.end; t0 += STEP) {
            scores(&k, t0, table, q4, area, blocks, CLKV_SLAB_ARGS);
            barrier(CLK_LOCAL_MEM_FENCE);
            maxima(&k, t0, area, reduce);
            barrier(CLK_LOCAL_MEM_FENCE);
            weights(&k, t0, area, reduce, scaling, tops, totals);
            barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll
            for (uint c = 0; c < LANE_COLUMNS; c++)
                if (column + c * CLKV_WORK_GROUP < COLUMNS)
                    output(&k, t0, group, column + c * CLKV_WORK_GROUP, area, blocks, scaling, sums[c],
                           CLKV_SLAB_ARGS);
            barrier(CLK_LOCAL_MEM_FENCE);
        }

#pragma unroll
        for (uint i = 0; i < LANE_ROWS; i++) reduce[lid + i * CLKV_WORK_GROUP] = totals[i];
        barrier(CLK_LOCAL_MEM_FENCE);
        finish_rows(&k, reduce, scaling, tops, lse, lse_offset, lse_stride, want_lse, part_sums);
        /* The loop must be unrolled: otherwise pocl 3.1 gives r0 a wrong value, since the loop is inside the
         * loop over sweeps. */
#pragma unroll
        for (uint r0 = 0; r0 < SWEEP_ROWS; r0 += ROUND_ROWS) {
#pragma unroll
            for (uint c = 0; c < LANE_COLUMNS; c++) {
                const uint at = column + c * CLKV_WORK_GROUP;
#pragma unroll
                for (uint r = 0; r < SWEEP_ROWS; r++)
                    if (r - r0 < ROUND_ROWS && at < COLUMNS)
                        ((__local v_vec *)area4)[((r - r0) * TOKEN_GROUPS + group) * COLUMNS + at] = sums[c][r];
            }
            barrier(CLK_LOCAL_MEM_FENCE);
            store_rows(&k, r0, r0 < k.rows ? min((uint)ROUND_ROWS, k.rows - r0) : 0, area, scaling, o, o_offset,
                       o_stride, part_o);
            barrier(CLK_LOCAL_MEM_FENCE);
        }
    }
}
