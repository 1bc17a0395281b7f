/* variant.h: the kernel variants that --variant takes; the library says no to others.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_VARIANT_H
#define CLKV_TOOLS_VARIANT_H

#include <stddef.h>

static const char *const variant_names[] = {"cpu", "portable", NULL};

#endif
