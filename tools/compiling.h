/* compiling.h: compiles a cache's kernels, and says on a terminal how far that is: "compiling kernels, 2 of 5". It says so
 * at once, because the first kernel may take seconds. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_COMPILING_H
#define CLKV_TOOLS_COMPILING_H

#include <clkv/cache.h>

/* clkv_cache_warm_up for these operations with tensors in CLKV_F32. Make the cache with CLKV_COMPILE_LATER. */
clkv_status compile_kernels(clkv_cache *cache, uint32_t operations);

#endif
