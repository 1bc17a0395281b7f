/* test_interrupt.c: signals that another thread gets, and signals that the caller of the program ignores.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fd.h"
#include "interrupt.h"

#include "../unit/support.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <unistd.h>

/* A driver's thread, which gets the signal. */
static void *gets(void *signal)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_UNBLOCK, &all, NULL);
    raise(*(int *)signal); /* to this thread */
    return NULL;
}

/* Waits in the main thread until a signal has ended the wait: for ever, when only the other thread handles it. */
static void give_another_thread(int number)
{
    sigset_t all, none;
    pthread_t other;
    sigfillset(&all);
    sigemptyset(&none);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    ck_assert_int_eq(pthread_create(&other, NULL, gets, &number), 0);
    sigsuspend(&none);
    ck_assert_int_eq(pthread_join(other, NULL), 0);
    pthread_sigmask(SIG_UNBLOCK, &all, NULL);
}

static void on_signal_of_llvm(int signal)
{
    (void)signal;
}

static void handle(int number, void (*handler)(int))
{
    const struct sigaction action = { .sa_handler = handler };
    ck_assert_int_eq(sigaction(number, &action, NULL), 0);
}

static bool is_handled(int number, void (*handler)(int))
{
    struct sigaction now;
    ck_assert_int_eq(sigaction(number, NULL, &now), 0);
    return now.sa_handler == handler;
}

START_TEST(the_main_thread_gets_what_is_caught)
{
    static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
    handle(signals[_i], SIG_DFL); /* Check has handlers of its own */
    interrupt_begin();
    interrupt_catch();
    give_another_thread(signals[_i]);
    ck_assert_int_eq(interrupt_seen(), signals[_i]);
    ck_assert(is_handled(signals[_i], SIG_DFL)); /* a second one ends the program */
}
END_TEST

START_TEST(the_main_thread_gets_ctrl_c)
{
    struct sigaction was, inner;
    handle(SIGINT, SIG_DFL);
    interrupt_begin();
    interrupt_watch(&was);
    give_another_thread(SIGINT);
    ck_assert_int_eq(interrupt_pressed, 1);
    interrupt_watch(&inner);
    ck_assert_int_eq(interrupt_pressed, 0);
    interrupt_unwatch(&inner);
    ck_assert(is_handled(SIGINT, inner.sa_handler) && !is_handled(SIGINT, SIG_DFL));
    interrupt_unwatch(&was);
    ck_assert(is_handled(SIGINT, SIG_DFL));
    ck_assert_int_eq(interrupt_seen(), 0);
}
END_TEST

/* A key that is pressed before the wait begins ends it. */
START_TEST(a_read_does_not_miss_what_was_pressed)
{
    struct sigaction was;
    int ends[2];
    char byte = 0;
    ck_assert_int_eq(pipe(ends), 0);
    interrupt_begin();
    interrupt_watch(&was);
    raise(SIGINT);
    ck_assert_int_eq(fd_read(ends[0], &byte, 1, &interrupt_pressed), -1);
    ck_assert_int_eq(errno, EINTR);
    interrupt_pressed = 0;
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
    ck_assert_int_eq(fd_read(ends[0], &byte, 1, &interrupt_pressed), 1);
    ck_assert_int_eq(byte, 'x');
    interrupt_unwatch(&was);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

/* A driver that replaces the handlers does not make them ours to take. */
START_TEST(what_is_ignored_stays_ignored)
{
    static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
    struct sigaction was;
    for (int i = 0; i < 3; i++) handle(signals[i], SIG_IGN);
    interrupt_begin();
    for (int i = 0; i < 3; i++) handle(signals[i], on_signal_of_llvm);
    interrupt_catch();
    for (int i = 0; i < 3; i++) ck_assert(is_handled(signals[i], SIG_IGN));
    interrupt_release();
    for (int i = 0; i < 3; i++) ck_assert(is_handled(signals[i], SIG_IGN));
    handle(SIGINT, on_signal_of_llvm);
    interrupt_watch(&was);
    raise(SIGINT);
    ck_assert_int_eq(interrupt_pressed, 0);
    interrupt_unwatch(&was);
    ck_assert(is_handled(SIGINT, SIG_IGN));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("interrupt");
    TCase *tc = tcase_create("signals");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, the_main_thread_gets_what_is_caught, 0, 3);
    tcase_add_test(tc, the_main_thread_gets_ctrl_c);
    tcase_add_test(tc, a_read_does_not_miss_what_was_pressed);
    tcase_add_test(tc, what_is_ignored_stays_ignored);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
