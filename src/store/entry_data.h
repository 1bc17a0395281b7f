/* entry_data.h: runs of bytes in pages. One mapping holds all pages; a pool hands them out.
 *
 *   data   { pages [ 7 | 3 | 12 ], bytes }        the last page is filled up with zeros
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_STORE_ENTRY_DATA_H
#define CLKV_STORE_ENTRY_DATA_H

#include <clkv/pool.h>

typedef struct clkv_page_store {
    unsigned char *memory; /* [pages · page_bytes] */
    clkv_pool *pool;
    uint32_t pages, page_bytes;
} clkv_page_store;

typedef struct clkv_page_data {
    uint32_t *pages; /* NULL when there are none */
    uint32_t n;
    size_t bytes;
} clkv_page_data;

/* NO_MEMORY; *store is all zero then. */
clkv_status clkv_page_store_init(clkv_page_store *store, uint32_t pages, uint32_t page_bytes);
void clkv_page_store_free(clkv_page_store *store);

/* Copies n bytes into new pages. `replaced` (or NULL) is given back first if it must be, and only if the rest cannot fail.
 * LIMIT: too few pages. NO_MEMORY. *out is unchanged after a failure, and so is `replaced`. */
clkv_status clkv_page_data_put(clkv_page_store *store, const void *bytes, size_t n, clkv_page_data *replaced,
                               clkv_page_data *out);

/* Copies the bytes out. */
void clkv_page_data_get(const clkv_page_store *store, const clkv_page_data *data, void *out);

/* Gives the pages back. The data is empty then. */
void clkv_page_data_drop(clkv_page_store *store, clkv_page_data *data);

#endif
