/* entry_data.c: runs of bytes in pages; see entry_data.h. SPDX-License-Identifier: Apache-2.0 */
#include "store/entry_data.h"

#include "core/error.h"
#include "core/memory.h"

#include <string.h>

static size_t memory_bytes(const clkv_page_store *store)
{
    return (size_t)store->pages * store->page_bytes;
}

clkv_status clkv_page_store_init(clkv_page_store *store, uint32_t pages, uint32_t page_bytes)
{
    const clkv_pool_params params = {.size = sizeof params, .blocks = pages};
    *store = (clkv_page_store){.pages = pages, .page_bytes = page_bytes};
    clkv_status status = clkv_pool_create(&store->pool, &params);
    if (status == CLKV_OK) {
        store->memory = clkv_map(memory_bytes(store));
        if (!store->memory) status = CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "%zu bytes for data", memory_bytes(store));
    }
    if (status != CLKV_OK) clkv_page_store_free(store);
    return status;
}

void clkv_page_store_free(clkv_page_store *store)
{
    clkv_pool_destroy(&store->pool);
    clkv_unmap(store->memory, memory_bytes(store));
    *store = (clkv_page_store){0};
}

static size_t share(const clkv_page_store *store, size_t bytes, uint32_t page)
{
    const size_t from = (size_t)page * store->page_bytes, left = bytes - from;
    return left < store->page_bytes ? left : store->page_bytes;
}

static void copy_in(clkv_page_store *store, const clkv_page_data *data, const unsigned char *bytes)
{
    for (uint32_t i = 0; i < data->n; i++) {
        unsigned char *page = store->memory + (size_t)data->pages[i] * store->page_bytes;
        const size_t n = share(store, data->bytes, i);
        memcpy(page, bytes + (size_t)i * store->page_bytes, n);
        memset(page + n, 0, store->page_bytes - n);
    }
}

clkv_status clkv_page_data_put(clkv_page_store *store, const void *bytes, size_t n, clkv_page_data *replaced,
                               clkv_page_data *out)
{
    const size_t need = n / store->page_bytes + (n % store->page_bytes != 0);
    const uint32_t available = clkv_pool_available(store->pool), back = replaced ? replaced->n : 0;
    if (need > (size_t)available + back)
        return CLKV_FAIL(CLKV_ERROR_LIMIT, "%zu bytes need %zu pages, %u are free", n, need, available + back);
    clkv_page_data data = {.n = (uint32_t)need, .bytes = n};
    if (need && !(data.pages = clkv_alloc(need * sizeof *data.pages)))
        return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "a list of %zu pages", need);
    if (replaced) clkv_page_data_drop(store, replaced);
    clkv_pool_allocate(store->pool, data.n, data.pages);
    copy_in(store, &data, bytes);
    *out = data;
    return CLKV_OK;
}

void clkv_page_data_get(const clkv_page_store *store, const clkv_page_data *data, void *out)
{
    for (uint32_t i = 0; i < data->n; i++)
        memcpy((unsigned char *)out + (size_t)i * store->page_bytes,
               store->memory + (size_t)data->pages[i] * store->page_bytes, share(store, data->bytes, i));
}

void clkv_page_data_drop(clkv_page_store *store, clkv_page_data *data)
{
    for (uint32_t i = data->n; i-- > 0;) clkv_pool_release(store->pool, data->pages[i]);
    clkv_free(data->pages, data->n * sizeof *data->pages);
    *data = (clkv_page_data){0};
}
