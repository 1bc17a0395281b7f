/* idle.h: launches of each family that do nothing, for drivers that make machine code no earlier than at a kernel's
 * first launch (program/launch.h): no tokens, no changes, no queries. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_OPS_IDLE_H
#define CLKV_OPS_IDLE_H

#include "ops/ops.h"

/* The idle launch of a spec's kernel. The spec must live as long as it is used. */
clkv_idle clkv_ops_idle(const clkv_spec *spec);

/* Sets the arguments of a family's kernel; every buffer of `ops` and of the slot is the buffer of zeros. */
clkv_status clkv_append_idle(const clkv_ops *ops, cl_kernel kernel, const clkv_packed *packed);
clkv_status clkv_attention_idle(const clkv_ops *ops, cl_kernel kernel, const clkv_packed *packed);
clkv_status clkv_merge_idle(const clkv_ops *ops, cl_kernel kernel, const clkv_packed *packed);
clkv_status clkv_blocks_idle(const clkv_ops *ops, cl_kernel kernel, const clkv_packed *packed);
clkv_status clkv_gather_idle(const clkv_ops *ops, cl_kernel kernel, const clkv_packed *packed);
clkv_status clkv_rows_idle(const clkv_ops *ops, cl_kernel kernel, const clkv_packed *packed);

#endif
