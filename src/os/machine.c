/* machine.c: what the compiler can ask the processor on every system. SPDX-License-Identifier: Apache-2.0 */
#include "os/machine.h"

#include <string.h>

/* Intel's manual, volume 1, 14.3 and 15.2: the processor has the registers, and the system saves them. The compiler's
 * __builtin_cpu_supports says the same, but not every compiler brings the table that it reads. */
#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>

enum {
    avx = 1 << 28 | 1 << 27, /* leaf 1, ecx: AVX, and xgetbv may be used */
    avx512f = 1 << 16,       /* leaf 7, ebx */
    ymm = 0x6,               /* of the registers that the system saves */
    zmm = 0xe6,
};

static int are_saved(unsigned registers)
{
    unsigned low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    (void)high;
    return (low & registers) == registers;
}
#endif

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
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & avx) != avx || !are_saved(ymm)) return 4;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & avx512f) || !are_saved(zmm)) return 8;
    return 16;
#elif defined(__aarch64__)
    return 4;
#else
    return 0;
#endif
}
