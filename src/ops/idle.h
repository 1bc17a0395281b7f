/* idle.h: for each family a launch that does no work (no tokens, no changes, no queries), for drivers that make the
 * machine code of a kernel at its first launch (program/launch.h). SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_OPS_IDLE_H
#define CLKV_OPS_IDLE_H

#include "ops/ops.h"

/* The idle launch of a spec's kernel. The spec must stay valid as long as the result is used. */
clkv_idle clkv_ops_idle(const clkv_spec *spec);

/* Set the arguments of a family's kernel. Every buffer of `ops` and of the slot is the buffer of zeros. */
clkv_status clkv_append_idle(const clkv_ops *ops, cl_kernel kernel, const clkv_packed *packed);
clkv_status clkv_attention_idle(const clkv_ops *ops, cl_kernel kernel, const clkv_packed *packed);
clkv_status clkv_merge_idle(const clkv_ops *ops, cl_kernel kernel, const clkv_packed *packed);
clkv_status clkv_blocks_idle(const clkv_ops *ops, cl_kernel kernel, const clkv_packed *packed);
clkv_status clkv_gather_idle(const clkv_ops *ops, cl_kernel kernel, const clkv_packed *packed);
clkv_status clkv_rows_idle(const clkv_ops *ops, cl_kernel kernel, const clkv_packed *packed);

#endif
