/* test_numbers.c: attention, append, gather, copy and merge over random cases against float64 with derived bounds
 * (oracle.h). By default 16 programs × 150 cases, the same ones every time; every second program on the variant that
 * clkv chooses for the device, the others on the portable one.
 *
 *   test_numbers [--programs N] [--first N] [--cases N] [--seed N]
 *   test_numbers --case 'LINE'        one case again, as a failure prints it
 *   test_numbers --stop 1 …           ends with the first case that fails
 *
 * SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L /* setenv */
#include "../variables.h"

#include "draw.h"
#include "targets.h"
#include "world.h"

#include <signal.h>
#include <unistd.h>

static target targets[MAX_TARGETS];
static size_t n_targets;

static uint32_t n_programs = 16, n_cases = 150, seed = 4, first_program, stop;
static const char *only; /* --case */

static char line[CASE_LINE]; /* of the case under way; empty between cases */
static double kernels_share, twin_share;
static uint32_t n_done, n_failed;

static void print_case(const char *target_name, const char *what)
{
    printf("FAILED on %s: %s\ntest_numbers --case '%s'\n", target_name, what, line);
    fflush(stdout);
}

/* A kernel that reads where no block is may end the process: then too the case is told. */
static void on_signal(int number)
{
    static const char before[] = "\nthe process was ended by a signal in\ntest_numbers --case '", after[] = "'\n";
    if (write(STDOUT_FILENO, before, sizeof before - 1) < 0 || write(STDOUT_FILENO, line, strlen(line)) < 0 ||
        write(STDOUT_FILENO, after, sizeof after - 1) < 0)
        _exit(EXIT_FAILURE);
    signal(number, SIG_DFL);
    raise(number);
}

/* Every sequence longer than the chunk has to be split when that was asked for: else the test proves nothing. */
static const char *check_plan(const test_case *c, const clkv_plan_info *info)
{
    if (!c->split_tokens && c->parts < 2) return NULL;
    uint32_t longer = 0;
    for (uint32_t i = 0; i < c->n; i++)
        longer += c->entries[i].new_tokens == 1 && c->entries[i].total > info->chunk;
    return info->split_entries < longer || (longer && info->parts < 2 * longer) ? "was not split" : NULL;
}

/* What an entry's sequence holds in the end, whole and a part of it. */
static const char *check_blocks(const world *w)
{
    const test_case *c = w->c;
    const char *wrong = NULL;
    for (uint32_t i = 0; i < c->n && !wrong; i++) {
        const uint32_t total = c->entries[i].total, first = c->seed % total;
        wrong = world_check_blocks(w, i, 0, total, c->out_f16, 3);
        if (!wrong) wrong = world_check_blocks(w, i, first, total - first, c->out_f16, 1 + c->seed % 2);
    }
    return wrong;
}

static void run_case(const test_case *c, const target *t)
{
    world w;
    clkv_plan_info info;
    case_format(c, line);
    world_open(&w, c, t->device);
    world_reserve(&w, (1u << c->n) - 1);
    world_pass(&w, c->split_tokens, c->parts, &info);
    const char *wrong = check_plan(c, &info);
    if (!wrong) wrong = world_check(&w, &kernels_share);
    if (!wrong) wrong = world_check_twins(&w, &twin_share);
    world_commit(&w);
    if (!wrong) wrong = check_blocks(&w);
    if (wrong) {
        print_case(t->name, wrong);
        n_failed++;
    }
    if (wrong && stop) _exit(EXIT_FAILURE);
    world_close(&w);
    line[0] = 0;
    n_done++;
}

/* A test that Check has ended in the middle of a case left its line. */
static void tell_what_was_ended(void)
{
    if (line[0]) print_case("that target", "the case was ended");
    line[0] = 0;
}

START_TEST(a_program)
{
    tell_what_was_ended();
    const uint32_t i = (uint32_t)_i, before = n_failed;
    const target *t = &targets[i % n_targets];
    test_case c;
    draw_program(&c, seed, i);
    snprintf(c.variant, sizeof c.variant, "%s", info_of(t->device).variant);
    for (uint32_t j = 0; j < n_cases; j++) {
        draw_case(&c, seed, i, j);
        run_case(&c, t);
    }
    ck_assert_msg(n_failed == before, "%u cases of program %u", n_failed - before, i);
}
END_TEST

/* An infinity or NaN that some queries of a tile see and others do not, in one of two KV heads. */
START_TEST(what_is_not_seen)
{
    tell_what_was_ended();
    const target *t = &targets[_i];
    const uint32_t before = n_failed;
    for (uint32_t odd = 1; odd <= 60; odd++) {
        test_case c;
        ck_assert(case_parse(&c, "dim=16/16 heads=4/2 scores=odd layers=1/0 batch=4:4,8:9"));
        snprintf(c.variant, sizeof c.variant, "%s", info_of(t->device).variant);
        c.seed = odd;
        run_case(&c, t);
    }
    ck_assert_uint_eq(n_failed, before);
}
END_TEST

START_TEST(one_case)
{
    const target *t = &targets[_i];
    test_case c;
    ck_assert_msg(case_parse(&c, only), "this is no case (see case.h): %s", only);
    if (strcmp(c.variant, "any") && strcmp(c.variant, info_of(t->device).variant)) return;
    run_case(&c, t);
    ck_assert_uint_eq(n_failed, 0);
}
END_TEST

static void set_size(void)
{
    const char *size = getenv("CLKV_TEST_GRID");
    if (size && !strcmp(size, "small")) n_programs = 6, n_cases = 30;
    if (size && !strcmp(size, "tiny")) n_programs = 2, n_cases = 2;
}

static int parse_options(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        uint32_t *number = !strcmp(argv[i], "--programs") ? &n_programs
                           : !strcmp(argv[i], "--cases")  ? &n_cases
                           : !strcmp(argv[i], "--seed")   ? &seed
                           : !strcmp(argv[i], "--first")  ? &first_program
                           : !strcmp(argv[i], "--stop")   ? &stop
                                                          : NULL;
        char end;
        if (!strcmp(argv[i], "--case"))
            only = argv[i + 1];
        else if (!number || sscanf(argv[i + 1], "%u%c", number, &end) != 1)
            return 0;
    }
    return argc % 2;
}

int main(int argc, char **argv)
{
    set_variable("CK_FORK", "no"); /* a fork after the first OpenCL call hangs on pocl */
    set_size();
    if (!parse_options(argc, argv)) {
        printf("usage: test_numbers [--programs N] [--first N] [--cases N] [--seed N] [--stop 1] [--case 'LINE']\n");
        return 2;
    }
    const int nothing = without_device();
    if (nothing >= 0) return nothing;
    n_targets = open_targets(targets);
    if (!n_targets) return EXIT_FAILURE;
    signal(SIGSEGV, on_signal);
#ifdef SIGBUS
    signal(SIGBUS, on_signal);
#endif
    Suite *suite = suite_create("numbers");
    TCase *tcase = tcase_create("numbers");
    tcase_set_timeout(tcase, 0);
    if (only) {
        tcase_add_loop_test(tcase, one_case, 0, (int)n_targets);
    } else {
        tcase_add_loop_test(tcase, what_is_not_seen, 0, (int)n_targets);
        tcase_add_loop_test(tcase, a_program, (int)first_program, (int)n_programs);
    }
    suite_add_tcase(suite, tcase);
    const int status = run_suite(suite);
    tell_what_was_ended();
    printf("%u cases, %u failed; of their bounds the kernels' errors took at most %.2f, the float32 twin's %.2f\n",
           n_done, n_failed, kernels_share, twin_share);
    close_targets(targets, n_targets);
    return status;
}
