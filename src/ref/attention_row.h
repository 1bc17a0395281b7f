/* attention_row.h: one query head's row of attention in the arithmetic of REAL; attention.c includes it once
 * for each. Two passes, not the kernels' online softmax: an error in the one does not hide in the other.
 * No include guard, on purpose. SPDX-License-Identifier: Apache-2.0 */

/* Keys [0, visible) of KV head `kv_head`; scores has room for them, o_real for head_dim_v. */
static void ROW_NAME(const clkv_ref_attention_params *p, float scale, uint32_t query, uint32_t head,
                     uint32_t visible, REAL *scores, REAL *o_real)
{
    const uint32_t kv_head = head / (p->heads / p->kv_heads), dim = p->head_dim, dim_v = p->head_dim_v;
    const float *q = p->q + ((size_t)query * p->heads + head) * dim;
    REAL top = 0;
    for (uint32_t t = 0; t < visible; t++) {
        const float *k = p->k + ((size_t)t * p->kv_heads + kv_head) * dim;
        REAL lane[8] = { 0 }; /* independent sums: faster, and in float32 closer to the truth */
        for (uint32_t d = 0; d < dim; d++) lane[d % 8] += (REAL)q[d] * (REAL)k[d];
        const REAL dot = ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
        scores[t] = dot * (REAL)scale;
        if (t == 0 || scores[t] > top) top = scores[t];
    }
    /* Keys of score −∞ have no weight; where there is no other, nothing is seen. */
    if (top == -INFINITY) visible = 0;
    REAL sum = 0;
    for (uint32_t d = 0; d < dim_v; d++) o_real[d] = 0;
    for (uint32_t t = 0; t < visible; t++) {
        const float *v = p->v + ((size_t)t * p->kv_heads + kv_head) * dim_v;
        const REAL weight = REAL_EXP(scores[t] - top);
        sum += weight;
        for (uint32_t d = 0; d < dim_v; d++) o_real[d] += weight * (REAL)v[d];
    }
    float *o = p->o + ((size_t)query * p->heads + head) * dim_v;
    for (uint32_t d = 0; d < dim_v; d++) o[d] = visible ? (float)(o_real[d] / sum) : 0.0f;
    if (p->lse) p->lse[(size_t)query * p->heads + head] = visible ? (float)(top + REAL_LOG(sum)) : -INFINITY;
}
