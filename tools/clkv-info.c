/* clkv-info.c: what OpenCL offers on this machine and what clkv would make of it: platforms, devices, their
 * facts and limits, the quirks in force, the kernel variant and the cache directory.
 *
 *   info_machine.c   looks at the devices
 *   info_report.c    --report, with private.c, which takes out names
 *   info_compile.c   --compile, and how long that takes
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "exit.h"
#include "info_compile.h"
#include "info_report.h"
#include "json.h"
#include "options.h"
#include "os/arguments.h"
#include "os/interrupt.h"
#include "table.h"
#include "variant.h"

#include <clkv/clkv.h>

static struct {
    int json, report, compile;
    const char *device, *variant;
} given;

static const option_def table_of_options[] = {
    {"device", OPTION_TEXT, "WHICH", "only this one: an index, or a part of \"platform / device\" in any case",
     &given.device, .absent = "all"},
    {"variant", OPTION_TEXT, "NAME", "the kernels to use: cpu or portable", &given.variant,
     .choices = variant_names, .absent = "by capability"},
    {"json", OPTION_FLAG, NULL, "print a JSON object", &given.json},
    {"report", OPTION_FLAG, NULL,
     "print what a bug report needs, as Markdown: also the environment, tuning numbers, and how long the usual kernels "
     "take to compile. It does not name the user or the machine", &given.report},
    {"compile", OPTION_FLAG, NULL,
     "compile the usual kernels on one device, with the caches as they are, and print three numbers: seconds, programs "
     "compiled, programs read from clkv's cache. --report does this with empty caches", &given.compile},
};

static const option_set options = {
    "",
    "Lists the OpenCL devices of this machine as clkv sees them. The one marked with * is used by default.",
    table_of_options,
    sizeof table_of_options / sizeof *table_of_options,
    .epilogue = "CLKV_DEVICE, CLKV_VARIANT, CLKV_CACHE_DIR and CLKV_NO_CACHE are honoured.",
};

static cJSON *json_device(const info_device *s, uint32_t best)
{
    const clkv_device_info *d = &s->info;
    cJSON *o = cJSON_CreateObject();
    json_u64(o, "index", d->index);
    json_bool(o, "default", d->index == best);
    json_text(o, "platform", d->platform);
    json_text(o, "platform_version", d->platform_version);
    json_text(o, "name", d->name);
    json_text(o, "vendor", d->vendor);
    json_text(o, "kind", info_kind_name(d->kind));
    json_text(o, "driver_version", d->driver_version);
    json_u64(o, "opencl_version", d->version);
    json_text(o, "opencl_c_version", d->c_version);
    json_u64(o, "compute_units", d->compute_units);
    json_u64(o, "clock_mhz", d->clock_mhz);
    json_u64(o, "global_bytes", d->global_bytes);
    json_u64(o, "max_alloc_bytes", d->max_alloc_bytes);
    json_u64(o, "local_bytes", d->local_bytes);
    json_u64(o, "max_work_group", d->max_work_group);
    json_u64(o, "max_parameter_bytes", d->max_parameter_bytes);
    json_u64(o, "address_bits", d->address_bits);
    json_u64(o, "base_align_bytes", d->base_align_bytes);
    json_bool(o, "unified_memory", d->unified_memory);
    json_bool(o, "fp16", d->has_fp16);
    json_bool(o, "fp64", d->has_fp64);
    json_bool(o, "subgroups", d->has_subgroups);
    json_bool(o, "il", d->has_il);
    json_bool(o, "usable", s->device != NULL);
    if (!s->device) {
        json_text(o, "reason", s->why);
        return o;
    }
    json_text(o, "variant", d->variant);
    json_text(o, "cache_dir", d->cache_dir);
    if (*s->cache_problem) json_text(o, "cache_problem", s->cache_problem);
    else json_null(o, "cache_problem");
    cJSON *quirks = cJSON_CreateArray();
    const char *name, *reason, *link;
    for (size_t i = 0; clkv_device_get_quirk(s->device, i, &name, &reason, &link); i++) {
        cJSON *q = cJSON_CreateObject();
        json_text(q, "name", name);
        json_text(q, "reason", reason);
        json_text(q, "link", link);
        json_add(quirks, NULL, q);
    }
    json_add(o, "quirks", quirks);
    return o;
}

static int print_json(const info_machine *m)
{
    cJSON *root = cJSON_CreateObject(), *devices = cJSON_CreateArray(), *lines = cJSON_CreateArray();
    json_text(root, "clkv_version", clkv_version());
    for (size_t i = 0; i < m->n; i++) json_add(devices, NULL, json_device(&m->devices[i], m->best));
    for (size_t i = 0; i < m->notes.n; i++) json_text(lines, NULL, m->notes.lines[i]);
    json_add(root, "devices", devices);
    json_add(root, "notes", lines);
    if (*m->why) json_text(root, "reason", m->why);
    return json_print(root, &output_out);
}

static void pair_mib(table *t, const char *key, uint64_t bytes)
{
    table_pair(t, key, "%.1f MiB", (double)bytes / (1 << 20));
}

static int print_device(const info_device *s, uint32_t best)
{
    const clkv_device_info *d = &s->info;
    output_printf(&output_out, "\n%u%s  %s / %s\n", (unsigned)d->index, d->index == best ? " *" : "", d->platform,
                  d->name);
    table *t = table_create("ll", NULL);
    table_pair(t, "  kind", "%s, %s", info_kind_name(d->kind), d->vendor);
    table_pair(t, "  driver", "%s", d->driver_version);
    table_pair(t, "  platform", "%s", d->platform_version);
    table_pair(t, "  OpenCL", "%u.%u, %s", (unsigned)(d->version / 100), (unsigned)(d->version / 10 % 10),
               d->c_version);
    table_pair(t, "  compute units", "%u at %u MHz", (unsigned)d->compute_units, (unsigned)d->clock_mhz);
    pair_mib(t, "  memory", d->global_bytes);
    pair_mib(t, "  largest allocation", d->max_alloc_bytes);
    table_pair(t, "  local memory", "%.0f KiB", (double)d->local_bytes / 1024);
    table_pair(t, "  largest work-group", "%llu", (unsigned long long)d->max_work_group);
    table_pair(t, "  arguments", "%u bytes", (unsigned)d->max_parameter_bytes);
    table_pair(t, "  has", "%s%s%s%s%u-bit addresses, %u-byte alignment%s", d->has_fp16 ? "fp16, " : "",
               d->has_fp64 ? "fp64, " : "", d->has_subgroups ? "subgroups, " : "", d->has_il ? "IL, " : "",
               (unsigned)d->address_bits, (unsigned)d->base_align_bytes,
               d->unified_memory ? ", the host's memory" : "");
    if (!s->device) {
        table_pair(t, "  not usable", "%s", s->why);
        return table_print(t, &output_out);
    }
    table_pair(t, "  kernel variant", "%s", d->variant);
    table_pair(t, "  program cache", "%s", *d->cache_dir ? d->cache_dir : "none");
    if (*s->cache_problem) table_pair(t, "", "not used, every process compiles: %s", s->cache_problem);
    const char *name, *reason, *link;
    for (size_t i = 0; clkv_device_get_quirk(s->device, i, &name, &reason, &link); i++) {
        table_pair(t, "  quirk", "%s: %s", name, reason);
        table_pair(t, "", "%s", link);
    }
    return table_print(t, &output_out);
}

static int print_text(const info_machine *m)
{
    output_printf(&output_out, "clkv %s\n", clkv_version());
    int code = 0;
    for (size_t i = 0; !code && i < m->n; i++) code = print_device(&m->devices[i], m->best);
    if (!code && m->notes.n) {
        output_printf(&output_out, "\n");
        for (size_t i = 0; i < m->notes.n; i++) output_printf(&output_out, "%s\n", m->notes.lines[i]);
    }
    return code ? code : tool_flush(&output_out);
}

static int run(void)
{
    info_machine m;
    int code = info_machine_look(&m, given.device, given.variant), printed = 0;
    if (!code || code == EXIT_NO_DEVICE) {
        if (given.json) printed = print_json(&m);
        else if (given.report) printed = info_report_print(&m, given.variant);
        else if (!code) printed = print_text(&m);
    }
    if (!code) code = info_machine_code(&m);
    info_machine_free(&m);
    return printed ? printed : code;
}

int main(int argc, char **argv)
{
    int first;
    clkv_os_arguments(&argc, &argv);
    clkv_interrupt_begin();
    const int done = options_parse(&options, argc, argv, &first);
    if (done >= 0) return done;
    if (given.json + given.report + given.compile > 1)
        return tool_fail(EXIT_USAGE, "--json, --report and --compile: give one of them");
    const int code = given.compile ? info_compile(given.device, given.variant) : run();
    clkv_interrupt_end();
    return code;
}
