/* request.c: see request.h. SPDX-License-Identifier: Apache-2.0 */
#include "request.h"

#include <stdlib.h>
#include <string.h>

static int make_room(llm_request *r, uint32_t room)
{
    if (room <= r->room) return 0;
    uint32_t *ids = realloc(r->ids, room * sizeof *ids);
    if (!ids) return -1;
    r->ids = ids;
    r->room = room;
    return 0;
}

/* Another sample's seed: the finalizer of splitmix64, so that neighbours have nothing in common. */
static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

llm_request *llm_request_create(const uint32_t *ids, size_t n, uint32_t most, const llm_sampler_params *how)
{
    llm_request *r = calloc(1, sizeof *r);
    if (!r) return NULL;
    if (n > most) n = most;
    r->how = *how;
    r->coins = how->seed;
    if (llm_request_extend(r, ids, n, most)) llm_request_destroy(&r);
    return r;
}

void llm_request_destroy(llm_request **request)
{
    llm_request *r = *request;
    if (!r) return;
    clkv_sequence_destroy(&r->sequence);
    free(r->forks);
    free(r->ids);
    free(r);
    *request = NULL;
}

llm_request *llm_request_fork(llm_request *request)
{
    llm_request **forks = realloc(request->forks, (request->n_forks + 1) * sizeof(*forks));
    if (!forks) return NULL;
    request->forks = forks;
    llm_request *r = llm_request_create(request->ids, request->n_prompt, request->most, &request->how);
    if (!r) return NULL;
    r->coins = mix(request->how.seed + request->n_forks);
    forks[request->n_forks++] = r;
    return r;
}

int llm_request_extend(llm_request *r, const uint32_t *ids, size_t n, uint32_t most)
{
    if (make_room(r, most)) return -1;
    memcpy(r->ids + r->n_ids, ids, n * sizeof *ids);
    r->n_ids += (uint32_t)n;
    r->n_prompt = r->n_ids;
    r->most = most;
    r->finish = r->n_ids < most ? LLM_FINISH_NOT : LLM_FINISH_STEPS;
    return 0;
}

uint32_t llm_request_pending(const llm_request *request)
{
    const size_t length = request->sequence ? clkv_sequence_length(request->sequence) : 0;
    return request->n_ids - (uint32_t)length;
}
