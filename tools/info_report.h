/* info_report.h: clkv-info --report, what a bug report needs, as Markdown. It does not name the user or the machine.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_INFO_REPORT_H
#define CLKV_TOOLS_INFO_REPORT_H

#include "info_machine.h"

/* Compiles the usual kernels on every device that opens, and prints the report. Returns what to exit with: 0, or
 * EXIT_CHECK when it cannot be printed. */
int info_report_print(const info_machine *m, const char *variant);

#endif
