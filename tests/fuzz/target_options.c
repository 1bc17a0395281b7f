/* target_options.c: command lines, arguments parted by 0 bytes, for a table with every kind of option.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include "options.h"

#include <math.h>

enum { MOST_ARGUMENTS = 32 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const letters[] = {"alpha", "beta", "gamma", NULL};
    uint32_t small = 7;
    uint64_t wide = 1, bytes = 4096;
    double real = 0.5;
    const char *text = "default";
    int flag = 0, choice = 1, given = 0;
    option_texts texts = {NULL, 0};
    const option_def table[] = {
        {.kind = OPTION_HEADING, .help = "A heading"},
        {"flag", OPTION_FLAG, NULL, "a flag", &flag},
        {"small", OPTION_U32, "N", "a number", &small, .min = 3, .max = 4000000000, .given = &given},
        {"wide", OPTION_U64, "N", "a number", &wide},
        {"bytes", OPTION_SIZE, "SIZE", "a size", &bytes, .min = 16},
        {"real", OPTION_REAL, "X", "a real number", &real, .real_min = -1, .real_max = 2},
        {"text", OPTION_TEXT, "T", "a text", &text},
        {"texts", OPTION_TEXTS, "T", "texts", &texts},
        {"choice", OPTION_CHOICE, NULL, "one of three", &choice, .choices = letters},
    };
    const option_set set = {"FILE…", "A tool.", table, sizeof table / sizeof *table, 0, 2, NULL};
    char *copy = malloc(size + 1), *arguments[MOST_ARGUMENTS + 2] = {"fuzz"};
    int n = 1, first = 0;
    FUZZ_CHECK(copy);
    /* what a user types comes back in messages as it is: no control characters, which are the user's own */
    for (size_t i = 0; i < size; i++) copy[i] = data[i] && (data[i] < 32 || data[i] == 127) ? '?' : (char)data[i];
    copy[size] = 0;
    for (size_t at = 0; at <= size && n <= MOST_ARGUMENTS; at += strlen(copy + at) + 1) arguments[n++] = copy + at;
    const int done = options_parse(&set, n, arguments, &first);
    FUZZ_CHECK(done >= -1 && done <= 2);
    FUZZ_CHECK(small >= 3 && small <= 4000000000 && bytes >= 16 && real >= -1 && real <= 2);
    FUZZ_CHECK(choice >= 0 && choice < 3 && (flag == 0 || flag == 1));
    FUZZ_CHECK(given || small == 7);
    if (done == -1) FUZZ_CHECK(*text && first >= 1 && first <= n && n - first <= 2);
    free(texts.items);
    free(copy);
    return 0;
}
