/* system_posix.c: see system.h. SPDX-License-Identifier: Apache-2.0 */
#define _XOPEN_SOURCE 700 /* gethostname, realpath */
#include "os/system.h"

#include "os/environment.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* The line PRETTY_NAME="…" of the file that describes a Linux distribution. */
static void distribution(char *out, size_t room)
{
    static const char key[] = "PRETTY_NAME=";
    char line[256];
    FILE *file = fopen("/etc/os-release", "r");
    *out = 0;
    while (file && fgets(line, sizeof line, file)) {
        if (strncmp(line, key, sizeof key - 1)) continue;
        const char *value = line + sizeof key - 1 + strspn(line + sizeof key - 1, "\"'");
        snprintf(out, room, ", %.*s", (int)strcspn(value, "\"'\n"), value);
    }
    if (file) fclose(file);
}

void clkv_os_system(char *out, size_t room)
{
    struct utsname s;
    char name[160];
    distribution(name, sizeof name);
    if (uname(&s) < 0) snprintf(out, room, "a POSIX system%s", name);
    else snprintf(out, room, "%s %s %s%s", s.sysname, s.release, s.machine, name);
}

/* Where HOME leads when it is a link, or passes through one. */
static void real_home(char *out, size_t room)
{
    char home[1024];
    if (!clkv_os_environment("HOME", home, sizeof home)) return;
    char *path = realpath(home, NULL);
    if (path) snprintf(out, room, "%s", path);
    free(path);
}

int clkv_os_private(size_t index, clkv_os_name *kind, char *out, size_t room)
{
    static const struct {
        clkv_os_name kind;
        const char *variable;
    } known[] = {
        { CLKV_OS_HOME, "HOME" }, { CLKV_OS_USER, "USER" }, { CLKV_OS_USER, "LOGNAME" }, { CLKV_OS_HOST, "HOSTNAME" },
    };
    enum { VARIABLES = sizeof known / sizeof *known, HOME = VARIABLES, USER, HOST, REAL_HOME, ALL };
    const struct passwd *user = index == HOME || index == USER ? getpwuid(getuid()) : NULL;
    *out = 0;
    if (index >= ALL) return 0;
    *kind = index < VARIABLES    ? known[index].kind
            : index == REAL_HOME ? CLKV_OS_HOME
                                 : (clkv_os_name)(index - VARIABLES);
    if (index < VARIABLES) clkv_os_environment(known[index].variable, out, room);
    else if (user) snprintf(out, room, "%s", index == HOME ? user->pw_dir : user->pw_name);
    else if (index == HOST && gethostname(out, room)) *out = 0;
    else if (index == REAL_HOME) real_home(out, room);
    out[room - 1] = 0;
    return 1;
}
