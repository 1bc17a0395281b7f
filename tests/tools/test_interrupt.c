/* test_interrupt.c: signals that another thread gets, and signals that the caller of the program ignores.
 * SPDX-License-Identifier: Apache-2.0 */
#include "os/descriptor.h"
#include "os/interrupt.h"

#include "../unit/support.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
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
    clkv_interrupt_begin();
    clkv_interrupt_catch();
    give_another_thread(signals[_i]);
    ck_assert_int_eq(clkv_interrupt_seen(), signals[_i]);
    ck_assert(is_handled(signals[_i], SIG_DFL)); /* a second one ends the program */
}
END_TEST

START_TEST(the_main_thread_gets_ctrl_c)
{
    clkv_interrupt_handling was, inner;
    struct sigaction outer;
    handle(SIGINT, SIG_DFL);
    clkv_interrupt_begin();
    clkv_interrupt_watch(&was);
    give_another_thread(SIGINT);
    ck_assert_int_eq(clkv_interrupt_pressed, 1);
    ck_assert_int_eq(sigaction(SIGINT, NULL, &outer), 0);
    clkv_interrupt_watch(&inner);
    ck_assert_int_eq(clkv_interrupt_pressed, 0);
    clkv_interrupt_handle(&inner);
    ck_assert(is_handled(SIGINT, outer.sa_handler) && !is_handled(SIGINT, SIG_DFL));
    clkv_interrupt_handle(&was);
    ck_assert(is_handled(SIGINT, SIG_DFL));
    ck_assert_int_eq(clkv_interrupt_seen(), 0);
}
END_TEST

/* A key that is pressed before the wait begins ends it. */
START_TEST(a_read_does_not_miss_what_was_pressed)
{
    clkv_interrupt_handling was;
    int ends[2];
    char byte = 0;
    ck_assert_int_eq(pipe(ends), 0);
    clkv_interrupt_begin();
    clkv_interrupt_watch(&was);
    raise(SIGINT);
    ck_assert_int_eq(clkv_descriptor_read(ends[0], &byte, 1, &clkv_interrupt_pressed), -1);
    ck_assert_int_eq(errno, EINTR);
    clkv_interrupt_pressed = 0;
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
    ck_assert_int_eq(clkv_descriptor_read(ends[0], &byte, 1, &clkv_interrupt_pressed), 1);
    ck_assert_int_eq(byte, 'x');
    clkv_interrupt_handle(&was);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

/* A driver that replaces the handlers does not make them ours to take. */
START_TEST(what_is_ignored_stays_ignored)
{
    static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
    clkv_interrupt_handling was;
    for (int i = 0; i < 3; i++) handle(signals[i], SIG_IGN);
    clkv_interrupt_begin();
    for (int i = 0; i < 3; i++) handle(signals[i], on_signal_of_llvm);
    clkv_interrupt_catch();
    for (int i = 0; i < 3; i++) ck_assert(is_handled(signals[i], SIG_IGN));
    clkv_interrupt_release();
    for (int i = 0; i < 3; i++) ck_assert(is_handled(signals[i], SIG_IGN));
    handle(SIGINT, on_signal_of_llvm);
    clkv_interrupt_watch(&was);
    raise(SIGINT);
    ck_assert_int_eq(clkv_interrupt_pressed, 0);
    clkv_interrupt_handle(&was);
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
