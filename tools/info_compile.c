/* info_compile.c: see info_compile.h. SPDX-License-Identifier: Apache-2.0 */
#include "info_compile.h"

#include "clock.h"
#include "compiling.h"
#include "exit.h"
#include "os/child.h"
#include "os/interrupt.h"
#include "os/scratch.h"

#include <clkv/clkv.h>

#include <stdio.h>
#include <string.h>

enum { PATH_BYTES = 1024 };

static void print_line(void *user, clkv_log_level level, const char *line)
{
    (void)user, (void)level;
    output_printf(&output_out, "%s\n", line);
}

static clkv_status compile(clkv_device *device, double *seconds)
{
    const clkv_cache_params params = {
        .size = sizeof params,
        .layers = 1,
        .heads = 32,
        .kv_heads = 8,
        .head_dim = 128,
        .blocks = 16,
        .compile = CLKV_COMPILE_LATER,
    };
    clkv_cache *cache = NULL;
    clkv_status status = clkv_cache_create(&cache, device, &params);
    const double start = clock_seconds();
    if (status == CLKV_OK) status = compile_kernels(cache, 0);
    *seconds = clock_seconds() - start;
    clkv_cache_destroy(&cache);
    return status;
}

int info_compile(const char *device, const char *variant)
{
    clkv_device *opened = NULL;
    const clkv_device_params params = {.size = sizeof params, .select = device, .variant = variant};
    double seconds = 0;
    uint64_t built = 0, from_disk = 0;
    int code = EXIT_GOOD;
    clkv_set_log(print_line, NULL, CLKV_LOG_WARNING);
    clkv_status status = clkv_device_open(&opened, &params);
    if (status == CLKV_OK) status = compile(opened, &seconds);
    clkv_device_get_program_counts(opened, &built, &from_disk);
    clkv_set_log(NULL, NULL, CLKV_LOG_ERROR);
    if (status != CLKV_OK) {
        output_printf(&output_out, "%s: %s\n", clkv_status_text(status), clkv_last_error()->message);
        code = tool_fail_status(status, "compiling the usual kernels");
    } else {
        output_printf(&output_out, "%.3f %llu %llu\n", seconds, (unsigned long long)built,
                      (unsigned long long)from_disk);
    }
    clkv_device_close(&opened);
    return code ? code : tool_flush(&output_out);
}

/* A new folder in `base` that becomes what the variables name. */
static int fresh_folder(const char *base, const char *name, const char *const *variables, char *why, size_t room)
{
    char path[PATH_BYTES], reason[CLKV_OS_WHY] = "its name is too long for the environment";
    snprintf(path, sizeof path, "%s/%s", base, name);
    int bad = clkv_scratch_make(path, sizeof path, reason);
    for (; !bad && *variables; variables++) bad = clkv_child_environment(*variables, path);
    if (bad) snprintf(why, room, "cannot make a folder in %s: %s", base, reason);
    return bad ? -1 : 0;
}

/* The drivers' own folders of binaries: pocl's, Mesa's, NVIDIA's and Intel's. */
static const char *const driver_caches[] = {"POCL_CACHE_DIR", "MESA_SHADER_CACHE_DIR", "CUDA_CACHE_PATH",
                                            "NEO_CACHE_DIR", NULL};
static const char *const own_cache[] = {"CLKV_CACHE_DIR", NULL};

static int run_child(info_compile_time *out, uint32_t index, const char *variant, char *why, size_t room)
{
    static char program[] = "clkv-info", compile_flag[] = "--compile", device_flag[] = "--device",
                variant_flag[] = "--variant";
    char number[16], name[64], printed[INFO_COMPILE_WHY - 64], reason[CLKV_OS_WHY];
    unsigned long long built, from_disk;
    int code = 0;
    snprintf(number, sizeof number, "%u", (unsigned)index);
    snprintf(name, sizeof name, "%s", variant ? variant : "");
    char *argv[] = {program, compile_flag, device_flag, number, variant ? variant_flag : NULL, name, NULL};
    if (clkv_child_run(argv, printed, sizeof printed, &code, reason)) {
        snprintf(why, room, "%s", reason);
    } else if (!code && sscanf(printed, "%lf %llu %llu", &out->seconds, &built, &from_disk) == 3) {
        out->built = built;
        out->from_disk = from_disk;
        return 0;
    } else {
        snprintf(why, room, "exit status %d\n%s", code, printed);
    }
    if (clkv_interrupt_seen()) snprintf(why, room, "stopped by %s", clkv_interrupt_name(clkv_interrupt_seen()));
    return -1;
}

void info_compile_measure(info_compile_times *out, uint32_t index, const char *variant)
{
    char base[PATH_BYTES / 2], reason[CLKV_OS_WHY];
    char *why = out->why;
    const size_t room = sizeof out->why;
    *out = (info_compile_times){.done = false};
    if (clkv_interrupt_seen()) {
        snprintf(why, room, "stopped by %s", clkv_interrupt_name(clkv_interrupt_seen()));
        return;
    }
    const size_t n = clkv_scratch_home(base, sizeof base);
    if (n + 16 < sizeof base) strcat(base, "/clkv-info");
    if (n + 16 >= sizeof base || clkv_scratch_make(base, sizeof base, reason)) {
        snprintf(why, room, "cannot make a folder for temporary files%s%s", n + 16 < sizeof base ? ": " : "",
                 n + 16 < sizeof base ? reason : "");
        return;
    }
    clkv_child_environment("CLKV_NO_CACHE", "0");
    out->done = !fresh_folder(base, "clkv", own_cache, why, room) &&
                !fresh_folder(base, "driver", driver_caches, why, room) &&
                !run_child(&out->cold, index, variant, why, room) &&
                !fresh_folder(base, "driver", driver_caches, why, room) &&
                !run_child(&out->warm, index, variant, why, room);
    clkv_scratch_remove(base);
}
