/* drafts.c: see drafts.h. SPDX-License-Identifier: Apache-2.0 */
#include "drafts.h"

/* Fewer matching tokens guess too often wrong; more than MOST say nothing that MOST did not. */
enum { LEAST = 2, MOST = 8 };

/* How many tokens before `end` equal the last ones of the history. */
static uint32_t match(const uint32_t *ids, uint32_t n, uint32_t end)
{
    uint32_t length = 0;
    while (length < MOST && length < end && ids[end - 1 - length] == ids[n - 1 - length]) length++;
    return length;
}

uint32_t llm_draft(const uint32_t *ids, uint32_t n, uint32_t max, uint32_t *out)
{
    uint32_t best = LEAST - 1, from = 0;
    for (uint32_t end = n ? n - 1 : 0; end >= LEAST && best < MOST; end--) {
        uint32_t length = match(ids, n, end);
        if (length <= best) continue;
        best = length;
        from = end;
    }
    if (best < LEAST) return 0;
    /* What is copied may reach its own copy: so a text that goes round in circles is guessed to go on. */
    for (uint32_t i = 0; i < max; i++) out[i] = from + i < n ? ids[from + i] : out[from + i - n];
    return max;
}
