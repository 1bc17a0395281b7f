/* check.c: whether commands of a cache have failed, for clkv_cache_check and for commits of a strict cache.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cache/state.h"

#include "core/error.h"
#include "core/memory.h"
#include "device/device.h"

#include <string.h>

static size_t bits_of_layers(const clkv_cache *cache)
{
    return cache->params.commit == CLKV_COMMIT_STRICT ? (cache->params.layers + 7) / 8 : 0;
}

clkv_upload *clkv_cache_new_upload(clkv_cache *cache)
{
    const size_t bits = bits_of_layers(cache);
    clkv_upload *upload = clkv_alloc(sizeof *upload);
    uint8_t *appended = bits ? clkv_alloc(bits) : NULL;
    if (!upload || (bits && !appended)) {
        clkv_free(upload, sizeof *upload);
        clkv_free(appended, bits);
        return NULL;
    }
    upload->cache = cache;
    upload->appended = appended;
    atomic_init(&upload->over, 1);
    upload->next = cache->live;
    cache->live = upload;
    return upload;
}

void clkv_cache_free_upload(clkv_upload *upload)
{
    clkv_plan_free(&upload->packed.plan);
    clkv_free(upload->appended, bits_of_layers(upload->cache));
    clkv_free(upload, sizeof *upload);
}

void clkv_cache_reset_upload(clkv_upload *upload)
{
    clkv_watch_end_set(upload->cache->watch, &upload->failure);
    if (upload->appended) memset(upload->appended, 0, bits_of_layers(upload->cache));
    upload->n_appended = 0;
}

void clkv_cache_note_append(clkv_upload *upload, uint32_t layer)
{
    const uint8_t bit = (uint8_t)(1u << (layer & 7));
    if (!upload->appended || upload->appended[layer / 8] & bit) return;
    upload->appended[layer / 8] |= bit;
    upload->n_appended++;
}

clkv_status clkv_cache_may_commit(void *state)
{
    const clkv_upload *upload = state;
    const clkv_cache *cache = upload->cache;
    const clkv_failure failure = clkv_watch_look(cache->watch, &upload->failure);
    if (failure.code) return clkv_failure_tell(&failure);
    if (upload->n_appended < cache->params.layers)
        return CLKV_FAIL(CLKV_ERROR_STATE, "the batch was appended in %u of %u layers", (unsigned)upload->n_appended,
                         (unsigned)cache->params.layers);
    return CLKV_OK;
}

static clkv_status check(clkv_cache *cache)
{
    if (!cache) return CLKV_FAIL(CLKV_ERROR_INVALID, "cache is NULL");
    const clkv_status st = clkv_device_check(cache->device);
    if (st != CLKV_OK) return st;
    const clkv_failure failure = clkv_watch_take_failure(cache->watch);
    return failure.code ? clkv_failure_tell(&failure) : CLKV_OK;
}

clkv_status clkv_cache_check(clkv_cache *cache)
{
    return CLKV_PUBLIC(check(cache));
}
