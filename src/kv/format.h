/* format.h: the formats of K and V: how the elements of a tile are kept. Each format has a row in the table, and a file
 * cl/kv_<name>.cl with the same numbers.
 *
 *   tile   the elements of one block, layer and KV head: K [head_dim][block_size], V [block_size][head_dim_v];
 *          then their scales, if the format has any; then unused bytes up to a multiple of CLKV_TILE_ALIGN
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_KV_FORMAT_H
#define CLKV_KV_FORMAT_H

#include <clkv/api.h>

#include <stddef.h>
#include <stdint.h>

#define CLKV_TILE_ALIGN 16u /* bytes: the widest vector that kernels load from a tile at once */

typedef struct clkv_format {
    clkv_type type;         /* the name in the API */
    const char *name;       /* the name in cl/ */
    uint32_t element_bytes;
    uint32_t scale_bytes;   /* of each token in a tile, beside the elements */
    /* Write n floats to the elements first, first + step, … of a tile, rounded to the nearest, ties to even; and read
     * them back. */
    void (*encode)(unsigned char *tile, size_t first, size_t step, const float *x, uint32_t n);
    void (*decode)(const unsigned char *tile, size_t first, size_t step, float *x, uint32_t n);
} clkv_format;

/* The format of a type; NULL when K and V cannot be kept in this type. */
const clkv_format *clkv_format_of(clkv_type type);

uint64_t clkv_format_tile_bytes(const clkv_format *format, uint32_t dims, uint32_t tokens);

#endif
