/* clkv/api.h: symbol visibility and the basic types that every header shares.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_API_H
#define CLKV_API_H

/* A tool that reads C without a compiler's extensions (pycparser, cffi) defines CLKV_PLAIN: see plain.h. */
#ifdef CLKV_PLAIN
#include <clkv/plain.h>
#else
#include <stddef.h>
#include <stdint.h>
#endif

/* A program needs no mark to call what the shared library exports, also where that is a DLL. So the same header serves
 * the shared and the static library, and only the build of the library defines CLKV_BUILDING. */
#if !defined(CLKV_BUILDING)
#define CLKV_API
#elif defined(_WIN32)
#define CLKV_API __declspec(dllexport)
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
 *              than the library: the library fills up a smaller struct with zeros, and accepts a larger
 *              struct when the fields that it does not know are zero (else INVALID).
 * Filled       a struct that the library fills has `size` too: set it to sizeof(struct) before the call. The
 *              library fills the fields that both sides know and zeroes the rest; `size` becomes the number
 *              of bytes that were filled.
 *              Structs that describe data, as keys, events, tensors and clkv_ref_layout, have no `size`.
 * Names        a function that reports the state of an object into memory of the caller is called …_get_…; one
 *              that searches or computes is named after what it does (list, lookup, locate, pending); a function
 *              that returns its result has no `get` in its name. A constructor's first argument is where the handle goes.
 * Groups       `group` is the number of a layer group: the layers that share their block tables. There is one
 *              group, 0; any other number is CLKV_ERROR_INVALID.
 * Life         a handle keeps alive the objects that it needs: handles may be destroyed in any order.
 * Errors       functions return clkv_status (status.h); clkv_last_error() has the reason and the function.
 * Failure      a call that fails has changed nothing, unless its comment says otherwise.
 * Threads      the first comment of each header says which calls are safe from which threads.
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

/* "No block": the entry of a block table for a block that a sliding window has released. */
#define CLKV_NO_BLOCK UINT32_MAX

/* Element types of keys and values, and of the tensors handed in and out. */
typedef enum clkv_type {
    CLKV_TYPE_DEFAULT = 0, /* the field's documented default */
    CLKV_F32 = 1,
    CLKV_F16 = 2, /* IEEE binary16 */
} clkv_type;

#endif
