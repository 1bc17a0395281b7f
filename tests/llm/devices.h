/* devices.h: what the tests that need a device begin and end with. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TESTS_LLM_DEVICES_H
#define CLKV_TESTS_LLM_DEVICES_H

#include <clkv/clkv.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

/* −1: there is a device; else the status to exit with. */
static inline int without_device(void)
{
    size_t devices = 0;
    if (clkv_device_list(NULL, 0, &devices) == CLKV_OK && devices > 0) return -1;
    printf("no OpenCL device: skipped\n");
    return getenv("CLKV_TEST_NEED_DEVICE") ? 1 : 77;
}

/* Without a fork (pocl's threads do not survive one), nor a limit of time. */
static inline int run_on_device(const char *name, TCase *tests)
{
    tcase_set_timeout(tests, 0);
    Suite *suite = suite_create(name);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}

#endif
