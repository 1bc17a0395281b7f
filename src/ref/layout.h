/* layout.h: converts a caller's description of slabs to the library's layout. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_REF_LAYOUT_H
#define CLKV_REF_LAYOUT_H

#include "kv/layout.h"

#include <clkv/ref.h>

/* INVALID when the description is not valid. */
clkv_status clkv_ref_layout_read(const clkv_ref_layout *layout, clkv_layout *out);

/* The first byte of a block. `read` is the result of clkv_ref_layout_read for `layout`. */
unsigned char *clkv_ref_block(const clkv_ref_layout *layout, const clkv_layout *read, void *const *slabs,
                              uint32_t block);

#endif
