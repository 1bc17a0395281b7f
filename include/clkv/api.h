/* clkv/api.h: symbol visibility and the basic types that every header shares.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_API_H
#define CLKV_API_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define CLKV_API
#elif defined(__GNUC__)
#define CLKV_API __attribute__((visibility("default")))
#else
#define CLKV_API
#endif

/* Conventions that hold in every header
 * -------------------------------------
 * Handles      opaque; clkv_x_create(clkv_x **out, …) sets *out only on success;
 *              clkv_x_destroy(clkv_x **x) takes NULL and a pointer to NULL, and sets *x = NULL.
 * Params       a struct that begins with `size` = sizeof(struct); a zeroed field means its default.
 *              CLKV_PARAMS_INIT(type) initialises one, in C and in C++17. A program may be older or newer
 *              than the library: a smaller struct is filled up with zeros, a larger one is accepted when
 *              what this library does not know of it is zero (else INVALID).
 * Filled       a struct that the library fills has `size` too: set it to sizeof(struct) before the call.
 *              As much is filled as both sides know, the rest becomes zero, and size becomes the number of
 *              bytes that were filled.
 * Names        a function that fills what the caller hands in is called …_get_…; one that returns its answer
 *              has no `get` in its name. Constructors take the new handle's place first.
 * Groups       `group` is the number of a layer group, of layers that share their block tables. There is one
 *              group, 0; any other is CLKV_ERROR_INVALID.
 * Life         a handle keeps alive what it needs: handles may be destroyed in any order.
 * Errors       functions return clkv_status (status.h); clkv_last_error() says what and where.
 * Failure      a call that fails has changed nothing, unless its comment says otherwise.
 * Threads      what is safe from which threads stands in each header's first comment.
 * Shapes       [token][head][dim]: the last index moves fastest; no padding.
 * Units        token counts in tokens, block counts in blocks, sizes in bytes, times as named. */
#ifdef __cplusplus
extern "C++" {
template <typename type> inline type clkv_params_init()
{
    type params{};
    params.size = sizeof(type);
    return params;
}
}
#define CLKV_PARAMS_INIT(type) clkv_params_init<type>()
#else
#define CLKV_PARAMS_INIT(type) { .size = sizeof(type) }
#endif

/* "No block": what a block table holds for a block that a sliding window has released. */
#define CLKV_NO_BLOCK UINT32_MAX

/* Element types of keys and values, and of the tensors handed in and out. */
typedef enum clkv_type {
    CLKV_TYPE_DEFAULT = 0, /* the field's documented default */
    CLKV_F32 = 1,
    CLKV_F16 = 2, /* IEEE binary16 */
} clkv_type;

#endif
