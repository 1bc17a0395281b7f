/* params.h: reads and fills structs of callers that were built against older or newer headers.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CORE_PARAMS_H
#define CLKV_CORE_PARAMS_H

#include <clkv/status.h>

/* Copies a caller's params into the library's own struct. A smaller struct is filled up with zeros. A larger struct is
 * accepted when the bytes that this library does not know are zero. own.size becomes the library's. Used as
 *     clkv_pool_params p;
 *     clkv_status st = CLKV_PARAMS_READ(p, params);
 * INVALID: NULL, a size below that of the field `size` or beyond that of any struct, or a tail that is not zero. */
#define CLKV_PARAMS_READ(own, params) clkv_params_read(&(own), sizeof(own), (params), #params)
clkv_status clkv_params_read(void *own, size_t own_bytes, const void *params, const char *name);

/* Copies the library's own struct to a struct of the caller: as many bytes as it has room for. The rest of a larger
 * struct becomes zero. The `size` of the caller's struct becomes the number of bytes that were filled. INVALID as
 * above. */
#define CLKV_PARAMS_WRITE(out, own) clkv_params_write((out), &(own), sizeof(own), #out)
clkv_status clkv_params_write(void *out, const void *own, size_t own_bytes, const char *name);

#endif
