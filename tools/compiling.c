/* compiling.c: see compiling.h. SPDX-License-Identifier: Apache-2.0 */
#include "compiling.h"

#include "progress.h"

static void show(void *user, uint32_t done, uint32_t total)
{
    if (done < total) progress_update(user, "compiling kernels, %u of %u", (unsigned)done, (unsigned)total);
}

clkv_status compile_kernels(clkv_cache *cache, uint32_t operations)
{
    progress p = progress_begin();
    clkv_warm_up_params params = CLKV_PARAMS_INIT(clkv_warm_up_params);
    params.operations = operations;
    params.on_progress = show;
    params.user = &p;
    const clkv_status status = clkv_cache_warm_up(cache, &params);
    progress_end(&p);
    return status;
}
