/* warm_up.h: compiles of a cache's kernels only those that a test needs, so that it does not wait for others. The cache
 * was made with params.compile = CLKV_COMPILE_LATER. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TESTS_WARM_UP_H
#define CLKV_TESTS_WARM_UP_H

#include "../unit/support.h"

#include <clkv/cache.h>

/* The bits of a type for warm_up_for. */
static inline uint32_t type_bit(int f16)
{
    return f16 ? CLKV_TYPE_BIT(CLKV_F16) : CLKV_TYPE_BIT(CLKV_F32);
}

static inline void warm_up_for(clkv_cache *kv, uint32_t operations, uint32_t inputs, uint32_t outputs)
{
    clkv_warm_up_params params = CLKV_PARAMS_INIT(clkv_warm_up_params);
    params.operations = operations;
    params.inputs = inputs;
    params.outputs = outputs;
    ck_ok(clkv_cache_warm_up(kv, &params));
}

#endif
