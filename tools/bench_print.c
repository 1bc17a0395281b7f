/* bench_print.c: see bench.h. SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"

#include "exit.h"
#include "os/interrupt.h"
#include "table.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

double bench_median(double *samples, size_t n)
{
    qsort(samples, n, sizeof *samples, by_value);
    return samples[(n - 1) / 2];
}

void bench_add_device(cJSON *to, const clkv_device *device)
{
    clkv_device_info info = {.size = sizeof info};
    if (clkv_device_get_info(device, &info) != CLKV_OK) return;
    json_text(to, "device", info.name);
    json_text(to, "platform", info.platform_version);
    json_text(to, "driver", info.driver_version);
    json_text(to, "variant", info.variant);
}

/* json.h makes raw JSON of texts and of whole numbers. */
static bool is_text(const cJSON *value)
{
    return cJSON_IsRaw(value) && *value->valuestring == '"';
}

/* A number as people like it: whole ones in full, others with four digits. A text without quotes. */
static void cell(table *t, const cJSON *value)
{
    char *text = NULL;
    if (is_text(value)) {
        cJSON *plain = cJSON_Parse(value->valuestring);
        table_cell(t, "%s", plain ? plain->valuestring : "");
        cJSON_Delete(plain);
    } else if (cJSON_IsRaw(value)) {
        table_cell(t, "%s", value->valuestring);
    } else if (cJSON_IsNumber(value)) {
        const double x = value->valuedouble;
        if (x == floor(x) && fabs(x) < 1e15)
            table_cell(t, "%.0f", x);
        else if (fabs(x) >= 1000)
            table_cell(t, "%.0f", x);
        else
            table_cell(t, "%.4g", x);
    } else {
        text = cJSON_PrintUnformatted(value);
        table_cell(t, "%s", text && strcmp(text, "null") ? text : "-");
    }
    cJSON_free(text);
}

static int print_rows(const cJSON *rows)
{
    const cJSON *row, *value;
    table *t = NULL;
    cJSON_ArrayForEach(row, rows)
    {
        if (!t) {
            char columns[33];
            int n = 0;
            cJSON_ArrayForEach(value, row) if (n < 32) columns[n++] = is_text(value) ? 'l' : 'r';
            columns[n] = 0;
            t = table_create(columns, (const char *)NULL);
            cJSON_ArrayForEach(value, row) table_cell(t, "%s", value->string);
        }
        cJSON_ArrayForEach(value, row) cell(t, value);
    }
    return t ? table_print(t, &output_out) : EXIT_GOOD;
}

static int print_object(const cJSON *object)
{
    const cJSON *value;
    table *t = table_create("ll", (const char *)NULL);
    cJSON_ArrayForEach(value, object)
    {
        if (cJSON_IsArray(value)) continue;
        table_cell(t, "%s", value->string);
        cell(t, value);
    }
    int code = table_print(t, &output_out);
    cJSON_ArrayForEach(value, object)
    {
        if (code || !cJSON_IsArray(value)) continue;
        output_printf(&output_out, "\n%s\n", value->string);
        code = print_rows(value);
    }
    return code;
}

int bench_print(cJSON *root, int json)
{
    const int signal = clkv_interrupt_seen();
    int code;
    if (json) {
        json_bool(root, "finished", !signal);
        code = json_print(root, &output_out);
    } else {
        if (signal) json_text(root, "finished", "no");
        code = print_object(root);
        cJSON_Delete(root);
        if (!code) code = tool_flush(&output_out);
    }
    if (signal) tool_note("stopped by %s: the figures are those of what was measured until then",
                          clkv_interrupt_name(signal));
    return code;
}

int bench_nothing(void)
{
    return tool_fail(EXIT_CHECK, "stopped by %s before anything was measured",
                     clkv_interrupt_name(clkv_interrupt_seen()));
}
