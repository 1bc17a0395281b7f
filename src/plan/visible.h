/* visible.h: which keys a query sees. This is the only function of the host that decides it. On the device the range
 * and the diagonal of a work item decide it (plan.h). SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_PLAN_VISIBLE_H
#define CLKV_PLAN_VISIBLE_H

#include <stdint.h>

typedef enum clkv_rule {
    CLKV_RULE_CAUSAL, /* its own position and the positions before */
    CLKV_RULE_ALL,    /* the whole context */
} clkv_rule;

typedef struct clkv_range {
    uint32_t first, end; /* [first, end) */
} clkv_range;

/* The keys that query `query` of q_len queries sees. The queries are the last q_len positions of the context. The
 * range is empty for a query before the first key. From one query to the next the end stays the same or rises by
 * 1. It is inline since a plan asks several times per sequence. */
static inline clkv_range clkv_visible(clkv_rule rule, uint32_t context, uint32_t q_len, uint32_t query)
{
    if (rule == CLKV_RULE_ALL) return (clkv_range){ 0, context };
    const uint64_t end = (uint64_t)context + query + 1; /* counted q_len too high */
    return (clkv_range){ 0, end > q_len ? (uint32_t)(end - q_len) : 0 };
}

#endif
