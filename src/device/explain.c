/* explain.c: checks for the usual causes of having no device. SPDX-License-Identifier: Apache-2.0 */
#include "device/explain.h"

#include "core/error.h"
#include "os/drivers.h"
#include "os/environment.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

CLKV_PRINTF(2, 3) static void add(clkv_reasons *out, const char *fmt, ...)
{
    if (out->n == sizeof out->lines / sizeof *out->lines) return;
    va_list args;
    va_start(args, fmt);
    vsnprintf(out->lines[out->n++], sizeof *out->lines, fmt, args);
    va_end(args);
}

static void explain_no_platform(clkv_reasons *out)
{
    char set[160];
    clkv_drivers drivers;
    clkv_os_drivers(&drivers);
    if (!drivers.known)
        add(out, "no OpenCL device was found: there is no platform, since no driver is installed or none finds hardware");
    else if (drivers.n)
        add(out, "no OpenCL device was found: there is no platform, since the drivers of %s do not load or find no "
                 "hardware", drivers.names);
    else
        add(out, "no OpenCL device was found: no driver is installed, since %.60s has no .icd file "
                 "(pocl-opencl-icd is a driver for CPUs)", drivers.place);
    if (clkv_os_environment("OCL_ICD_VENDORS", set, sizeof set))
        add(out, "OCL_ICD_VENDORS is set to \"%.150s\": the loader looks for drivers there only", set);
}

/* pocl has no device when it cannot create its cache directory, and does not report the reason. */
static void explain_pocl(clkv_reasons *out)
{
    static const char *const names[] = { "POCL_CACHE_DIR", "XDG_CACHE_HOME", "HOME" };
    char value[96];
    size_t i = 0;
    while (i < 3 && !clkv_os_environment(names[i], value, sizeof value)) i++;
    if (i < 3)
        add(out, "pocl has no device when it cannot write to its cache directory: is %s=%.80s writable? "
                 "POCL_CACHE_DIR names another", names[i], value);
    else
        add(out, "pocl has no device when it cannot write to its cache directory, and HOME is not set: "
                 "POCL_CACHE_DIR names another");
    if (clkv_os_environment("POCL_DEVICES", value, sizeof value)) add(out, "POCL_DEVICES is set to \"%.80s\"", value);
}

static void explain_rusticl(clkv_reasons *out)
{
    char set[96];
    if (clkv_os_environment("RUSTICL_ENABLE", set, sizeof set))
        add(out, "RUSTICL_ENABLE is set to \"%.80s\": none of these drivers has a device", set);
    else
        add(out, "rusticl has devices of the drivers that RUSTICL_ENABLE names only (radeonsi, iris, llvmpipe, ...), "
                 "and it is not set");
}

void clkv_explain_files(clkv_reasons *out, const char *const *patterns)
{
    char path[96];
    if (clkv_os_forbidden_file(patterns, path, sizeof path))
        add(out, "no permission to open %.80s: this user has to be in the group that owns it "
                 "(often render or video)", path);
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
    clkv_explain_files(out, clkv_os_device_files);
}
