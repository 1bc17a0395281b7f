/* info_report.c: see info_report.h. SPDX-License-Identifier: Apache-2.0 */
#include "info_report.h"

#include "exit.h"
#include "info_compile.h"
#include "os/content.h"
#include "os/drivers.h"
#include "os/environment.h"
#include "os/interrupt.h"
#include "os/machine.h"
#include "os/system.h"
#include "os/thread.h"
#include "private.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { VALUE_BYTES = 1024 };

/* What changes how clkv, the loader and the drivers find devices, compile, and keep binaries. */
static const char *const variables[] = {
    "CLKV_DEVICE", "CLKV_VARIANT", "CLKV_CPU_TILES", "CLKV_CPU_FETCH", "CLKV_QUIRKS", "CLKV_CACHE_DIR",
    "CLKV_NO_CACHE", "CLKV_COMPILE_THREADS",
    "XDG_CACHE_HOME", "OCL_ICD_VENDORS", "OCL_ICD_FILENAMES", "OPENCL_LAYERS", "POCL_DEVICES", "POCL_CACHE_DIR",
    "POCL_MEMORY_LIMIT", "POCL_MAX_WORK_GROUP_SIZE", "POCL_WORK_GROUP_METHOD", "RUSTICL_ENABLE",
    "RUSTICL_DEVICE_TYPE", "CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HSA_OVERRIDE_GFX_VERSION",
};

static private_names names;

/* Characters that Markdown would not print as they are get a backslash. */
static void put_escaped(const char *text)
{
    for (; *text; text++) {
        if (strchr("\\`*<>|[]", *text)) output_text(&output_out, "\\");
        output_bytes(&output_out, *text == '\n' ? " " : text, 1);
    }
}

static void put_hidden(const char *text)
{
    char hidden[VALUE_BYTES];
    put_escaped(private_names_hide(&names, text, hidden, sizeof hidden));
}

static void begin_table(const char *what)
{
    output_printf(&output_out, "\n| %s | |\n| --- | --- |\n", what);
}

TOOLS_PRINTF(2, 3) static void row(const char *key, const char *fmt, ...)
{
    char text[VALUE_BYTES];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    output_printf(&output_out, "| %s | ", key);
    put_escaped(text);
    output_text(&output_out, " |\n");
}

/* A row whose value may name the user. */
static void hidden_row(const char *key, const char *value)
{
    output_printf(&output_out, "| %s | ", key);
    put_hidden(value);
    output_text(&output_out, " |\n");
}

static double mib(uint64_t bytes)
{
    return (double)bytes / (1 << 20);
}

static void print_system(void)
{
    char system[256];
    clkv_drivers drivers;
    const uint64_t available = clkv_machine_available();
    clkv_os_system(system, sizeof system);
    clkv_os_drivers(&drivers);
    begin_table("system");
    row("clkv", "%s, ABI %d", clkv_version(), CLKV_ABI_VERSION);
    row("runs on", "%s", system);
    row("processors", "%u; vector registers of %u floats, caches of %u and %u KiB (0 = not known)",
        (unsigned)clkv_os_processors(), (unsigned)clkv_machine_vector_floats(),
        (unsigned)clkv_machine_cache_bytes(1) / 1024, (unsigned)clkv_machine_cache_bytes(2) / 1024);
    if (available != UINT64_MAX) row("memory available", "%.0f MiB", mib(available));
    if (drivers.known) {
        char text[VALUE_BYTES];
        const int listed = drivers.n && strcmp(drivers.names, drivers.place); /* the place may be one driver's file */
        snprintf(text, sizeof text, "%zu in %s%s%s", drivers.n, drivers.place, listed ? ": " : "",
                 listed ? drivers.names : "");
        hidden_row("registered drivers", text);
    }
}

static void print_environment(void)
{
    char value[VALUE_BYTES];
    begin_table("environment");
    size_t set = 0;
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        if (!clkv_os_environment(variables[i], value, sizeof value)) continue;
        char key[64];
        snprintf(key, sizeof key, "`%s`", variables[i]);
        hidden_row(key, value);
        set++;
    }
    if (!set) row("", "none of the variables is set that clkv, the OpenCL loader and the drivers are known to read");
}

static void print_cache(const info_device *d)
{
    uint64_t files, bytes;
    char text[VALUE_BYTES];
    const char *folder = d->info.cache_dir;
    if (!*folder) {
        row("program cache", "none");
        return;
    }
    if (*d->cache_problem) snprintf(text, sizeof text, "%s: not used: %s", folder, d->cache_problem);
    else if (clkv_os_content(folder, &files, &bytes)) snprintf(text, sizeof text, "%s: not made yet", folder);
    else snprintf(text, sizeof text, "%s: %llu files, %.1f MiB", folder, (unsigned long long)files, mib(bytes));
    hidden_row("program cache", text);
}

static void print_tuning(const info_device *d)
{
    char text[VALUE_BYTES] = "";
    const char *name;
    uint64_t value;
    size_t at = 0;
    for (size_t i = 0; at < sizeof text && clkv_device_get_tuning(d->device, i, &name, &value); i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s %llu", i ? ", " : "", name,
                               (unsigned long long)value);
    row("tuning", "%s", text);
}

static void print_quirks(const info_device *d)
{
    const char *name, *reason, *link;
    size_t n = 0;
    for (; clkv_device_get_quirk(d->device, n, &name, &reason, &link); n++) row("quirk", "%s: %s", name, reason);
    if (!n) row("quirk", "none");
}

/* Compiles, which may take long. What went wrong follows the table. */
static void print_compile_times(const info_device *d, const char *variant)
{
    info_compile_times times;
    info_compile_measure(&times, d->info.index, variant);
    if (times.done) {
        row("usual kernels", "%.2f s to compile %llu programs without any binaries", times.cold.seconds,
            (unsigned long long)times.cold.built);
        row("… a second time", "%.2f s: %llu compiled, %llu read from clkv's cache", times.warm.seconds,
            (unsigned long long)times.warm.built, (unsigned long long)times.warm.from_disk);
        return;
    }
    row("usual kernels", "not compiled, see below");
    char hidden[INFO_COMPILE_WHY];
    private_names_hide(&names, times.why, hidden, sizeof hidden);
    output_printf(&output_out, "\n````\n%s%s````\n", hidden,
                  *hidden && hidden[strlen(hidden) - 1] == '\n' ? "" : "\n");
}

static void print_device(const info_device *s, const info_machine *m, const char *variant)
{
    const clkv_device_info *d = &s->info;
    char title[VALUE_BYTES];
    snprintf(title, sizeof title, "device %u%s", (unsigned)d->index, d->index == m->best ? ", the default" : "");
    begin_table(title);
    row("platform", "%s, %s", d->platform, d->platform_version);
    row("name", "%s", d->name);
    row("kind", "%s, %s", info_kind_name(d->kind), d->vendor);
    row("driver", "%s", d->driver_version);
    row("OpenCL", "%u.%u, %s", (unsigned)(d->version / 100), (unsigned)(d->version / 10 % 10), d->c_version);
    row("compute units", "%u at %u MHz", (unsigned)d->compute_units, (unsigned)d->clock_mhz);
    row("memory", "%.0f MiB, one allocation %.0f MiB, local %.0f KiB%s", mib(d->global_bytes), mib(d->max_alloc_bytes),
        (double)d->local_bytes / 1024, d->unified_memory ? ", the host's memory" : "");
    row("limits", "work-group %llu, arguments %u bytes, %u-bit addresses, %u-byte alignment",
        (unsigned long long)d->max_work_group, (unsigned)d->max_parameter_bytes, (unsigned)d->address_bits,
        (unsigned)d->base_align_bytes);
    row("has", "%s%s%s%s", d->has_fp16 ? "fp16 " : "", d->has_fp64 ? "fp64 " : "", d->has_subgroups ? "subgroups " : "",
        d->has_il ? "IL" : "");
    if (!s->device) {
        hidden_row("not usable", s->why);
        return;
    }
    row("kernel variant", "%s", d->variant);
    print_tuning(s);
    print_quirks(s);
    print_cache(s);
    print_compile_times(s, variant);
}

static void print_notes(const info_machine *m)
{
    if (!m->notes.n) return;
    output_text(&output_out, "\nWhat the library said:\n\n");
    for (size_t i = 0; i < m->notes.n; i++) {
        output_text(&output_out, "- ");
        put_hidden(m->notes.lines[i]);
        output_text(&output_out, "\n");
    }
}

int info_report_print(const info_machine *m, const char *variant)
{
    private_names_find(&names);
    output_text(&output_out, "### Report of clkv-info\n");
    print_system();
    print_environment();
    clkv_interrupt_catch();
    for (size_t i = 0; i < m->n; i++) print_device(&m->devices[i], m, variant);
    clkv_interrupt_release();
    if (!m->n) {
        output_text(&output_out, "\n**No device.** ");
        put_hidden(m->why);
        output_text(&output_out, "\n");
    }
    print_notes(m);
    return tool_flush(&output_out);
}
