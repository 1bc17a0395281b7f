/* replay_rows.h: what single rows of a replay's attention must be, computed on the host.
 *
 * Makes the same K, V and Q as the model's kernel (replay_model.c) from the token history, and runs the
 * library's reference attention in float64 over them. All values are multiples of 1/1024 with at most 11
 * significant bits, so float16 holds them exactly: only the kernel's own float32 arithmetic makes a
 * difference. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_REPLAY_ROWS_H
#define CLKV_TOOLS_REPLAY_ROWS_H

#include <clkv/ref.h>

typedef struct replay_rows replay_rows;

/* For contexts of up to `context` tokens. NULL when the host is out of memory. */
replay_rows *replay_rows_create(uint32_t heads, uint32_t kv_heads, uint32_t head_dim, uint32_t seed,
                                uint32_t context);
void replay_rows_destroy(replay_rows **rows);

/* O of the token at `position` for the query heads of one KV head, of a causal attention over history
 * [0 … position]; out is [heads / kv_heads][head_dim]. */
clkv_status replay_rows_compute(replay_rows *rows, const uint32_t *history, uint32_t position, uint32_t layer,
                                uint32_t kv_head, float *out);

/* The largest |a − b| of n values; infinite when either holds a NaN. */
double replay_rows_error(const float *a, const float *b, size_t n);

#endif
