/* arguments_posix.c: see arguments.h. SPDX-License-Identifier: Apache-2.0 */
#include "os/arguments.h"

void clkv_os_arguments(int *argc, char ***argv)
{
    (void)argc, (void)argv;
}
