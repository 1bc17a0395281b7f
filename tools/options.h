/* options.h: a tool's command line as a table: parsing, range checks and --help come from one place.
 *
 *   static uint32_t blocks = 1024;
 *   static const option_def table[] = {
 *       { "blocks", OPTION_U32, "N", "blocks in the pool", &blocks, .min = 1, .max = UINT32_MAX },
 *       { "json", OPTION_FLAG, NULL, "print JSON", &json },
 *   };
 *   static const option_set set = { "TRACE", "Replays a trace.", table, 2, .min_operands = 1, .max_operands = 1 };
 *   int done = options_parse(&set, argc, argv, &first);
 *   if (done >= 0) return done;
 *
 * --help, --version and --completions are added to every table. Defaults are what the variables hold before parsing;
 * --help shows them. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_OPTIONS_H
#define CLKV_TOOLS_OPTIONS_H

#include "option_table.h"

/* Returns −1 when the tool should go on, else the code to exit with: EXIT_GOOD after --help, --version or
 * --completions, EXIT_USAGE after a message that names the option and the value. argv is permuted: the operands are
 * argv[*first … argc). Sets tool_name(). */
int options_parse(const option_set *set, int argc, char **argv, int *first);

/* The parsers alone, for tools that read numbers elsewhere too (lists, files). The whole text must be the
 * number. 0 = good; −1 = not a number, or out of [min, max] (max 0 = no limit); *out is untouched then. */
int options_read_u64(const char *text, uint64_t min, uint64_t max, uint64_t *out);
int options_read_size(const char *text, uint64_t min, uint64_t max, uint64_t *out);
int options_read_real(const char *text, double *out);

#endif
