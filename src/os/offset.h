/* offset.h: where in a file bytes can lie, on every system: offsets are signed numbers of 64 bits, and the largest ones of
 * Windows mean something else. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_OS_OFFSET_H
#define CLKV_OS_OFFSET_H

#include <stddef.h>
#include <stdint.h>

static inline int clkv_offset_is_good(uint64_t offset, size_t bytes)
{
    return offset <= INT64_MAX && bytes <= INT64_MAX - offset;
}

#endif
