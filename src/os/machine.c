/* machine.c: what the compiler can ask the processor on every system. SPDX-License-Identifier: Apache-2.0 */
#include "os/machine.h"

#include <string.h>

const char *clkv_machine_name(void)
{
    return CLKV_MACHINE;
}

int clkv_machine_is_big_endian(void)
{
    const uint16_t one = 1;
    unsigned char first;
    memcpy(&first, &one, 1);
    return !first;
}

uint32_t clkv_machine_vector_floats(void)
{
#if defined(__x86_64__) || defined(__i386__)
    if (__builtin_cpu_supports("avx512f")) return 16;
    return __builtin_cpu_supports("avx") ? 8 : 4;
#elif defined(__aarch64__)
    return 4;
#else
    return 0;
#endif
}
