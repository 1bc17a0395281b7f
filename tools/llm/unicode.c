/* unicode.c: see unicode.h. SPDX-License-Identifier: Apache-2.0 */
#include "unicode.h"

#define REPLACEMENT 0xfffd

uint32_t llm_utf8_next(const char *text, size_t bytes, uint32_t *taken)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *p = (const unsigned char *)text;
    const uint32_t n = p[0] < 0x80 ? 1 : p[0] < 0xc0 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf8 ? 4 : 0;
    *taken = 1;
    if (n == 1) return p[0];
    if (n == 0 || n > bytes) return REPLACEMENT;
    uint32_t code = p[0] & (0x7fu >> n);
    for (uint32_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) return REPLACEMENT;
        code = code << 6 | (p[i] & 0x3fu);
    }
    if (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return REPLACEMENT;
    *taken = n;
    return code;
}

uint32_t llm_utf8_write(uint32_t code, char out[4])
{
    const uint32_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (uint32_t i = n - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code & 0x3f));
        code >>= 6;
    }
    out[0] = (char)(lead[n] | code);
    return n;
}

llm_char_kind llm_char_kind_of(uint32_t code)
{
    uint32_t low = 0, high = llm_n_char_ranges; /* the entry that holds lies in [low, high) */
    while (high - low > 1) {
        const uint32_t middle = low + (high - low) / 2;
        if (llm_char_ranges[middle] >> 3 <= code)
            low = middle;
        else
            high = middle;
    }
    return (llm_char_kind)(llm_char_ranges[low] & 7);
}
