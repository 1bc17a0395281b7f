/* attention_row.h: the attention of one query head and query in the arithmetic of REAL; attention.c includes this
 * file once for each REAL, so it has no include guard. The softmax takes two loops over the keys, unlike the online
 * softmax of the kernels, so that the two do not share an error. SPDX-License-Identifier: Apache-2.0 */

/* Keys [0, visible) of KV head `kv_head`; scores has room for them, o_real for head_dim_v. */
static void ROW_NAME(const clkv_ref_attention_params *p, float scale, uint32_t query, uint32_t head,
                     uint32_t visible, REAL *scores, REAL *o_real)
{
    const uint32_t kv_head = head / (p->heads / p->kv_heads), dim = p->head_dim, dim_v = p->head_dim_v;
    const float *q = p->q + ((size_t)query * p->heads + head) * dim;
    REAL top = 0;
    for (uint32_t t = 0; t < visible; t++) {
        const float *k = p->k + ((size_t)t * p->kv_heads + kv_head) * dim;
        REAL lane[8] = { 0 }; /* independent sums: faster, and in float32 more exact */
        for (uint32_t d = 0; d < dim; d++) lane[d % 8] += (REAL)q[d] * (REAL)k[d];
        const REAL dot = ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
        scores[t] = dot * (REAL)scale;
        if (t == 0 || scores[t] > top) top = scores[t];
    }
    /* Keys with score −∞ have no weight. When all scores are −∞, the row sees no key. */
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
