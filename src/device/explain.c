/* explain.c: checks for the usual causes of having no device. SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L /* glob, opendir */
#include "device/explain.h"

#include "core/error.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* GPU drivers open one of these files; without permission they report no device. */
static const char *const device_files[] = { "/dev/dri/renderD*", "/dev/kfd", "/dev/nvidiactl", "/dev/mali*", NULL };

CLKV_PRINTF(2, 3) static void add(clkv_reasons *out, const char *fmt, ...)
{
    if (out->n == sizeof out->lines / sizeof *out->lines) return;
    va_list args;
    va_start(args, fmt);
    vsnprintf(out->lines[out->n++], sizeof *out->lines, fmt, args);
    va_end(args);
}

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static int is_icd(const char *name)
{
    const size_t n = strlen(name);
    return n > 4 && !strcmp(name + n - 4, ".icd");
}

/* The loader finds drivers by the files *.icd of a folder, or by the one file that OCL_ICD_VENDORS names. Returns the
 * number of these files; `names` gets their names, cut to fit. */
static size_t registered(const char *place, char *names, size_t size)
{
    DIR *dir = opendir(place);
    size_t n = 0, at = 0;
    names[0] = 0;
    if (!dir) {
        snprintf(names, size, "%s", place);
        return is_icd(place) && access(place, R_OK) == 0;
    }
    for (const struct dirent *entry; (entry = readdir(dir));) {
        if (!is_icd(entry->d_name)) continue;
        if (at < size) at += (size_t)snprintf(names + at, size - at, "%s%s", n ? ", " : "", entry->d_name);
        n++;
    }
    closedir(dir);
    return n;
}

static void explain_no_platform(clkv_reasons *out)
{
    const char *set = environment("OCL_ICD_VENDORS"), *place = set ? set : "/etc/OpenCL/vendors";
    char names[100];
    if (registered(place, names, sizeof names))
        add(out, "no OpenCL device was found: there is no platform, since the drivers of %s do not load or find no "
                 "hardware", names);
    else
        add(out, "no OpenCL device was found: no driver is installed, since %.60s has no .icd file "
                 "(pocl-opencl-icd is a driver for CPUs)", place);
    if (set) add(out, "OCL_ICD_VENDORS is set to \"%.150s\": the loader looks for drivers there only", set);
}

/* pocl has no device when it cannot create its cache directory, and does not report the reason. */
static void explain_pocl(clkv_reasons *out)
{
    static const char *const names[] = { "POCL_CACHE_DIR", "XDG_CACHE_HOME", "HOME" };
    size_t i = 0;
    while (i < 3 && !environment(names[i])) i++;
    if (i < 3)
        add(out, "pocl has no device when it cannot write to its cache directory: is %s=%.80s writable? "
                 "POCL_CACHE_DIR names another", names[i], environment(names[i]));
    else
        add(out, "pocl has no device when it cannot write to its cache directory, and HOME is not set: "
                 "POCL_CACHE_DIR names another");
    if (environment("POCL_DEVICES")) add(out, "POCL_DEVICES is set to \"%.80s\"", environment("POCL_DEVICES"));
}

static void explain_rusticl(clkv_reasons *out)
{
    const char *set = environment("RUSTICL_ENABLE");
    if (set)
        add(out, "RUSTICL_ENABLE is set to \"%.80s\": none of these drivers has a device", set);
    else
        add(out, "rusticl has devices of the drivers that RUSTICL_ENABLE names only (radeonsi, iris, llvmpipe, ...), "
                 "and it is not set");
}

void clkv_explain_files(clkv_reasons *out, const char *const *patterns)
{
    for (; *patterns; patterns++) {
        glob_t found;
        if (glob(*patterns, GLOB_NOSORT, NULL, &found)) continue;
        for (size_t i = 0; i < found.gl_pathc; i++) {
            if (access(found.gl_pathv[i], R_OK | W_OK) == 0 || errno != EACCES) continue;
            add(out, "no permission to open %.80s: this user has to be in the group that owns it "
                     "(often render or video)", found.gl_pathv[i]);
            globfree(&found);
            return;
        }
        globfree(&found);
    }
}

void clkv_explain(clkv_reasons *out, const clkv_device_set *set)
{
    *out = (clkv_reasons){ 0 };
    if (set->platforms == 0) {
        explain_no_platform(out);
    } else {
        char without[128] = "", skipped[176] = "";
        if (*set->without) snprintf(without, sizeof without, ", without devices: %.100s", set->without);
        if (set->n_skipped)
            snprintf(skipped, sizeof skipped, "; %zu skipped, the last because: %.110s", set->n_skipped,
                     set->skipped.message);
        add(out, "no OpenCL device was found: %zu platform%s%s%s", set->platforms, set->platforms == 1 ? "" : "s",
            without, skipped);
    }
    if (strstr(set->without, "Portable Computing Language")) explain_pocl(out);
    if (strstr(set->without, "rusticl")) explain_rusticl(out);
    clkv_explain_files(out, device_files);
}
