/* llm_split.c STYLE: cuts texts into words as byte-level BPE does first. Texts come on stdin, each ended by a 0
 * byte; of each a line goes to stdout, with the bytes of its words. For test_split.py.
 * SPDX-License-Identifier: Apache-2.0 */
#include "os/descriptor.h"
#include "tokenizer_split.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    static char text[1 << 16];
    llm_split_style style;
    size_t bytes = 0;
    clkv_descriptor_begin();
    if (argc != 2 || llm_split_find(argv[1], &style)) return 2;
    for (int c; (c = getchar()) != EOF;) {
        if (c) {
            if (bytes == sizeof text) return 2;
            text[bytes++] = (char)c;
            continue;
        }
        for (size_t at = 0, n; at < bytes; at += n) {
            n = llm_split_next(&style, text + at, bytes - at);
            printf("%zu ", n);
        }
        putchar('\n');
        bytes = 0;
    }
    return 0;
}
