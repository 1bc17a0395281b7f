/* verify_run.h: an attention case through a cache on a device, and the comparison with what was expected.
 *
 *   slots all NaN, blocks shuffled
 *     ─▶ history: the first kv_len − q_len tokens of each sequence, in batches of several tokens
 *     ─▶ last batch: the queries' own tokens of all sequences, then attention over it
 *     ─▶ o and lse against the file, element by element: |got − ref| <= atol + rtol·|ref|
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_VERIFY_RUN_H
#define CLKV_TOOLS_VERIFY_RUN_H

#include "verify_case.h"

#include <clkv/cache.h>

typedef enum verify_status {
    VERIFY_PASS,
    VERIFY_FAIL,
    VERIFY_UNSUPPORTED,
    VERIFY_MALFORMED,
    VERIFY_NOT_RUN,
} verify_status;

typedef struct verify_options {
    clkv_device *device;
    clkv_type k_type, v_type;
    uint32_t block_size;
    uint64_t seed; /* of block order and of the sizes of the history's batches */
} verify_options;

typedef struct verify_result {
    verify_status status;
    int compared; /* the figures below are there */
    int has_lse;
    double max_abs;                       /* of |got − ref| over o; NaN when a result is NaN */
    double max_rel;                       /* of |got − ref| / max(|ref|, atol) over o */
    double lse_max_abs;                   /* of |got − ref| over lse */
    char reason[SAFETENSORS_ERROR_BYTES]; /* why it did not pass; "" when it did */
} verify_result;

/* Never fails: what goes wrong is in the result. A signal that has been noted (os/interrupt.h) ends it: NOT_RUN. */
void verify_run(const verify_case *c, const verify_options *options, verify_result *result);

#endif
