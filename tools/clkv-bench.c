/* clkv-bench: how fast the parts of the cache are. The commands have a file each, bench_*.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"

#include "exit.h"
#include "nearest.h"
#include "os/arguments.h"

#include <clkv/version.h>

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *help;
    int (*main)(int argc, char **argv);
} commands[] = {
    {"attention", "attention beside the device's read bandwidth and multiply-add rate", bench_attention},
    {"pool", "host: allocate, release, match, register and evict, per block", bench_pool},
    {"step", "host time and bytes uploaded per decode step", bench_step},
    {"start", "from opening the device to the first result, with a cold and a warm binary cache", bench_start},
};

static int print_help(out_stream *out)
{
    output_text(out, "Usage: clkv-bench COMMAND [OPTION…]\n\nMeasures the parts of a paged KV cache.\n\nCommands:\n");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        output_printf(out, "  %-10s %s\n", commands[i].name, commands[i].help);
    output_text(out, "\nclkv-bench COMMAND --help lists a command's options. Exit: 0 good, 1 a check or a call\n"
                     "failed, 2 usage, 3 no usable device.\n");
    return tool_flush(out);
}

static int unknown_command(const char *given)
{
    enum { N = sizeof commands / sizeof *commands };
    const char *names[N];
    char shown[TOOL_SHOWN_BYTES];
    for (size_t i = 0; i < N; i++) names[i] = commands[i].name;
    const char *meant = nearest_word(given, strlen(given), names, N);
    tool_shown(given, strlen(given), shown);
    if (meant) return tool_fail(EXIT_USAGE, "unknown command '%s': did you mean %s?", shown, meant);
    return tool_fail(EXIT_USAGE, "unknown command '%s': attention, pool, step or start", shown);
}

int main(int argc, char **argv)
{
    clkv_os_arguments(&argc, &argv);
    tool_begin(argv[0]);
    if (argc < 2) {
        tool_fail(EXIT_USAGE, "a command is missing");
        print_help(&output_err);
        return EXIT_USAGE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) return print_help(&output_out);
    if (!strcmp(argv[1], "--version")) {
        output_printf(&output_out, "clkv-bench %s\n", clkv_version());
        return tool_flush(&output_out);
    }
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(argv[1], commands[i].name)) continue;
        char name[64]; /* what messages and --help call the program */
        snprintf(name, sizeof name, "clkv-bench %s", commands[i].name);
        argv[1] = name;
        return commands[i].main(argc - 1, argv + 1);
    }
    return unknown_command(argv[1]);
}
