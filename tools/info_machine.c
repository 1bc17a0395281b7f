/* info_machine.c: see info_machine.h. SPDX-License-Identifier: Apache-2.0 */
#include "info_machine.h"

#include "exit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void keep_line(void *user, clkv_log_level level, const char *line)
{
    info_notes *kept = user;
    if (!kept->open && level > CLKV_LOG_WARNING) return;
    for (size_t i = 0; i < kept->n; i++)
        if (!strcmp(kept->lines[i], line)) return; /* of a device that is opened twice */
    if (kept->n == sizeof kept->lines / sizeof *kept->lines) return;
    char *copy = strdup(line);
    if (copy) kept->lines[kept->n++] = copy;
}

void info_machine_free(info_machine *m)
{
    for (size_t i = 0; i < m->n; i++) clkv_device_close(&m->devices[i].device);
    for (size_t i = 0; i < m->notes.n; i++) free(m->notes.lines[i]);
    free(m->devices);
}

/* Opens the device of an index (select is NULL), or the one that fits. */
static clkv_status see(info_device *out, uint32_t index, const char *select, const char *variant)
{
    char number[16];
    snprintf(number, sizeof number, "%u", (unsigned)index);
    const clkv_device_params params = {
        .size = sizeof params, .select = select ? select : number, .variant = variant};
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
static clkv_status find_default(info_machine *m, const char *variant)
{
    clkv_device *device = NULL;
    clkv_device_info info = {.size = sizeof info};
    const clkv_device_params params = {.size = sizeof params, .variant = variant};
    clkv_status status = clkv_device_open(&device, &params);
    if (status == CLKV_OK) status = clkv_device_get_info(device, &info);
    m->best = status == CLKV_OK ? info.index : UINT32_MAX;
    clkv_device_close(&device);
    return status;
}

static int fail(info_machine *m, clkv_status status, const char *doing)
{
    snprintf(m->why, sizeof m->why, "%s: %s", clkv_status_text(status), clkv_last_error()->message);
    return tool_fail_status(status, "%s", doing);
}

static int look(info_machine *m, const char *select, const char *variant)
{
    char doing[TOOL_SHOWN_BYTES + 16], shown[TOOL_SHOWN_BYTES];
    size_t found = 0, now = 0;
    m->notes.open = true;
    clkv_status status = clkv_device_list(NULL, 0, &found);
    m->notes.open = false;
    if (status != CLKV_OK) return fail(m, status, "looking for devices");
    if (found == 0) {
        for (size_t i = 0; i < m->notes.n; i++) tool_note("%s", m->notes.lines[i]);
        snprintf(m->why, sizeof m->why, "no OpenCL device: the notes say why");
        return tool_fail(EXIT_NO_DEVICE, "no OpenCL device: the lines above say why");
    }
    m->devices = calloc(found, sizeof *m->devices);
    clkv_device_info *infos = calloc(found, sizeof *infos);
    if (!m->devices || !infos) {
        free(infos);
        return tool_fail(EXIT_CHECK, "out of memory");
    }
    infos->size = sizeof *infos;
    status = clkv_device_list(infos, found, &now);
    if (status == CLKV_OK) status = find_default(m, variant);
    int code = 0;
    /* A variable that names no device or no variant is the caller's error; a device that does not open is not. */
    if (status == CLKV_ERROR_INVALID || (status == CLKV_ERROR_NO_DEVICE && !select)) {
        code = fail(m, status, "choosing a device");
    } else if (select) {
        status = see(&m->devices[0], 0, select, variant);
        snprintf(doing, sizeof doing, "device \"%s\"", tool_shown(select, strlen(select), shown));
        if (status == CLKV_OK) m->n = 1;
        else code = fail(m, status, doing);
    } else {
        for (; m->n < found && m->n < now; m->n++) {
            m->devices[m->n].info = infos[m->n];
            see(&m->devices[m->n], (uint32_t)m->n, NULL, variant);
        }
    }
    free(infos);
    return code;
}

int info_machine_look(info_machine *m, const char *select, const char *variant)
{
    *m = (info_machine){0};
    clkv_set_log(keep_line, &m->notes, CLKV_LOG_INFO);
    const int code = look(m, select, variant);
    clkv_set_log(NULL, NULL, CLKV_LOG_ERROR);
    return code;
}

int info_machine_code(const info_machine *m)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->devices[i].device) return EXIT_GOOD;
    return EXIT_NO_DEVICE;
}

const char *info_kind_name(clkv_device_kind kind)
{
    switch (kind) {
    case CLKV_DEVICE_GPU_DISCRETE: return "discrete GPU";
    case CLKV_DEVICE_GPU_INTEGRATED: return "integrated GPU";
    case CLKV_DEVICE_ACCELERATOR: return "accelerator";
    case CLKV_DEVICE_CPU: return "CPU";
    }
    return "unknown";
}
