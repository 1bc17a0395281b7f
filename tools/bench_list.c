/* bench_list.c: see bench_list.h. SPDX-License-Identifier: Apache-2.0 */
#include "bench_list.h"

#include "exit.h"
#include "options.h"

#include <string.h>

int bench_list(const char *option, const char *text, uint32_t max, uint32_t out[BENCH_LIST_MAX], uint32_t *n)
{
    for (*n = 0;; (*n)++) {
        char number[24];
        uint64_t value;
        const size_t length = strcspn(text, ",");
        if (*n == BENCH_LIST_MAX)
            return tool_fail(EXIT_USAGE, "--%s: more than %d numbers", option, BENCH_LIST_MAX);
        if (length >= sizeof number) return tool_fail(EXIT_USAGE, "--%s: '%.24s…' is no number", option, text);
        memcpy(number, text, length);
        number[length] = 0;
        if (options_read_u64(number, 1, max, &value))
            return tool_fail(EXIT_USAGE, "--%s: '%s' is not a whole number from 1 to %u", option, number, max);
        out[*n] = (uint32_t)value;
        text += length;
        if (!*text) {
            (*n)++;
            return 0;
        }
        text++;
    }
}
