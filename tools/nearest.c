/* nearest.c: see nearest.h. SPDX-License-Identifier: Apache-2.0 */
#include "nearest.h"

#include <stdint.h>
#include <string.h>

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t nearest_distance(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
    /* d[i][j]: from the first i letters of a to the first j of b */
    size_t d[NEAREST_BYTES + 1][NEAREST_BYTES + 1];
    if (a_bytes > NEAREST_BYTES || b_bytes > NEAREST_BYTES) return SIZE_MAX;
    for (size_t i = 0; i <= a_bytes; i++) d[i][0] = i;
    for (size_t j = 0; j <= b_bytes; j++) d[0][j] = j;
    for (size_t i = 1; i <= a_bytes; i++)
        for (size_t j = 1; j <= b_bytes; j++) {
            d[i][j] = least(least(d[i - 1][j], d[i][j - 1]) + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
        }
    return d[a_bytes][b_bytes];
}

const char *nearest_word(const char *given, size_t bytes, const char *const *words, size_t n)
{
    const char *found = NULL;
    size_t most = SIZE_MAX;
    for (size_t i = 0; i < n; i++) {
        const size_t length = strlen(words[i]), longer = length > bytes ? length : bytes;
        const size_t distance = nearest_distance(given, bytes, words[i], length);
        if (distance >= most || distance > (longer + 1) / 3) continue;
        most = distance;
        found = words[i];
    }
    return found;
}
