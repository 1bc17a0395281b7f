/* kernels.c: see kernels.h. A cache has about ten kernels, so a search compares the hashes one after the other.
 * SPDX-License-Identifier: Apache-2.0 */
#include "program/kernels.h"

#include "core/error.h"
#include "core/memory.h"
#include "device/process.h"

#include <assert.h>
#include <string.h>
#include <xxhash.h>

typedef struct clkv_kernel_entry {
    uint64_t hash; /* of the key */
    char key[CLKV_KERNEL_KEY_BYTES];
    clkv_kernel kernel;
} clkv_kernel_entry;

const clkv_kernel *clkv_kernels_find(const clkv_kernels *kernels, const char *key)
{
    const uint64_t hash = XXH3_64bits(key, strlen(key));
    for (size_t i = 0; i < kernels->n; i++) {
        const clkv_kernel_entry *e = &kernels->list[i];
        if (e->hash == hash && !strcmp(e->key, key)) return &e->kernel;
    }
    return NULL;
}

clkv_status clkv_kernels_reserve(clkv_kernels *kernels, size_t n)
{
    void *list = kernels->list;
    if (clkv_grow(&list, &kernels->capacity, kernels->n + n, sizeof *kernels->list))
        return CLKV_FAIL(CLKV_ERROR_NO_MEMORY, "a table of %zu kernels", kernels->n + n);
    kernels->list = list;
    return CLKV_OK;
}

void clkv_kernels_add(clkv_kernels *kernels, const char *key, const clkv_kernel *kernel)
{
    clkv_kernel_entry *e = &kernels->list[kernels->n++];
    const size_t bytes = strlen(key);
    assert(bytes < sizeof e->key);
    memcpy(e->key, key, bytes + 1);
    e->hash = XXH3_64bits(key, bytes);
    e->kernel = *kernel;
}

void clkv_kernels_free(clkv_kernels *kernels)
{
    for (size_t i = 0; i < kernels->n; i++)
        if (!clkv_process_forked()) clReleaseKernel(kernels->list[i].kernel.kernel);
    clkv_free(kernels->list, kernels->capacity * sizeof *kernels->list);
    *kernels = (clkv_kernels){ 0 };
}
