/* visible.c: which keys a query sees. SPDX-License-Identifier: Apache-2.0 */
#include "plan/visible.h"

clkv_range clkv_visible(clkv_rule rule, uint32_t context, uint32_t q_len, uint32_t query)
{
    if (rule == CLKV_RULE_ALL) return (clkv_range){ 0, context };
    const uint64_t end = (uint64_t)context + query + 1; /* counted q_len too high */
    return (clkv_range){ 0, end > q_len ? (uint32_t)(end - q_len) : 0 };
}
