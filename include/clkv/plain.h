/* clkv/plain.h: the types of the C library and of OpenCL that clkv's headers use, without their headers.
 *
 * For tools that make bindings and read C without a compiler's extensions, which system headers are full of: pycparser,
 * cffi. Such a tool defines CLKV_PLAIN, and the headers of clkv then include no header of others. A GNU-like compiler's
 * preprocessor is enough, and it says what the types are on its target:
 *   echo '#include <clkv/clkv.h>' | cc -E -DCLKV_PLAIN $(pkg-config --cflags clkv) - >clkv.i
 * Programs never define CLKV_PLAIN. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_PLAIN_H
#define CLKV_PLAIN_H

typedef __SIZE_TYPE__ size_t;
typedef __INT32_TYPE__ int32_t;
typedef __UINT8_TYPE__ uint8_t;
typedef __UINT16_TYPE__ uint16_t;
typedef __UINT32_TYPE__ uint32_t;
typedef __UINT64_TYPE__ uint64_t;

typedef uint32_t cl_uint;
typedef struct _cl_command_queue *cl_command_queue;
typedef struct _cl_context *cl_context;
typedef struct _cl_device_id *cl_device_id;
typedef struct _cl_event *cl_event;
typedef struct _cl_mem *cl_mem;

#endif
