/* params.c: see params.h. SPDX-License-Identifier: Apache-2.0 */
#include "core/params.h"

#include "core/error.h"

#include <string.h>

#define LARGEST ((size_t)1 << 16) /* no struct of any version is larger: a size beyond it was never set */

static clkv_status check_size(const void *params, const char *name, size_t *bytes)
{
    if (!params) return CLKV_FAIL(CLKV_ERROR_INVALID, "%s is NULL", name);
    memcpy(bytes, params, sizeof *bytes);
    if (*bytes < sizeof *bytes || *bytes > LARGEST)
        return CLKV_FAIL(CLKV_ERROR_INVALID, "%s->size is %zu: set it to the size of the struct", name, *bytes);
    return CLKV_OK;
}

clkv_status clkv_params_read(void *own, size_t own_bytes, const void *params, const char *name)
{
    size_t bytes = 0;
    const clkv_status st = check_size(params, name, &bytes);
    if (st != CLKV_OK) return st;
    for (size_t i = own_bytes; i < bytes; i++) {
        if (((const unsigned char *)params)[i])
            return CLKV_FAIL(CLKV_ERROR_INVALID, "%s->size is %zu, and byte %zu is set: this library knows %zu bytes",
                             name, bytes, i, own_bytes);
    }
    memset(own, 0, own_bytes);
    memcpy(own, params, bytes < own_bytes ? bytes : own_bytes);
    memcpy(own, &own_bytes, sizeof own_bytes);
    return CLKV_OK;
}

clkv_status clkv_params_write(void *out, const void *own, size_t own_bytes, const char *name)
{
    size_t bytes = 0;
    const clkv_status st = check_size(out, name, &bytes);
    if (st != CLKV_OK) return st;
    const size_t filled = bytes < own_bytes ? bytes : own_bytes;
    memcpy(out, own, filled);
    memset((unsigned char *)out + filled, 0, bytes - filled);
    memcpy(out, &filled, sizeof filled);
    return CLKV_OK;
}
