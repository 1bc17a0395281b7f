/* test_explain.c: what is said where there is no device, with sets made by hand: nothing here needs a driver.
 * SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L /* setenv, mkdtemp */
#include "../unit/support.h"

#include "core/error.h"
#include "device/choose.h"
#include "device/explain.h"

#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const variables[] = { "OCL_ICD_VENDORS", "POCL_CACHE_DIR", "POCL_DEVICES", "XDG_CACHE_HOME", "HOME",
                                         "RUSTICL_ENABLE" };

/* What clkv_devices_choose says of a set, with the variables "NAME=value", ended by NULL, and no others. */
static const char *message(const clkv_device_set *set, const char *const *environment)
{
    char *saved[sizeof variables / sizeof *variables];
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        const char *value = getenv(variables[i]);
        saved[i] = value ? strdup(value) : NULL;
        unsetenv(variables[i]);
        for (const char *const *e = environment; *e; e++) {
            const size_t n = strlen(variables[i]);
            if (!strncmp(*e, variables[i], n) && (*e)[n] == '=') setenv(variables[i], *e + n + 1, 1);
        }
    }
    size_t index = 99;
    ck_assert_int_eq(clkv_devices_choose(set, NULL, &index), CLKV_ERROR_NO_DEVICE);
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        if (saved[i]) setenv(variables[i], saved[i], 1);
        else unsetenv(variables[i]);
        free(saved[i]);
    }
    ck_assert_uint_eq(index, 99);
    const char *text = clkv_last_error()->message;
    ck_assert_msg(strstr(text, "no OpenCL device was found: ") == text && !strchr(text, '\n'), "%s", text);
    return text;
}

#define NOTHING_SET (const char *const[]){ NULL }
#define ENVIRONMENT(...) (const char *const[]){ __VA_ARGS__, NULL }

#define says(text, part) ck_assert_msg(strstr((text), (part)) != NULL, "not in it: %s: %s", (part), (text))
#define does_not_say(text, part) ck_assert_msg(!strstr((text), (part)), "in it: %s: %s", (part), (text))

START_TEST(platforms_without_devices)
{
    clkv_device_set set = { .platforms = 3 };
    strcpy(set.without, "Clover, rusticl, Portable Computing Language");
    const char *text = message(&set, ENVIRONMENT("HOME=/var/empty"));
    says(text, "3 platforms");
    says(text, set.without);
    says(text, "HOME=/var/empty");
    does_not_say(text, "skipped");
    says(message(&set, ENVIRONMENT("HOME=/h", "XDG_CACHE_HOME=/x")), "XDG_CACHE_HOME=/x");
    says(message(&set, ENVIRONMENT("HOME=/h", "POCL_CACHE_DIR=/p")), "POCL_CACHE_DIR=/p");
    says(message(&set, NOTHING_SET), "HOME is not set");

    set = (clkv_device_set){ .platforms = 1 };
    strcpy(set.without, "rusticl");
    text = message(&set, ENVIRONMENT("HOME=/h"));
    says(text, "1 platform,");
    says(text, "RUSTICL_ENABLE");
    says(text, "not set");
    does_not_say(text, "pocl");
    says(message(&set, ENVIRONMENT("RUSTICL_ENABLE=iris")), "\"iris\"");
}
END_TEST

START_TEST(skipped_devices)
{
    clkv_device_set set = { .platforms = 2, .n_skipped = 3 };
    clkv_error_set(CLKV_ERROR_UNSUPPORTED, 0, "clkv_device_list", "Widget 9 has no compiler");
    set.skipped = *clkv_last_error();
    const char *text = message(&set, ENVIRONMENT("HOME=/h"));
    says(text, "2 platforms; 3 skipped");
    says(text, "Widget 9 has no compiler");
    does_not_say(text, "without devices");
    /* Having none because a driver failed is that driver's failure. */
    size_t index = 99;
    clkv_error_set_driver(-6, "clGetDeviceIDs", "devices of Widgets");
    set.skipped = *clkv_last_error();
    ck_assert_int_eq(clkv_devices_choose(&set, NULL, &index), CLKV_ERROR_NO_MEMORY);
    says(clkv_last_error()->message, "devices of Widgets");
}
END_TEST

START_TEST(no_platforms)
{
    char folder[] = "/tmp/clkv-explain-XXXXXX", file[64], set_folder[64], set_file[80];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(set_folder, sizeof set_folder, "OCL_ICD_VENDORS=%s", folder);
    snprintf(file, sizeof file, "%s/widget.icd", folder);
    snprintf(set_file, sizeof set_file, "OCL_ICD_VENDORS=%s", file);
    const clkv_device_set none = { 0 };
    says(message(&none, ENVIRONMENT("OCL_ICD_VENDORS=/nonexistent")), "/nonexistent has no .icd file");
    const char *text = message(&none, ENVIRONMENT(set_folder));
    says(text, "no driver is installed");
    says(text, folder);

    FILE *f = fopen(file, "w");
    ck_assert_ptr_nonnull(f);
    fclose(f);
    text = message(&none, ENVIRONMENT(set_folder));
    says(text, "widget.icd");
    says(text, "OCL_ICD_VENDORS is set");
    does_not_say(text, "installed");
    says(message(&none, ENVIRONMENT(set_file)), "do not load");
    does_not_say(message(&none, NOTHING_SET), "OCL_ICD_VENDORS");
    ck_assert_int_eq(unlink(file), 0);
    ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

/* In a process of its own, since it gives its rights up. 0: as it should be. */
static int look_at_file(const char *const *patterns, size_t expected)
{
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        if (getuid() == 0 && setuid(65534)) _exit(9);
        clkv_reasons reasons = { 0 };
        clkv_explain_files(&reasons, patterns);
        _exit(reasons.n != expected || (expected && !strstr(reasons.lines[0], "no permission to open /tmp/clkv-")));
    }
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return status;
}

START_TEST(device_files)
{
    char folder[] = "/tmp/clkv-explain-XXXXXX", file[64], pattern[64];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chmod(folder, 0755), 0);
    snprintf(pattern, sizeof pattern, "%s/renderD*", folder);
    snprintf(file, sizeof file, "%s/renderD128", folder);
    const char *const patterns[] = { "/nonexistent/*", pattern, NULL };
    ck_assert_int_eq(look_at_file(patterns, 0), 0);
    FILE *f = fopen(file, "w");
    ck_assert_ptr_nonnull(f);
    fclose(f);
    ck_assert_int_eq(chmod(file, 0666), 0);
    ck_assert_int_eq(look_at_file(patterns, 0), 0);
    ck_assert_int_eq(chmod(file, 0), 0);
    ck_assert_int_eq(look_at_file(patterns, 1), 0);
    ck_assert_int_eq(unlink(file), 0);
    ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("explain");
    TCase *tests = tcase_create("explain");
    tcase_add_test(tests, platforms_without_devices);
    tcase_add_test(tests, skipped_devices);
    tcase_add_test(tests, no_platforms);
    tcase_add_test(tests, device_files);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
