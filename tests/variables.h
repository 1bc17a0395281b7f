/* variables.h: how the tests set a variable of the environment, on every system. Include it first: it wants
 * _POSIX_C_SOURCE. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TESTS_VARIABLES_H
#define CLKV_TESTS_VARIABLES_H

#include <stdlib.h>

/* NULL: it is not set. */
static inline void set_variable(const char *name, const char *value)
{
#ifdef _WIN32
    _putenv_s(name, value ? value : ""); /* Windows has no empty variables */
#else
    if (value) setenv(name, value, 1);
    else unsetenv(name);
#endif
}

#endif
