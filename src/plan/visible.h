/* visible.h: which keys a query sees; nothing else on the host knows it. On the device it is the range and the diagonal
 * of a work item (plan.h). SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_PLAN_VISIBLE_H
#define CLKV_PLAN_VISIBLE_H

#include <stdint.h>

typedef enum clkv_rule {
    CLKV_RULE_CAUSAL, /* its own position and those before */
    CLKV_RULE_ALL,    /* the whole context */
} clkv_rule;

typedef struct clkv_range {
    uint32_t first, end; /* [first, end) */
} clkv_range;

/* The keys that query `query` of q_len sees; the queries are the last q_len positions of the context. Empty for a
 * query before the first key. The end never falls from one query to the next, and rises by at most 1. */
clkv_range clkv_visible(clkv_rule rule, uint32_t context, uint32_t q_len, uint32_t query);

#endif
