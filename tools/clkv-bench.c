/* clkv-bench: how fast the parts of the cache are. The commands have a file each, bench_*.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"

#include "exit.h"
#include "nearest.h"
#include "os/arguments.h"
#include "os/interrupt.h"

#include <stdio.h>
#include <string.h>

enum { COMMANDS = 4 };
static const option_command commands[COMMANDS] = {
    {"attention", "attention beside the device's read bandwidth and multiply-add rate", &bench_attention_options},
    {"pool", "host: allocate, release, match, register and evict, per block", &bench_pool_options},
    {"step", "host time and bytes uploaded per decode step", &bench_step_options},
    {"start", "from opening the device to the first result, with a cold and a warm binary cache",
     &bench_start_options},
};
static int (*const mains[COMMANDS])(int argc, char **argv) = {bench_attention, bench_pool, bench_step, bench_start};

static const option_set program = {
    "COMMAND",
    "Measures the parts of a paged KV cache.",
    .min_operands = 1,
    .max_operands = -1,
    .commands = commands,
    .n_commands = COMMANDS,
};

static int unknown_command(const char *given)
{
    const char *names[COMMANDS];
    char shown[TOOL_SHOWN_BYTES];
    for (size_t i = 0; i < COMMANDS; i++) names[i] = commands[i].name;
    const char *meant = nearest_word(given, strlen(given), names, COMMANDS);
    tool_shown(given, strlen(given), shown);
    if (meant) return tool_fail(EXIT_USAGE, "unknown command '%s': did you mean %s?", shown, meant);
    return tool_fail(EXIT_USAGE, "unknown command '%s': attention, pool, step or start", shown);
}

int main(int argc, char **argv)
{
    clkv_os_arguments(&argc, &argv);
    clkv_interrupt_begin();
    tool_begin(argv[0]);
    if (argc < 2)
        return tool_fail(EXIT_USAGE, "a command is missing: attention, pool, step or start (see clkv-bench --help)");
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(argv[1], commands[i].name)) continue;
        char name[64]; /* what messages and --help call the program */
        snprintf(name, sizeof name, "clkv-bench %s", commands[i].name);
        argv[1] = name;
        const int code = mains[i](argc - 1, argv + 1);
        clkv_interrupt_end();
        return code;
    }
    int first = 1;
    const int done = *argv[1] == '-' ? options_parse(&program, argc, argv, &first) : -1;
    return done >= 0 ? done : unknown_command(argv[first]);
}
