/* dequant.h: the types that weights are stored in: how many elements make a block, what a block takes, and a
 * row of any of them as floats. Blocks never cross a row. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_LLM_DEQUANT_H
#define CLKV_TOOLS_LLM_DEQUANT_H

#include "model.h"

typedef struct llm_type_facts {
    const char *name;
    uint32_t elements;                                             /* of a block */
    uint32_t bytes;                                                /* of a block */
    void (*row)(const unsigned char *from, uint64_t n, float *to); /* n elements, whole blocks */
} llm_type_facts;

/* For messages: all of them. */
#define LLM_TYPE_NAMES "F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K and Q6_K"

/* NULL for a number that is no llm_type. */
const llm_type_facts *llm_type_find(llm_type type);

#endif
