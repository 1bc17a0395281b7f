/* verify_case.h: an attention case out of a safetensors file: tensors, lengths and what is expected.
 * The format is in docs/formats.md. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_VERIFY_CASE_H
#define CLKV_TOOLS_VERIFY_CASE_H

#include "safetensors.h"

/* Invariants once loaded: shapes agree with each other and with the lengths; 0 <= q_len <= kv_len for every
 * sequence; heads is a multiple of kv_heads; no dimension is 0; tolerances are finite and not negative; the
 * expected numbers are no NaN. */
typedef struct verify_case {
    const char *path;
    uint32_t batch, heads, kv_heads, head_dim, head_dim_v;
    uint32_t q_tokens, kv_tokens; /* sums over the batch */
    int32_t *q_lens, *kv_lens;    /* [batch] */
    float *q, *k, *v, *o;         /* [token][head][dim] */
    float *lse;                   /* [q token][head]; NULL when the file has none */
    int causal;
    double scale, softcap, atol, rtol;
    uint64_t window;
    int has_alibi, has_sinks;
} verify_case;

/* 0, or −1 and `error` says what is malformed. Free it in either case. */
int verify_case_load(verify_case *c, const char *path, char error[SAFETENSORS_ERROR_BYTES]);
void verify_case_free(verify_case *c);

/* Why no attention of this library can compute the case, or NULL. Shapes are not looked at. */
const char *verify_case_unsupported(const verify_case *c);

#endif
