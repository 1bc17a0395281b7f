/* stats.c: statistics as JSON. SPDX-License-Identifier: Apache-2.0 */
#include <clkv/stats.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Every field of clkv_stats but `size`, in its order. */
#define FIELD(name) { #name, offsetof(clkv_stats, name) }
static const struct {
    const char *name;
    size_t offset;
} fields[] = {
    FIELD(blocks_total),     FIELD(blocks_used),       FIELD(blocks_cached),     FIELD(blocks_free),
    FIELD(blocks_peak_used), FIELD(sequences),         FIELD(tokens_held),       FIELD(slots_wasted),
    FIELD(lookups),          FIELD(hit_blocks),        FIELD(hit_tokens),        FIELD(miss_blocks),
    FIELD(miss_tokens),      FIELD(hash_collisions),   FIELD(allocations),       FIELD(evictions),
    FIELD(preemptions),      FIELD(copies_on_write),   FIELD(tokens_committed),  FIELD(batches_committed),
    FIELD(batches_rolled_back), FIELD(reservations_refused), FIELD(host_bytes),  FIELD(device_bytes),
    FIELD(uploaded_bytes),   FIELD(uploads),             FIELD(blocks_cleared),
    FIELD(slabs),            FIELD(slabs_open),        FIELD(slabs_needed),      FIELD(blocks_moved),
};
#define N_FIELDS (sizeof fields / sizeof *fields)
_Static_assert(sizeof(clkv_stats) == sizeof(size_t) + N_FIELDS * sizeof(uint64_t), "a field is missing above");

size_t clkv_stats_json(const clkv_stats *stats, char *buf, size_t n)
{
    size_t length = 0;
    char text[64];
    const char *separator = "{";
    for (size_t i = 0; stats && i < N_FIELDS && fields[i].offset + sizeof(uint64_t) <= stats->size; i++) {
        uint64_t value;
        memcpy(&value, (const char *)stats + fields[i].offset, sizeof value);
        const int more = snprintf(text, sizeof text, "%s\"%s\": %" PRIu64, separator, fields[i].name, value);
        for (int k = 0; k < more; k++, length++) {
            if (length < n) buf[length] = text[k];
        }
        separator = ", ";
    }
    for (const char *end = *separator == '{' ? "{}" : "}"; *end; end++, length++) {
        if (length < n) buf[length] = *end;
    }
    if (n) buf[length < n ? length : n - 1] = '\0';
    return length;
}
