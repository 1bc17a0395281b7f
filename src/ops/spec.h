/* spec.h: a spec: everything that a kernel is compiled for. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_OPS_SPEC_H
#define CLKV_OPS_SPEC_H

#include "device/tuning.h"
#include "program/kernels.h"

typedef enum clkv_family {
    CLKV_FAMILY_ATTENTION, CLKV_FAMILY_MERGE, CLKV_FAMILY_APPEND, CLKV_FAMILY_CLEAR, CLKV_FAMILY_COPY,
    CLKV_FAMILY_GATHER, CLKV_FAMILY_ROWS, CLKV_FAMILIES,
} clkv_family;

/* Each family reads only some of the members; the others have no effect on it. */
typedef struct clkv_spec {
    clkv_family family;
    clkv_variant variant;
    uint32_t head_dim, head_dim_v, kv_heads, block_size;
    uint32_t group;         /* query heads per KV head */
    clkv_type k_type, v_type; /* the types in which K and V are kept */
    clkv_type in, out;      /* the caller's tensors: F32 or F16 */
    uint32_t slabs;         /* arguments that take the slabs: a power of two up to CLKV_POOL_SLABS */
    uint32_t tile_tokens;   /* queries per tile */
    uint32_t work_group;    /* work-items per work-group */
    uint32_t sub_group;     /* lanes of the sub-group that the kernel asks for; 0: any */
    uint32_t accumulators, fetch_level, wide_tokens; /* of attention on CPUs: device/tuning.h */
} clkv_spec;

#define CLKV_SPEC_BYTES CLKV_KERNEL_KEY_BYTES /* of any spec's text, the NUL included */

/* Prints the name of the file, a newline, and the options of the family: "append\n-DCLKV_HEAD_DIM=128 …". Specs have
 * the same kernel if and only if their texts are equal, so the text is the key of tables. INVALID: it has more than n
 * bytes. */
clkv_status clkv_spec_print(const clkv_spec *spec, char *out, size_t n);

/* The place in such a text where the options begin. */
const char *clkv_spec_options(const char *text);

const char *clkv_spec_file(const clkv_spec *spec);   /* cl/<file>.cl */
const char *clkv_spec_kernel(const clkv_spec *spec); /* the kernel's name in it */

#endif
