/* machine.h: the memory, the caches, the registers and the byte order of the machine itself.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_OS_MACHINE_H
#define CLKV_OS_MACHINE_H

#include <stdint.h>

/* The bytes of memory that this process can still use without swapping or being killed. On Linux: the smaller of what
 * the system calls available and what is left of the control group's limit. UINT64_MAX when nothing is known. */
uint64_t clkv_machine_available(void);

/* The bytes of the first core's data cache of a level, 1 or 2; 0 when it is not known. */
uint32_t clkv_machine_cache_bytes(int level);

/* Floats that a vector register of the processor holds: 16, 8 or 4; 0 where nobody tells. */
uint32_t clkv_machine_vector_floats(void);

/* The system and the processor that this code was compiled for, such as linux-x86_64. The binaries of drivers depend on
 * it: a 32-bit driver cannot use those of its 64-bit twin. */
const char *clkv_machine_name(void);

int clkv_machine_is_big_endian(void);

#endif
