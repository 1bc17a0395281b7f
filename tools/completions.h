/* completions.h: scripts by which a shell completes the options of a program, made from its option table.
 *
 *   clkv-verify --de<Tab>      the names of options
 *   clkv-verify --kv <Tab>     the choices of an option; behind --kv= too
 *   clkv-verify <Tab>          files, where a file is due; the commands of a program that has some
 *
 * A value that nobody can guess is not completed. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_COMPLETIONS_H
#define CLKV_TOOLS_COMPLETIONS_H

#include "option_table.h"

/* The choices of --completions. */
extern const char *const completions_shells[];

/* Prints the script of the program tool_name(). All programs have the options of `common`; the last one is not for
 * commands. Returns the code to exit with. */
int completions_print(const option_set *set, const option_def *common, size_t n_common, int shell);

#endif
