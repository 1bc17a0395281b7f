/* attention.c: the twin of cl/attention_*.cl, in float64 (to compare with) or float32 (like the kernels).
 * SPDX-License-Identifier: Apache-2.0 */
#include <clkv/ref.h>

#include "core/error.h"
#include "core/memory.h"
#include "core/params.h"
#include "plan/visible.h"

#include <math.h>

#define REAL double
#define REAL_EXP exp
#define REAL_LOG log
#define ROW_NAME row_float64
#include "ref/attention_row.h"
#undef REAL
#undef REAL_EXP
#undef REAL_LOG
#undef ROW_NAME

#define REAL float
#define REAL_EXP expf
#define REAL_LOG logf
#define ROW_NAME row_float32
#include "ref/attention_row.h"

static clkv_status check(const clkv_ref_attention_params *p)
{
    if (!p->q || !p->o || (p->kv_len && (!p->k || !p->v)))
        return CLKV_FAIL(CLKV_ERROR_INVALID, "q, k, v or o is NULL");
    if (!p->heads || !p->kv_heads || p->heads % p->kv_heads)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "heads %u is not a positive multiple of kv_heads %u", p->heads,
                         p->kv_heads);
    if (!p->head_dim || !p->head_dim_v)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "head_dim %u, head_dim_v %u: neither may be 0", p->head_dim,
                         p->head_dim_v);
    if (p->row_first > p->q_len || p->row_count > p->q_len - p->row_first)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "rows [%u, %u + %u) of %u queries", p->row_first, p->row_first,
                         p->row_count, p->q_len);
    return CLKV_OK;
}

clkv_status clkv_ref_attention(const clkv_ref_attention_params *params)
{
    clkv_ref_attention_params own;
    clkv_status status = CLKV_PARAMS_READ(own, params);
    if (status == CLKV_OK) status = check(&own);
    if (status != CLKV_OK) return CLKV_PUBLIC(status);
    params = &own;
    const size_t real = params->use_float32 ? sizeof(float) : sizeof(double);
    const size_t bytes = ((size_t)params->kv_len + params->head_dim_v) * real;
    void *scores = clkv_alloc(bytes);
    if (!scores) return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "%zu bytes of scores", bytes);
    const float scale = params->scale != 0.0f ? params->scale : (float)(1.0 / sqrt(params->head_dim));
    const clkv_rule rule = params->causal ? CLKV_RULE_CAUSAL : CLKV_RULE_ALL;
    const uint32_t end = params->row_count ? params->row_first + params->row_count : params->q_len;
    for (uint32_t i = params->row_count ? params->row_first : 0; i < end; i++) {
        const uint32_t visible = clkv_visible(rule, params->kv_len, params->q_len, i).end;
        for (uint32_t h = 0; h < params->heads; h++) {
            if (params->use_float32)
                row_float32(params, scale, i, h, visible, scores, (float *)scores + params->kv_len);
            else
                row_float64(params, scale, i, h, visible, scores, (double *)scores + params->kv_len);
        }
    }
    clkv_free(scores, bytes);
    return CLKV_OK;
}
