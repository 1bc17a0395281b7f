/* clkv-info.c: what OpenCL offers on this machine and what clkv would make of it: platforms, devices, their
 * facts and limits, the quirks in force, the kernel variant and the cache directory.
 * SPDX-License-Identifier: Apache-2.0 */
#include "exit.h"
#include "json.h"
#include "options.h"
#include "os/arguments.h"
#include "table.h"
#include "variant.h"

#include <clkv/clkv.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    int json;
    const char *device, *variant;
} given;

static const option_def table_of_options[] = {
    {"device", OPTION_TEXT, "WHICH", "only this one: an index, or a part of \"platform / device\" in any case",
     &given.device, .absent = "all"},
    {"variant", OPTION_TEXT, "NAME", "the kernels to use: cpu or portable", &given.variant,
     .choices = variant_names, .absent = "by capability"},
    {"json", OPTION_FLAG, NULL, "print a JSON object", &given.json},
};

static const option_set options = {
    "",
    "Lists the OpenCL devices of this machine as clkv sees them. The one marked with * is used by default.",
    table_of_options,
    sizeof table_of_options / sizeof *table_of_options,
    .epilogue = "CLKV_DEVICE, CLKV_VARIANT, CLKV_CACHE_DIR and CLKV_NO_CACHE are honoured.",
};

/* What the library said: while it looked for devices everything (platforms and devices that it left out, and why), else
 * warnings. */
typedef struct notes {
    char *lines[64];
    size_t n;
    bool open; /* it is looking for devices */
} notes;

static void keep_line(void *user, clkv_log_level level, const char *line)
{
    notes *kept = user;
    if (!kept->open && level > CLKV_LOG_WARNING) return;
    for (size_t i = 0; i < kept->n; i++)
        if (!strcmp(kept->lines[i], line)) return; /* of a device that is opened twice */
    if (kept->n == sizeof kept->lines / sizeof *kept->lines) return;
    char *copy = strdup(line);
    if (copy) kept->lines[kept->n++] = copy;
}

/* A device as it is opened: its facts with variant and cache directory, and its quirks. */
typedef struct seen {
    clkv_device *device; /* NULL: it does not open */
    clkv_device_info info;
    char why[320]; /* it does not */
    char cache_problem[160]; /* "" = none */
} seen;

typedef struct machine {
    seen *devices;
    size_t n;
    uint32_t best; /* its index */
    notes notes;
} machine;

static void machine_free(machine *m)
{
    for (size_t i = 0; i < m->n; i++) clkv_device_close(&m->devices[i].device);
    for (size_t i = 0; i < m->notes.n; i++) free(m->notes.lines[i]);
    free(m->devices);
}

/* Opens the device of an index (select is NULL), or the one that fits. */
static clkv_status see(seen *out, uint32_t index, const char *select)
{
    char number[16];
    snprintf(number, sizeof number, "%u", (unsigned)index);
    const clkv_device_params params = {
        .size = sizeof params, .select = select ? select : number, .variant = given.variant};
    const clkv_status status = clkv_device_open(&out->device, &params);
    if (status != CLKV_OK) {
        snprintf(out->why, sizeof out->why, "%s: %s", clkv_status_text(status), clkv_last_error()->message);
        return status;
    }
    out->info.size = sizeof out->info;
    clkv_device_get_cache_problem(out->device, out->cache_problem, sizeof out->cache_problem);
    return clkv_device_get_info(out->device, &out->info);
}

/* Which device is taken when none is named: CLKV_DEVICE's, or the best. */
static clkv_status find_default(machine *m)
{
    clkv_device *device = NULL;
    clkv_device_info info = {.size = sizeof info};
    const clkv_device_params params = {.size = sizeof params, .variant = given.variant};
    clkv_status status = clkv_device_open(&device, &params);
    if (status == CLKV_OK) status = clkv_device_get_info(device, &info);
    m->best = status == CLKV_OK ? info.index : UINT32_MAX;
    clkv_device_close(&device);
    return status;
}

/* 0, or after a message what to exit with. */
static int look(machine *m)
{
    size_t found = 0;
    m->notes.open = true;
    clkv_status status = clkv_device_list(NULL, 0, &found);
    m->notes.open = false;
    if (status != CLKV_OK) return tool_fail_status(status, "looking for devices");
    if (found == 0) {
        for (size_t i = 0; i < m->notes.n; i++) tool_note("%s", m->notes.lines[i]);
        return tool_fail(EXIT_NO_DEVICE, "no OpenCL device: the lines above say why");
    }
    m->devices = calloc(found, sizeof *m->devices);
    clkv_device_info *infos = calloc(found, sizeof *infos);
    if (!m->devices || !infos) {
        free(infos);
        return tool_fail(EXIT_CHECK, "out of memory");
    }
    size_t now = 0;
    infos->size = sizeof *infos;
    status = clkv_device_list(infos, found, &now);
    if (status == CLKV_OK) status = find_default(m);
    /* A variable that names no device or no variant is the caller's error; a device that does not open is not. */
    if (status == CLKV_ERROR_INVALID || (status == CLKV_ERROR_NO_DEVICE && !given.device)) {
        free(infos);
        return tool_fail_status(status, "choosing a device");
    }
    if (given.device) {
        m->n = 1;
        status = see(&m->devices[0], 0, given.device);
        free(infos);
        return status == CLKV_OK ? 0 : tool_fail_status(status, "device \"%s\"", given.device);
    }
    for (; m->n < found && m->n < now; m->n++) {
        m->devices[m->n].info = infos[m->n];
        see(&m->devices[m->n], (uint32_t)m->n, NULL);
    }
    free(infos);
    return 0;
}

static const char *kind_name(clkv_device_kind kind)
{
    switch (kind) {
    case CLKV_DEVICE_GPU_DISCRETE: return "discrete GPU";
    case CLKV_DEVICE_GPU_INTEGRATED: return "integrated GPU";
    case CLKV_DEVICE_ACCELERATOR: return "accelerator";
    case CLKV_DEVICE_CPU: return "CPU";
    }
    return "unknown";
}

static cJSON *json_device(const seen *s, uint32_t best)
{
    const clkv_device_info *d = &s->info;
    cJSON *o = cJSON_CreateObject();
    json_u64(o, "index", d->index);
    json_bool(o, "default", d->index == best);
    json_text(o, "platform", d->platform);
    json_text(o, "platform_version", d->platform_version);
    json_text(o, "name", d->name);
    json_text(o, "vendor", d->vendor);
    json_text(o, "kind", kind_name(d->kind));
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

static int print_json(const machine *m)
{
    cJSON *root = cJSON_CreateObject(), *devices = cJSON_CreateArray(), *lines = cJSON_CreateArray();
    json_text(root, "clkv_version", clkv_version());
    for (size_t i = 0; i < m->n; i++) json_add(devices, NULL, json_device(&m->devices[i], m->best));
    for (size_t i = 0; i < m->notes.n; i++) json_text(lines, NULL, m->notes.lines[i]);
    json_add(root, "devices", devices);
    json_add(root, "notes", lines);
    return json_print(root, &output_out);
}

static void pair_mib(table *t, const char *key, uint64_t bytes)
{
    table_pair(t, key, "%.1f MiB", (double)bytes / (1 << 20));
}

static int print_device(const seen *s, uint32_t best)
{
    const clkv_device_info *d = &s->info;
    output_printf(&output_out, "\n%u%s  %s / %s\n", (unsigned)d->index, d->index == best ? " *" : "", d->platform,
                  d->name);
    table *t = table_create("ll", NULL);
    table_pair(t, "  kind", "%s, %s", kind_name(d->kind), d->vendor);
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

static int print_text(const machine *m)
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

int main(int argc, char **argv)
{
    int first;
    clkv_os_arguments(&argc, &argv);
    const int done = options_parse(&options, argc, argv, &first);
    if (done >= 0) return done;
    machine m = {0};
    clkv_set_log(keep_line, &m.notes, CLKV_LOG_INFO);
    int code = look(&m);
    clkv_set_log(NULL, NULL, CLKV_LOG_ERROR);
    if (!code) code = given.json ? print_json(&m) : print_text(&m);
    if (!code) {
        code = EXIT_NO_DEVICE;
        for (size_t i = 0; i < m.n; i++)
            if (m.devices[i].device) code = EXIT_GOOD;
    }
    machine_free(&m);
    return code;
}
