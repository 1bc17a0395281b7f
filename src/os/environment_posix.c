/* environment_posix.c: see environment.h. SPDX-License-Identifier: Apache-2.0 */
#include "os/environment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __APPLE__
#define CACHES "Library/Caches"
#else
#define CACHES ".cache"
#endif

static const char *value_of(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

size_t clkv_os_environment(const char *name, char *out, size_t room)
{
    const char *value = value_of(name);
    snprintf(out, room, "%s", value ? value : "");
    return value ? strlen(value) : 0;
}

size_t clkv_os_cache_home(char *out, size_t room)
{
    const char *xdg = value_of("XDG_CACHE_HOME"), *home = value_of("HOME");
    int n = 0;
    *out = 0;
    if (xdg && *xdg == '/') n = snprintf(out, room, "%s", xdg);
    else if (home) n = snprintf(out, room, "%s/" CACHES, home);
    return n < 0 ? 0 : (size_t)n;
}
