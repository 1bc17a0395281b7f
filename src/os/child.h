/* child.h: a process that runs this program once more. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_OS_CHILD_H
#define CLKV_OS_CHILD_H

#include "os/why.h"

#include <stddef.h>

/* Gives a variable of the environment a value, which the children that are started later get. 0 or −1. */
int clkv_child_environment(const char *name, const char *value);

/* Runs this program with the arguments argv, which begin with its name and end with NULL, and waits for its end. What it
 * prints on standard output is in `output`, cut to fit; its other streams are the caller's. 0 and what it exited with, or
 * −1 with the reason. No other thread should start a process at the same time. */
int clkv_child_run(char *const *argv, char *output, size_t room, int *code, char why[CLKV_OS_WHY]);

#endif
