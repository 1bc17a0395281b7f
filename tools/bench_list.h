/* bench_list.h: an option that is a list of sizes, "1000,10000". SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_BENCH_LIST_H
#define CLKV_TOOLS_BENCH_LIST_H

#include <stdint.h>

#define BENCH_LIST_MAX 32

/* Numbers in [1, max], separated by commas, into out[0 … *n). 0, or a message was printed that names
 * `option`, and it is the code to exit with. */
int bench_list(const char *option, const char *text, uint32_t max, uint32_t out[BENCH_LIST_MAX], uint32_t *n);

#endif
