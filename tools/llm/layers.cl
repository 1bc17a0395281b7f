/* layers.cl: what a forward pass needs beside projections and attention. Compiled behind matmul.cl, whose
 * weight type, strips and group size it uses. A work-group of LLM_GROUP work-items has one row, whatever that is.
 *
 *   input   one upload per step: [token ids][positions][rows picked]{how they are sampled}, offsets in uints
 *
 * SPDX-License-Identifier: Apache-2.0 */

/* The sum over a work-group's work-items, for each of them. */
static inline float llm_group_sum(float x, __local float *room)
{
#if LLM_GROUP == 1
    return x;
#else
    const uint lane = (uint)get_local_id(0);
    room[lane] = x;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint half_way = LLM_GROUP / 2; half_way > 0; half_way /= 2) {
        if (lane < half_way) room[lane] += room[lane + half_way];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    const float sum = room[0];
    barrier(CLK_LOCAL_MEM_FENCE);
    return sum;
#endif
}

/* x[token] = w[id of the token]. A group per token. */
__kernel __attribute__((reqd_work_group_size(LLM_GROUP, 1, 1))) void
llm_embed(__global const llm_weight *w, ulong ld, uint dim, __global const uint *input, uint ids_at,
          __global float *x)
{
    const uint token = (uint)get_group_id(0);
    w += LLM_ROW(input[ids_at + token], ld);
    x += (ulong)token * dim;
    for (uint i = (uint)get_local_id(0); i < dim; i += LLM_GROUP) x[i] = LLM_W(w, (ulong)i * LLM_STRIP);
}

/* y[n] = RMSNorm(x[n]) · w; of picked rows only, when rows_at is not 0xffffffff: y[n] of x[input[rows_at + n]].
 * A group per row of y. */
__kernel __attribute__((reqd_work_group_size(LLM_GROUP, 1, 1))) void
llm_norm(__global const float *x, uint dim, __global const float *w, float eps, __global const uint *input,
         uint rows_at, __global float *y)
{
    __local float room[LLM_GROUP];
    const uint row = (uint)get_group_id(0), lane = (uint)get_local_id(0), whole = dim & ~3u;
    x += (ulong)(rows_at == 0xffffffffu ? row : input[rows_at + row]) * dim;
    y += (ulong)row * dim;
    float4 squares = (float4)(0.0f);
    for (uint i = lane * 4; i < whole; i += LLM_GROUP * 4) {
        const float4 v = vload4(0, x + i);
        squares = fma(v, v, squares);
    }
    float sum = squares.x + squares.y + squares.z + squares.w;
    if (lane == 0)
        for (uint i = whole; i < dim; i++) sum = fma(x[i], x[i], sum);
    const float scale = 1.0f / sqrt(llm_group_sum(sum, room) / (float)dim + eps);
    for (uint i = lane; i < dim; i += LLM_GROUP) y[i] = x[i] * scale * w[i];
}

/* Cosine and sine of each token's position times each pair's frequency. A frequency comes as the float nearest
 * to it and the rest; with the product's rounding error put back, angles of far positions are exact to a float
 * of the result. A group per token. */
__kernel __attribute__((reqd_work_group_size(LLM_GROUP, 1, 1))) void
llm_angles(__global const uint *input, uint positions_at, __global const float2 *frequencies, uint pairs,
           __global float2 *angles)
{
    const uint token = (uint)get_group_id(0);
    const float position = (float)input[positions_at + token];
    angles += (ulong)token * pairs;
    for (uint i = (uint)get_local_id(0); i < pairs; i += LLM_GROUP) {
        const float2 f = frequencies[i];
        const float angle = position * f.x;
        const float rest = fma(position, f.x, -angle) + position * f.y;
        const float c = cos(angle), s = sin(angle);
        angles[i] = (float2)(fma(-rest, s, c), fma(rest, c, s));
    }
}

/* Splits the projection [token][query heads, key heads, value heads] into q, k and v. On the way: the biases,
 * and for q and k the norm of each head (`norms`: 1 there is one) and RoPE of the first rope_dims dimensions, in
 * pairs (i, i + rope_dims / 2) when `halves`, else (2i, 2i + 1). A group per token and head. */
__kernel __attribute__((reqd_work_group_size(LLM_GROUP, 1, 1))) void
llm_heads(__global const float *qkv, uint heads, uint kv_heads, uint head_dim, uint head_dim_v,
          __global const float *bias, uint biased, __global const float *q_norm, __global const float *k_norm,
          uint norms, float eps, __global const float2 *angles, uint rope_dims, uint halves, __global float *q,
          __global float *k, __global float *v)
{
    __local float row[256]; /* head_dim's limit */
    __local float room[LLM_GROUP];
    const uint all = heads + 2 * kv_heads, lane = (uint)get_local_id(0);
    const uint token = (uint)get_group_id(0) / all, head = (uint)get_group_id(0) % all;
    const uint is_v = head >= heads + kv_heads, is_k = !is_v && head >= heads;
    const uint n = is_v ? head_dim_v : head_dim;
    const uint at = is_v ? (heads + kv_heads) * head_dim + (head - heads - kv_heads) * head_dim_v : head * head_dim;
    __global float *to = is_v   ? v + ((ulong)token * kv_heads + head - heads - kv_heads) * head_dim_v
                         : is_k ? k + ((ulong)token * kv_heads + head - heads) * head_dim
                                : q + ((ulong)token * heads + head) * head_dim;
    qkv += (ulong)token * ((heads + kv_heads) * head_dim + kv_heads * head_dim_v) + at;

    float squares = 0.0f;
    for (uint i = lane; i < n; i += LLM_GROUP) {
        const float x = biased ? qkv[i] + bias[at + i] : qkv[i];
        row[i] = x;
        squares = fma(x, x, squares);
    }
    const float scale = 1.0f / sqrt(llm_group_sum(squares, room) / (float)n + eps);
    if (norms && !is_v) {
        __global const float *w = is_k ? k_norm : q_norm;
        for (uint i = lane; i < n; i += LLM_GROUP) row[i] = row[i] * scale * w[i];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    const uint turning = is_v ? 0 : rope_dims, pairs = rope_dims / 2;
    angles += (ulong)token * pairs;
    for (uint i = lane; i < turning / 2; i += LLM_GROUP) {
        const uint a = halves ? i : 2 * i, b = halves ? i + pairs : 2 * i + 1;
        const float x = row[a], y = row[b];
        const float2 angle = angles[i];
        to[a] = x * angle.x - y * angle.y;
        to[b] = x * angle.y + y * angle.x;
    }
    for (uint i = turning + lane; i < n; i += LLM_GROUP) to[i] = row[i];
}

/* out[token][i] = silu(both[token][i]) · both[token][hidden + i]. A group per token and LLM_SPAN elements. */
#define LLM_SPAN 1024
__kernel __attribute__((reqd_work_group_size(LLM_GROUP, 1, 1))) void
llm_swiglu(__global const float *both, uint hidden, __global float *out)
{
    const uint spans = (hidden + LLM_SPAN - 1) / LLM_SPAN, group = (uint)get_group_id(0);
    const uint token = group / spans, from = group % spans * LLM_SPAN, to = min(from + LLM_SPAN, hidden);
    __global const float *gate = both + (ulong)token * 2 * hidden, *up = gate + hidden;
    out += (ulong)token * hidden;
#if LLM_GROUP == 1
    uint i = from;
    for (; i + 16 <= to; i += 16) {
        const float16 g = vload16(0, gate + i);
        vstore16(g / (1.0f + exp(-g)) * vload16(0, up + i), 0, out + i);
    }
    for (; i < to; i++) out[i] = gate[i] / (1.0f + exp(-gate[i])) * up[i];
#else
    for (uint i = from + (uint)get_local_id(0); i < to; i += LLM_GROUP)
        out[i] = gate[i] / (1.0f + exp(-gate[i])) * up[i];
#endif
}

/* to[n] = from[input[rows_at + n]]. A group per row of `to`. */
__kernel __attribute__((reqd_work_group_size(LLM_GROUP, 1, 1))) void
llm_rows(__global const float *from, uint dim, __global const uint *input, uint rows_at, __global float *to)
{
    from += (ulong)input[rows_at + (uint)get_group_id(0)] * dim;
    to += get_group_id(0) * dim;
    for (uint i = (uint)get_local_id(0); i < dim; i += LLM_GROUP) to[i] = from[i];
}

/* Rows of floats into weights, from row `first` on; the room behind a row's last column becomes 0. A group per
 * LLM_STRIP rows, which are one run of the weights when `first` begins a strip. */
__kernel __attribute__((reqd_work_group_size(LLM_GROUP, 1, 1))) void
llm_pack(__global const float *from, uint rows, uint cols, __global llm_weight *to, uint first, uint ld)
{
    const uint begin = (uint)get_group_id(0) * LLM_STRIP, n = min(rows - begin, (uint)LLM_STRIP);
    from += (ulong)begin * cols;
    first += begin;
#if LLM_STRIP == 32
    /* A column at a time: single halves are slow to convert. */
    if (n == 32 && first % 32 == 0) {
        to += (ulong)first * ld;
        for (uint i = 0; i < ld; i++, to += 32) {
            float column[32];
            for (uint r = 0; r < 32; r++) column[r] = i < cols ? from[(ulong)r * cols + i] : 0.0f;
            LLM_W_STORE16(vload16(0, column), to, 0);
            LLM_W_STORE16(vload16(1, column), to, 1);
        }
        return;
    }
#endif
    for (uint r = 0; r < n; r++)
        for (uint i = (uint)get_local_id(0); i < ld; i += LLM_GROUP) {
            const float x = i < cols ? from[(ulong)r * cols + i] : 0.0f;
            LLM_W_STORE(x, to, LLM_ROW(first + r, ld) + (ulong)i * LLM_STRIP);
        }
}

/* The other way: a matrix of weights as floats, for libraries that cannot mix types. Strips of one row only. */
__kernel __attribute__((reqd_work_group_size(LLM_GROUP, 1, 1))) void
llm_expand(__global const llm_weight *from, uint ld, __global float *to)
{
    from += get_group_id(0) * ld;
    to += get_group_id(0) * ld;
#if LLM_GROUP == 1
    for (uint i = 0; i < ld; i += 16) vstore16(LLM_W16(from + i), 0, to + i);
#else
    for (uint i = (uint)get_local_id(0) * 4; i < ld; i += LLM_GROUP * 4) vstore4(LLM_W4(from + i), 0, to + i);
#endif
}
