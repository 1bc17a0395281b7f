/* bench.h: what the parts of clkv-bench share: their entry points and how results are printed.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_BENCH_H
#define CLKV_TOOLS_BENCH_H

#include "json.h"
#include "options.h"

#include <clkv/device.h>

#include <stddef.h>
#include <stdint.h>

/* Each is a command of clkv-bench: argv[0] is "clkv-bench NAME". They return what to exit with. */
int bench_attention(int argc, char **argv);
int bench_pool(int argc, char **argv);
int bench_step(int argc, char **argv);
int bench_start(int argc, char **argv);
extern const option_set bench_attention_options, bench_pool_options, bench_step_options, bench_start_options;

/* The middle one of n >= 1 samples (of an even number the lower one); sorts them. */
double bench_median(double *samples, size_t n);

/* Adds "device", "driver" and "variant" to a result. */
void bench_add_device(cJSON *to, const clkv_device *device);

/* Prints and deletes `root`, an object: as JSON, or else as tables for people: a line per key; an array of objects as
 * a row per object. When a signal has ended the measurement early, the result says so: "finished". Returns the code to
 * exit with. */
int bench_print(cJSON *root, int json);

/* For a measurement that a signal ended before there was a figure. Returns the code to exit with. */
int bench_nothing(void);

#endif
