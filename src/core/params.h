/* params.h: params structs of any size: what a caller built against older or newer headers hands in and gets back.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_CORE_PARAMS_H
#define CLKV_CORE_PARAMS_H

#include <clkv/status.h>

/* Copies a caller's params into the library's own struct: a smaller one is filled up with zeros, a larger one is
 * accepted when all that this library does not know of it is zero. own.size becomes the library's. Used as
 *     clkv_pool_params p;
 *     clkv_status st = CLKV_PARAMS_READ(p, params);
 * INVALID: NULL, a size below that of the field `size`, one beyond any struct, or a tail that is not zero. */
#define CLKV_PARAMS_READ(own, params) clkv_params_read(&(own), sizeof(own), (params), #params)
clkv_status clkv_params_read(void *own, size_t own_bytes, const void *params, const char *name);

/* The reverse, for a struct that the library fills: as much of it as the caller's has room for; the rest of a larger
 * one becomes zero. The caller's size becomes the number of bytes that were filled. INVALID as above. */
#define CLKV_PARAMS_WRITE(out, own) clkv_params_write((out), &(own), sizeof(own), #out)
clkv_status clkv_params_write(void *out, const void *own, size_t own_bytes, const char *name);

#endif
