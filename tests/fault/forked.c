/* forked.c: see forked.h. SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L /* fork, alarm */
#include "forked.h"

#include <clkv/memory.h>

#include <sys/wait.h>
#include <unistd.h>

int forked_main(fault_control **control, const char *name, const TTest *test)
{
    int skip = fault_without_layer(control);
    if (skip < 0) skip = without_device();
    if (skip >= 0) return skip;
    TCase *c = tcase_create(name);
    tcase_set_timeout(c, 0);
    tcase_add_test(c, test);
    Suite *s = suite_create(name);
    suite_add_tcase(s, c);
    return run_suite(s);
}

void forked_check(int (*in_child)(void *user), void *user)
{
    fflush(NULL);
    const pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        alarm(60);
        _exit(in_child(user));
    }
    int status = 0;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(status == 0, "the child ended with %d, signal %d", WEXITSTATUS(status), WTERMSIG(status));
}

void forked_ended(const fault_control *control, const fail_allocator *allocator)
{
    ck_assert_uint_eq(allocator->live_bytes, 0);
    clkv_set_allocator(NULL);
    for (int i = 0; i < FAULT_KINDS; i++) ck_assert_uint_eq(control->live[i], 0);
}
