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

/* NULL for a number that is no llm_type. */
const llm_type_facts *llm_type_find(llm_type type);

#endif
