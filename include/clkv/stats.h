/* clkv/stats.h: the statistics of a cache or manager, in one versioned struct.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_STATS_H
#define CLKV_STATS_H

#include <clkv/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* New fields are added at the end only. Set `size` to sizeof(clkv_stats) before the call; a library that is older
 * than the program fills fewer fields: see "Filled" in api.h. Counters run since creation. */
typedef struct clkv_stats {
    size_t size;
    /* the pool, now */
    uint64_t blocks_total, blocks_used, blocks_cached, blocks_free;
    uint64_t blocks_peak_used;
    uint64_t sequences;            /* live; those of entries.h too */
    uint64_t tokens_held;          /* token slots filled in used blocks, a shared block counted once */
    uint64_t slots_wasted;         /* unfilled slots of used blocks: internal waste */
    /* the prefix index, so far */
    uint64_t lookups;              /* prompts looked up by create and resume */
    uint64_t hit_blocks, hit_tokens;
    uint64_t miss_blocks;          /* full blocks of those prompts that were not found */
    uint64_t miss_tokens;          /* tokens of those prompts that were not found */
    uint64_t hash_collisions;
    /* events, so far */
    uint64_t allocations, evictions, preemptions, copies_on_write;
    uint64_t tokens_committed;     /* new tokens of committed batches */
    uint64_t batches_committed, batches_rolled_back;
    uint64_t reservations_refused; /* NO_BLOCKS */
    /* memory */
    uint64_t host_bytes;           /* address space of the tables in host memory */
    uint64_t device_bytes;         /* size of all cl_mem of the cache */
    uint64_t uploaded_bytes;       /* by clkv_cache_upload, so far */
    uint64_t uploads;
    uint64_t blocks_cleared;       /* zeroed because of clear_freed, so far */
    /* slabs: 1 in all for a pool whose memory is there from the beginning */
    uint64_t slabs, slabs_open;    /* slabs that the pool may have; whose memory is there now */
    uint64_t slabs_needed;         /* the fewest slabs that could hold the used and cached blocks now; what is open
                                      beyond these is fragmentation, or spare */
    uint64_t blocks_moved;         /* by compaction, so far */
} clkv_stats;

/* Writes the struct as one JSON object with a final NUL: one line, with the fields above except `size` as keys.
 * Returns the length of the whole object without the NUL, also when buf is too small for it. Writes nothing past
 * buf + n; buf may be NULL when n is 0. Thread-safe. */
CLKV_API size_t clkv_stats_json(const clkv_stats *stats, char *buf, size_t n);

#ifdef __cplusplus
}
#endif
#endif
