/* test_together.c: every device of every platform of the process at once, each with a cache of its own and a thread
 * of its own, with each of its kernel variants: no driver, and nothing of clkv, minds the others.
 * SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L /* barriers */
#include "../device/targets.h"
#include "../device/world.h"

#include <pthread.h>

#define PASSES 3

typedef struct worker {
    pthread_t thread;
    world world;
} worker;

static target targets[MAX_TARGETS];
static size_t n_targets;
static worker workers[MAX_TARGETS];
static pthread_barrier_t start;

/* A failed assertion in here ends the process, which is a failure all the same. */
static void *work(void *arg)
{
    worker *w = arg;
    pthread_barrier_wait(&start);
    world_reserve(&w->world, (1u << w->world.c->n) - 1);
    for (uint32_t pass = 0; pass < PASSES; pass++) world_pass(&w->world, pass * 32, 0, NULL);
    return NULL;
}

START_TEST(all_at_once)
{
    test_case c;
    ck_assert(case_parse(&c, "dim=64/64 heads=8/2 block=16 kv=f16 in=f32 out=f32 causal=1 split=0 parts=0 slabs=1 "
                             "scores=random seed=21 batch=1:129,5:18,17:60"));
    for (size_t i = 0; i < n_targets; i++) world_open(&workers[i].world, &c, targets[i].device);
    ck_assert_int_eq(pthread_barrier_init(&start, NULL, (unsigned)n_targets), 0);
    for (size_t i = 0; i < n_targets; i++)
        ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    for (size_t i = 0; i < n_targets; i++) ck_assert_int_eq(pthread_join(workers[i].thread, NULL), 0);
    pthread_barrier_destroy(&start);
    for (size_t i = 0; i < n_targets; i++) {
        const char *wrong = world_check(&workers[i].world, NULL);
        if (wrong) ck_abort_msg("%s: %s", targets[i].name, wrong);
        world_rollback(&workers[i].world);
        world_close(&workers[i].world);
    }
}
END_TEST

int main(void)
{
    const int nothing = without_device();
    if (nothing >= 0) return nothing;
    n_targets = open_targets(targets);
    if (!n_targets) return EXIT_FAILURE;
    for (size_t i = 0; i < n_targets; i++) printf("on %s\n", targets[i].name);
    Suite *suite = suite_create("together");
    TCase *tcase = tcase_create("together");
    tcase_set_timeout(tcase, 0);
    tcase_add_loop_test(tcase, all_at_once, 0, 2); /* the second time with every program built */
    suite_add_tcase(suite, tcase);
    const int status = run_suite(suite);
    close_targets(targets, n_targets);
    return status;
}
