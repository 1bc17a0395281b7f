/* warm_up.c: compiles the kernels of a cache. No lock is held meanwhile, so operations of the cache can run.
 *
 *   list the missing ones ──▶ compile them, on several threads ──▶ add to the cache's table, all or none
 *        cache locked                  nothing locked                     cache locked
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "cache/state.h"

#include "core/error.h"
#include "core/memory.h"
#include "core/params.h"
#include "device/device.h"
#include "ops/kernel.h"
#include "program/jobs.h"

enum {
    ALL_OPERATIONS = CLKV_OP_UPLOAD | CLKV_OP_APPEND | CLKV_OP_ATTENTION | CLKV_OP_GATHER | CLKV_OP_COPY,
    ALL_TYPES = CLKV_TYPE_BIT(CLKV_F32) | CLKV_TYPE_BIT(CLKV_F16),
};

typedef struct warm_up {
    const clkv_ops *ops;
    clkv_missing missing;
} warm_up;

static clkv_status make_one(void *user, uint32_t index)
{
    warm_up *w = user;
    return clkv_ops_make(w->ops, &w->missing.kernels[index]);
}

static clkv_status find_missing(clkv_cache *cache, const clkv_warm_up_params *params, clkv_missing *list)
{
    const clkv_needs needs = {
        .operations = params->operations ? params->operations : ALL_OPERATIONS,
        .inputs = params->inputs ? params->inputs : CLKV_TYPE_BIT(CLKV_F32),
        .outputs = params->outputs ? params->outputs : CLKV_TYPE_BIT(CLKV_F32),
        .clears = cache->params.clear_freed,
    };
    clkv_mutex_lock(&cache->lock);
    const clkv_status st = clkv_ops_missing(&cache->ops, needs, list);
    clkv_mutex_unlock(&cache->lock);
    return st;
}

clkv_status clkv_cache_compile(clkv_cache *cache, const clkv_warm_up_params *params)
{
    warm_up *w = clkv_alloc(sizeof *w);
    if (!w) return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "%zu bytes", sizeof *w);
    w->ops = &cache->ops;
    clkv_status st = find_missing(cache, params, &w->missing);
    if (st == CLKV_OK && w->missing.n) {
        const clkv_jobs jobs = {
            .n = w->missing.n,
            .run = make_one,
            .user = w,
            .on_progress = params->on_progress,
            .progress_user = params->user,
        };
        st = clkv_jobs_run(&jobs, clkv_programs_threads(cache->ops.programs));
    }
    clkv_mutex_lock(&cache->lock);
    if (st == CLKV_OK) st = clkv_ops_take(&cache->ops, &w->missing);
    if (st != CLKV_OK) clkv_cache_done(cache, st); /* a success does not mean that the device works */
    clkv_mutex_unlock(&cache->lock);
    clkv_ops_drop(&w->missing);
    clkv_free(w, sizeof *w);
    return st;
}

static clkv_status check(const clkv_warm_up_params *params)
{
    if (params->operations & ~(uint32_t)ALL_OPERATIONS)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "operations is 0x%x: bits of clkv_operation",
                         (unsigned)params->operations);
    if ((params->inputs | params->outputs) & ~(uint32_t)ALL_TYPES)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "%s is 0x%x: CLKV_TYPE_BIT(CLKV_F32) and CLKV_TYPE_BIT(CLKV_F16)",
                         params->inputs & ~(uint32_t)ALL_TYPES ? "inputs" : "outputs",
                         (unsigned)(params->inputs & ~(uint32_t)ALL_TYPES ? params->inputs : params->outputs));
    return CLKV_OK;
}

clkv_status clkv_cache_warm_up(clkv_cache *cache, const clkv_warm_up_params *params)
{
    const clkv_warm_up_params defaults = CLKV_PARAMS_INIT(clkv_warm_up_params);
    if (!params) params = &defaults;
    if (!cache) return CLKV_FAIL(CLKV_ERROR_INVALID, "cache is NULL");
    clkv_warm_up_params own;
    clkv_status st = CLKV_PARAMS_READ(own, params);
    if (st == CLKV_OK) st = clkv_device_check(cache->device);
    if (st == CLKV_OK) st = check(&own);
    if (st == CLKV_OK) st = clkv_cache_compile(cache, &own);
    return CLKV_PUBLIC(st);
}
