/* half.c: converts IEEE binary32 to binary16 and back, in integer arithmetic only, so that the result does not depend
 * on compiler flags. SPDX-License-Identifier: Apache-2.0 */
#include <clkv/ref.h>

#include <string.h>

uint16_t clkv_ref_half(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    const uint16_t sign = (uint16_t)(u >> 16 & 0x8000u);
    const uint32_t abs = u & 0x7fffffffu;
    if (abs > 0x7f800000u) /* NaN: quiet, with the payload's upper bits */
        return (uint16_t)(sign | 0x7e00u | (abs >> 13 & 0x1ffu));
    if (abs >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u); /* 65520 and more round to infinity */
    uint32_t mantissa, drop;
    uint32_t base; /* the result before the mantissa is added; a carry of the mantissa increases the exponent */
    if (abs >= 0x38800000u) { /* 2^-14 and more: normal */
        base = ((abs >> 23) - 112u) << 10;
        mantissa = abs & 0x7fffffu;
        drop = 13;
    } else if (abs >= 0x33000000u) { /* 2^-25 and more: subnormal, or rounds to zero or the smallest */
        base = 0;
        mantissa = (abs & 0x7fffffu) | 0x800000u;
        drop = 126u - (abs >> 23);
    } else {
        return sign;
    }
    const uint32_t rest = mantissa & ((1u << drop) - 1u), tie = 1u << (drop - 1u);
    uint32_t h = base + (mantissa >> drop);
    if (rest > tie || (rest == tie && (h & 1u))) h++;
    return (uint16_t)(sign | h);
}

float clkv_ref_float(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000u) << 16;
    uint32_t exponent = h >> 10 & 0x1fu, mantissa = h & 0x3ffu, u;
    if (exponent == 0x1fu) {
        u = sign | 0x7f800000u | mantissa << 13;
    } else if (exponent != 0) {
        u = sign | (exponent + 112u) << 23 | mantissa << 13;
    } else if (mantissa != 0) { /* subnormal: shift until the leading one is where binary32 implies it */
        exponent = 113u;
        while (!(mantissa & 0x400u)) {
            mantissa <<= 1;
            exponent--;
        }
        u = sign | exponent << 23 | (mantissa & 0x3ffu) << 13;
    } else {
        u = sign;
    }
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}
