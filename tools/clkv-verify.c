/* clkv-verify: attention cases through append and attention on a device, compared with what the files expect.
 * SPDX-License-Identifier: Apache-2.0 */
#include "json.h"
#include "kv.h"
#include "options.h"
#include "os/arguments.h"
#include "os/interrupt.h"
#include "progress.h"
#include "table.h"
#include "variant.h"
#include "verify_run.h"

#include <clkv/clkv.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const status_names[] = {"pass", "fail", "unsupported", "error", "not run"};

static struct {
    int kv;
    uint32_t block_size;
    uint64_t seed;
    const char *variant, *device;
    int json;
} given = {.kv = KV_F32, .block_size = 16, .seed = 1};

static const option_def table_of_options[] = {
    {"kv", OPTION_CHOICE, NULL, KV_HELP, &given.kv, .choices = kv_names},
    {"block-size", OPTION_U32, "N", "tokens per block, a power of two up to 256", &given.block_size, .min = 1,
     .max = 256},
    {"variant", OPTION_TEXT, "NAME", "the kernels to use: cpu or portable", &given.variant,
     .choices = variant_names, .absent = "by capability"},
    {"seed", OPTION_U64, "N", "of the order of blocks and the sizes of batches", &given.seed},
    {"device", OPTION_TEXT, "WHICH", "an index or a part of a name, as clkv-info lists them", &given.device,
     .absent = "CLKV_DEVICE, else the best"},
    {"json", OPTION_FLAG, NULL, "print a JSON array, an object per file", &given.json},
};

static const option_set options = {
    "FILE...",
    "Runs attention cases (safetensors files) through a paged KV cache and compares with what they expect.\n"
    "Physical blocks are shuffled and every slot holds NaN until it is written.",
    table_of_options,
    sizeof table_of_options / sizeof *table_of_options,
    .min_operands = 1,
    .max_operands = -1,
    .epilogue = "max_rel is the largest |got - expected| / max(|expected|, atol). A file passes when every\n"
                "element has |got - expected| <= atol + rtol * |expected|, with the file's own tolerances.\n"
                "Malformed files do not keep the others from being done. SIGINT (Ctrl-C), SIGTERM or SIGHUP\n"
                "ends the run early: the files that are left are \"not run\".",
};

static void verify_file(const char *path, const verify_options *how, verify_result *result, progress *p)
{
    verify_case c;
    char error[SAFETENSORS_ERROR_BYTES];
    if (verify_case_load(&c, path, error)) {
        *result = (verify_result){.status = VERIFY_MALFORMED};
        memcpy(result->reason, error, sizeof error);
        progress_end(p);
        tool_fail(EXIT_USAGE, "%s", error);
    } else {
        verify_run(&c, how, result);
        if (result->status != VERIFY_PASS && result->status != VERIFY_NOT_RUN) {
            progress_end(p);
            tool_fail(EXIT_CHECK, "%s: %s: %s", path, status_names[result->status], result->reason);
        }
    }
    verify_case_free(&c);
}

/* After a signal the rest is left out. */
static void verify_files(char **paths, int n, const verify_options *how, verify_result *results)
{
    progress p = progress_begin();
    clkv_interrupt_catch();
    for (int i = 0; i < n; i++) {
        if (clkv_interrupt_seen()) {
            results[i] = (verify_result){.status = VERIFY_NOT_RUN};
            continue;
        }
        progress_update(&p, "%d of %d: %s", i + 1, n, paths[i]);
        verify_file(paths[i], how, &results[i], &p);
    }
    progress_end(&p);
}

static void tell_stopped(const verify_result *results, int n)
{
    int not_run = 0;
    for (int i = 0; i < n; i++) not_run += results[i].status == VERIFY_NOT_RUN;
    tool_note("stopped by %s: %d of %d files were not run", clkv_interrupt_name(clkv_interrupt_seen()), not_run, n);
}

static int print_json(char **paths, const verify_result *results, int n)
{
    cJSON *array = cJSON_CreateArray();
    for (int i = 0; i < n; i++) {
        const verify_result *r = &results[i];
        cJSON *o = cJSON_CreateObject();
        json_text(o, "file", paths[i]);
        json_real(o, "max_abs", r->compared ? r->max_abs : NAN);
        json_real(o, "max_rel", r->compared ? r->max_rel : NAN);
        json_real(o, "lse_max_abs", r->has_lse ? r->lse_max_abs : NAN);
        json_bool(o, "pass", r->status == VERIFY_PASS);
        json_text(o, "status", status_names[r->status]);
        if (*r->reason) json_text(o, "reason", r->reason);
        json_add(array, NULL, o);
    }
    return json_print(array, &output_out);
}

static int print_table(char **paths, const verify_result *results, int n)
{
    table *t = table_create("lrrrl", "file", "max_abs", "max_rel", "lse_max_abs", "status");
    for (int i = 0; i < n; i++) {
        const verify_result *r = &results[i];
        table_cell(t, "%s", paths[i]);
        if (r->compared)
            table_cell(t, "%.3g", r->max_abs);
        else
            table_cell(t, "-");
        if (r->compared)
            table_cell(t, "%.3g", r->max_rel);
        else
            table_cell(t, "-");
        if (r->has_lse)
            table_cell(t, "%.3g", r->lse_max_abs);
        else
            table_cell(t, "-");
        table_cell(t, "%s", status_names[r->status]);
    }
    return table_print(t, &output_out);
}

/* Malformed input outweighs a failed check: it says that less was checked than was asked for. */
static int exit_code(const verify_result *results, int n)
{
    int code = EXIT_GOOD;
    for (int i = 0; i < n; i++) {
        if (results[i].status == VERIFY_MALFORMED) return EXIT_USAGE;
        if (results[i].status != VERIFY_PASS) code = EXIT_CHECK;
    }
    return code;
}

int main(int argc, char **argv)
{
    int first;
    clkv_os_arguments(&argc, &argv);
    clkv_interrupt_begin();
    const int done = options_parse(&options, argc, argv, &first);
    if (done >= 0) return done;
    if (given.block_size & (given.block_size - 1))
        return tool_fail(EXIT_USAGE, "--block-size %u is not a power of two", given.block_size);

    const int n = argc - first;
    char **paths = argv + first;
    verify_options how = {
        .k_type = kv_k_type(given.kv), .v_type = kv_v_type(given.kv), .block_size = given.block_size, .seed = given.seed};
    const clkv_device_params params = {.size = sizeof params, .select = given.device, .variant = given.variant};
    const clkv_status status = clkv_device_open(&how.device, &params);
    if (status != CLKV_OK) return tool_fail_status(status, "opening the device");
    verify_result *results = calloc((size_t)n, sizeof *results);
    int code = EXIT_CHECK;
    if (!results) {
        tool_fail(code, "out of memory");
    } else {
        verify_files(paths, n, &how, results);
        code = given.json ? print_json(paths, results, n) : print_table(paths, results, n);
        if (!code) code = exit_code(results, n);
        if (clkv_interrupt_seen()) tell_stopped(results, n);
    }
    free(results);
    clkv_device_close(&how.device);
    clkv_interrupt_end();
    return code;
}
