/* leftovers.h: ends a manager together with the sequences and batches that a test has not destroyed itself.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TESTS_LEFTOVERS_H
#define CLKV_TESTS_LEFTOVERS_H

#include "core/batch.h"

/* The test's own handles are dead after this. NULL is taken. */
static inline void destroy_leftovers(clkv_manager *m)
{
    if (!m) return;
    for (clkv_batch *batch; (batch = m->batches);) clkv_batch_destroy(&batch);
    for (clkv_sequence *seq; (seq = m->oldest);) clkv_sequence_destroy(&seq);
}

static inline void end_manager(clkv_manager **m)
{
    destroy_leftovers(*m);
    clkv_manager_destroy(m);
}

#endif
