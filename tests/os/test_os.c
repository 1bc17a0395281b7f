/* test_os.c: the functions of src/os, by a program that needs no test library, so that it is built for every system
 * and run by every emulator: test_os FOLDER [REPLACEMENTS]. FOLDER is empty and this user's own; run.py makes it and
 * sets the variables that are asked for, and TEST_OS_ALONE where the program cannot start itself.
 * SPDX-License-Identifier: Apache-2.0 */
#include "parts.h"

#include "os/arguments.h"
#include "os/child.h"
#include "os/clock.h"
#include "os/descriptor.h"
#include "os/drivers.h"
#include "os/environment.h"
#include "os/folder.h"
#include "os/interrupt.h"
#include "os/machine.h"
#include "os/pages.h"
#include "os/process.h"
#include "os/random.h"
#include "os/system.h"
#include "os/terminal.h"
#include "os/thread.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#endif

static atomic_int failures;
const char *work;

void check(int good, const char *condition, const char *file, int line)
{
    if (good) return;
    failures++;
    printf("FAILED: %s:%d: %s\n", file, line, condition);
}

int is_zero(const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (bytes[i]) return 0;
    return 1;
}

static void test_pages(void)
{
    static const size_t sizes[] = { 1, 4096, 100000, (size_t)2 << 20, ((size_t)5 << 20) + 3, (size_t)8 << 20, 70000 };
    enum { N = sizeof sizes / sizeof *sizes };
    char *p = NULL;
    size_t had = 0;
    for (int i = 0; i < N; i++) {
        char *q = clkv_remap(p, had, sizes[i]);
        CHECK(q);
        if (!q) return;
        const size_t kept = had < sizes[i] ? had : sizes[i];
        for (size_t k = 0; k < kept; k += 4095) CHECK(q[k] == (char)(k % 251 + 1));
        CHECK(is_zero(q + kept, sizes[i] - kept));
        CHECK(sizes[i] < (size_t)2 << 20 || (uintptr_t)q % ((size_t)2 << 20) == 0);
        for (size_t k = 0; k < sizes[i]; k++) q[k] = (char)(k % 251 + 1);
        p = q;
        had = sizes[i];
    }
    clkv_unmap(p, had);
    clkv_unmap(NULL, 1);
    CHECK(!clkv_map(0));
    CHECK(!clkv_map(SIZE_MAX));
    CHECK(!clkv_map(SIZE_MAX - 4096));
}

static void test_numbers(void)
{
    char one[32] = "", two[32] = "";
    CHECK(!clkv_os_random(one, sizeof one) && !clkv_os_random(two, sizeof two));
    CHECK(memcmp(one, two, sizeof one) && !is_zero(one, sizeof one));

    const uint64_t of_2026 = UINT64_C(1767225600) * 1000000000;
    CHECK(clkv_os_time_ns() > of_2026 && clkv_os_time_ns() < of_2026 * 4);
    uint64_t last = clkv_os_clock_ns();
    const uint64_t first = last;
    for (int i = 0; i < 100000; i++) {
        const uint64_t now = clkv_os_clock_ns();
        CHECK(now >= last);
        last = now;
    }
    CHECK(last > first && last - first < UINT64_C(600) * 1000000000);

    const uint32_t floats = clkv_machine_vector_floats();
    CHECK(floats == 0 || floats == 4 || floats == 8 || floats == 16);
    CHECK(clkv_machine_available() > (uint64_t)1 << 20);
    CHECK(clkv_machine_cache_bytes(1) < (uint32_t)64 << 20);
    CHECK(clkv_os_processors() >= 1 && clkv_os_processors() < 65536);
    CHECK(clkv_os_process_id());
}

/* ---- threads ---- */

enum { THREADS = 8, ROUNDS = 20000 };

static struct {
    clkv_mutex lock;
    clkv_cond changed;
    uint64_t count; /* not atomic: a lock that does not lock loses some */
    int turn;
} shared;

static void count(void *user)
{
    for (int i = 0; i < ROUNDS; i++) {
        clkv_mutex_lock(&shared.lock);
        shared.count += *(const int *)user;
        clkv_mutex_unlock(&shared.lock);
    }
}

/* Two threads take turns. */
static void take_turns(void *user)
{
    const int me = *(const int *)user;
    clkv_mutex_lock(&shared.lock);
    for (int i = 0; i < 1000; i++) {
        while (shared.turn != me) clkv_cond_wait(&shared.changed, &shared.lock);
        shared.turn = 1 - me;
        if (i & 1) clkv_cond_signal(&shared.changed);
        else clkv_cond_broadcast(&shared.changed);
    }
    clkv_mutex_unlock(&shared.lock);
}

static void test_threads(void)
{
    clkv_thread threads[THREADS];
    int numbers[THREADS];
    uint64_t sum = 0;
    CHECK(!clkv_mutex_init(&shared.lock) && !clkv_cond_init(&shared.changed));
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i + 1;
        sum += (uint64_t)(i + 1) * ROUNDS;
        CHECK(!clkv_thread_start(&threads[i], (size_t)1 << 20, count, &numbers[i]));
    }
    for (int i = 0; i < THREADS; i++) clkv_thread_join(&threads[i]);
    CHECK(shared.count == sum);
    for (int i = 0; i < 2; i++) {
        numbers[i] = i;
        CHECK(!clkv_thread_start(&threads[i], (size_t)1 << 20, take_turns, &numbers[i]));
    }
    for (int i = 0; i < 2; i++) clkv_thread_join(&threads[i]);
    CHECK(shared.turn == 0);
    clkv_cond_destroy(&shared.changed);
    clkv_mutex_destroy(&shared.lock);
}

/* ---- the environment ---- */

static void test_environment(void)
{
    static const char text[] = "gr\303\274n \342\202\254 \360\237\230\200";
    char value[64], home[512];
    CHECK(clkv_os_environment("TEST_OS_TEXT", value, sizeof value) == strlen(text) && !strcmp(value, text));
    CHECK(clkv_os_environment("TEST_OS_TEXT", value, 3) == strlen(text) && !strncmp(value, text, 2) && !value[2]);
    CHECK(clkv_os_environment("TEST_OS_EMPTY", value, sizeof value) == 0 && !*value);
    CHECK(clkv_os_environment("TEST_OS_UNSET", value, sizeof value) == 0 && !*value);
    CHECK(clkv_os_cache_home(home, sizeof home) == strlen(home) && *home);
    CHECK(clkv_os_cache_home(value, 2) == strlen(home) && strlen(value) < 2);
    clkv_drivers drivers;
    clkv_os_drivers(&drivers);
    CHECK(!drivers.known || *drivers.place);
    static const char *const none[] = { "/nonexistent/*", NULL };
    CHECK(!clkv_os_forbidden_file(none, home, sizeof home));
}

/* The names that the system tells are those of the environment too, where both are there. */
static void test_system(void)
{
    char text[512], host[256] = "", home[512];
    clkv_os_name kind;
    size_t n = 0, kinds[3] = { 0 };
    clkv_os_environment("HOME", home, sizeof home);
    for (; clkv_os_private(n, &kind, text, sizeof text); n++) {
        if (*text) kinds[kind]++;
        if (kind == CLKV_OS_HOST && *text) snprintf(host, sizeof host, "%.255s", text);
        if (kind == CLKV_OS_HOME && !strcmp(text, home)) *home = 0;
    }
    CHECK(n >= 5 && kinds[CLKV_OS_HOME] && kinds[CLKV_OS_HOST] && !*home);
    clkv_os_system(text, sizeof text);
    CHECK(strlen(text) > 8 && (strlen(host) < 6 || !strstr(text, host)));
}

/* ---- folders ---- */

static int put(const clkv_folder *folder, const char *name, const void *data, size_t bytes, char *why)
{
    const clkv_piece pieces[] = { { data, bytes / 2 }, { (const char *)data + bytes / 2, bytes - bytes / 2 } };
    return clkv_folder_replace(folder, name, "temporary", pieces, 2, 1, why);
}

static void test_names(clkv_folder *folder)
{
    /* With a space, with letters of two, three and four bytes, and with dots. */
    static const char *const names[] = { "a b", "\303\244\303\266\303\274.txt", "\342\202\254 \360\237\230\200", "a.b.c" };
    char why[CLKV_OS_WHY], text[16];
    clkv_file file;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        CHECK(clkv_folder_open_file(folder, &file, names[i], CLKV_FILE_READ, why) && !*why);
        for (int round = 0; round < 2; round++) {
            memset(text, 'a' + round, sizeof text);
            CHECK(!put(folder, names[i], text, sizeof text, why));
            if (clkv_folder_open_file(folder, &file, names[i], CLKV_FILE_READ, why)) {
                CHECK(!"the file can be opened");
                continue;
            }
            char got[16];
            CHECK(file.bytes == sizeof text);
            CHECK(!clkv_file_read(&file, 4, got + 4, 12, why) && !clkv_file_read(&file, 0, got, 4, why));
            CHECK(!memcmp(got, text, 16));
            CHECK(clkv_file_read(&file, 16, got, 1, why) && !*why);
            clkv_file_close(&file);
        }
    }
    CHECK(clkv_folder_open_file(folder, &file, "nothing", CLKV_FILE_READ, why) && !*why);
}

/* A file where a folder is wanted, a folder where a file is wanted, and what cannot be made. */
static void test_refused(clkv_folder *folder, const char *path)
{
    char below[1200], why[CLKV_OS_WHY];
    clkv_folder other;
    clkv_file file;
    CHECK(!put(folder, "plain", "x", 1, why));
    snprintf(below, sizeof below, "%s/plain", path);
    CHECK(clkv_folder_open(&other, below, why) && !strcmp(why, "not a directory"));
    snprintf(below, sizeof below, "%s/plain/deeper", path);
    CHECK(clkv_folder_make(below, why) && *why);
    CHECK(clkv_folder_may_make(below, why) && *why);
    snprintf(below, sizeof below, "%s/inner", path);
    CHECK(!clkv_folder_may_make(below, why));
    CHECK(clkv_folder_open(&other, below, why) && !*why);
    CHECK(!clkv_folder_make(below, why));
    CHECK(clkv_folder_open_file(folder, &file, "inner", CLKV_FILE_READ, why) && !strcmp(why, "not a regular file"));
    CHECK(put(folder, "inner", "x", 1, why) && *why); /* a file cannot replace a folder */
    CHECK(clkv_folder_open_file(folder, &file, "temporary", CLKV_FILE_READ, why) && !*why);
    /* A temporary file that is there already is somebody else's: it stays. */
    CHECK(!put(folder, "other", "1", 1, why));
    const clkv_piece piece = { "2", 1 };
    CHECK(clkv_folder_replace(folder, "plain", "other", &piece, 1, 0, why) && *why);
    CHECK(!clkv_folder_open_file(folder, &file, "other", CLKV_FILE_READ, why) && file.bytes == 1);
    clkv_file_close(&file);
    CHECK(!clkv_folder_may_write(path, why));
    memset(below, 'x', sizeof below - 1);
    below[sizeof below - 1] = 0;
    CHECK(clkv_folder_make(below, why) && *why);
}

/* One thread replaces a file, another one reads it: each read gets one whole version, and versions do not go back. The
 * reader has the file open for a fifth of the time: a Windows before 10 cannot replace a file that is open. */
enum { VERSION_WORDS = 600 };

typedef struct replaced {
    clkv_folder folder;
    atomic_int over;
    uint32_t versions, reads;
} replaced;

static void read_versions(void *user)
{
    replaced *r = user;
    uint32_t words[VERSION_WORDS], last = 0;
    char why[CLKV_OS_WHY];
    for (int over = 0; !over;) {
        over = r->over;
        const uint64_t start = clkv_os_clock_ns();
        clkv_file file;
        if (clkv_folder_open_file(&r->folder, &file, "version", CLKV_FILE_READ, why)) {
            printf("version %u: %s\n", (unsigned)last, why);
            CHECK(!"the file can always be opened");
            return;
        }
        CHECK(file.bytes == sizeof words && !clkv_file_read(&file, 0, words, sizeof words, why));
        clkv_file_close(&file);
        for (int i = 1; i < VERSION_WORDS; i++) CHECK(words[i] == words[0]);
        CHECK(words[0] >= last);
        last = words[0];
        r->reads++;
        const uint64_t end = clkv_os_clock_ns();
        while (clkv_os_clock_ns() - end < 4 * (end - start)) {}
    }
    CHECK(last == r->versions);
}

static void test_replaced(clkv_folder *folder, uint32_t versions)
{
    static replaced r;
    clkv_thread reader;
    uint32_t words[VERSION_WORDS] = { 0 };
    char why[CLKV_OS_WHY];
    const clkv_piece piece = { words, sizeof words };
    r.folder = *folder;
    r.versions = versions;
    CHECK(!clkv_folder_replace(folder, "version", "version.new", &piece, 1, 0, why));
    if (clkv_thread_start(&reader, (size_t)1 << 20, read_versions, &r)) {
        CHECK(!"a thread can be started");
        return;
    }
    for (uint32_t v = 1; v <= versions; v++) {
        for (int i = 0; i < VERSION_WORDS; i++) words[i] = v;
        if (clkv_folder_replace(folder, "version", "version.new", &piece, 1, 0, why)) {
            printf("version %u: %s\n", (unsigned)v, why);
            CHECK(!"the file can always be replaced");
            r.versions = v - 1;
            break;
        }
    }
    r.over = 1;
    clkv_thread_join(&reader);
    printf("%u versions, read %u times\n", (unsigned)versions, (unsigned)r.reads);
}

static void test_folders(uint32_t versions)
{
    char path[1024], why[CLKV_OS_WHY] = "unset";
    clkv_folder folder;
    snprintf(path, sizeof path, "%s/a folder/with \303\251 and \346\274\242", work);
    CHECK(clkv_folder_open(&folder, path, why) && !*why);
    CHECK(!clkv_folder_may_make(path, why));
    CHECK(!clkv_folder_make(path, why));
    CHECK(!clkv_folder_make(path, why));
    if (clkv_folder_open(&folder, path, why)) {
        printf("%s: %s\n", path, why);
        CHECK(!"the folder can be opened");
        return;
    }
    test_names(&folder);
    test_refused(&folder, path);
    test_replaced(&folder, versions);
    clkv_folder_close(&folder);
}

/* ---- this program once more ---- */

#define LONG_NS UINT64_C(5000000000)
char child_word[] = "child";
static char *const odd_arguments[] = { "", "two words", "\"", "a\\", "b\\\\\"c\\", "*", "%PATH%",
                                       "gr\303\274n \342\202\254 \360\237\230\200" };
enum { ODD_ARGUMENTS = sizeof odd_arguments / sizeof *odd_arguments };

static void put_text(const char *text)
{
    if (clkv_descriptor_write(CLKV_STDOUT, text, strlen(text))) exit(9);
}

/* A console of our own, so that nobody else gets the Ctrl-C. 0: this system cannot press it without a user. */
static int begin_presses(void)
{
#ifdef _WIN32
    FreeConsole();
    return AllocConsole();
#else
    signal(SIGINT, SIG_DFL); /* a shell's background jobs ignore it */
    return 1;
#endif
}

static int press(void)
{
#ifdef _WIN32
    return GenerateConsoleCtrlEvent(CTRL_C_EVENT, 0);
#else
    return !raise(SIGINT);
#endif
}

static int interrupted_child(void)
{
    clkv_interrupt_handling was;
    if (!begin_presses()) return 4;
    clkv_interrupt_begin();
    clkv_interrupt_watch(&was);
    if (!press()) return 4;
    for (const uint64_t start = clkv_os_clock_ns(); !clkv_interrupt_pressed;)
        if (clkv_os_clock_ns() - start > LONG_NS) return 5;
    clkv_interrupt_handle(&was);
    if (clkv_interrupt_seen()) return 5;
    clkv_interrupt_catch();
    if (!press()) return 6;
    for (const uint64_t start = clkv_os_clock_ns(); !clkv_interrupt_seen();)
        if (clkv_os_clock_ns() - start > LONG_NS) return 7;
    if (!*clkv_interrupt_name(clkv_interrupt_seen())) return 7;
    put_text("seen");
    clkv_interrupt_release();
    clkv_interrupt_end();
    return 8;
}

static int child(int argc, char **argv)
{
    char value[64];
    clkv_descriptor_begin();
    if (argc > 2 && !strcmp(argv[2], "interrupted")) return interrupted_child();
    if (argc > 3 && !strcmp(argv[2], "counts")) return child_that_counts(argv[3]);
    if (argc > 3 && !strcmp(argv[2], "dies")) return child_that_dies(argv[3]);
    for (int i = 2; i < argc; i++) {
        put_text(argv[i]);
        put_text("\n");
    }
    clkv_os_environment("TEST_OS_CHILD", value, sizeof value);
    put_text(value);
    return 7;
}

static void test_interrupted(char *program)
{
    char *const argv[] = { program, child_word, "interrupted", NULL };
    char output[64], why[CLKV_OS_WHY] = "";
    int code = 0;
    const int result = clkv_child_run(argv, output, sizeof output, &code, why);
    if (!result && code == 4) {
        printf("Ctrl-C is not tried: it cannot be pressed here\n");
        return;
    }
    CHECK(result ? !strcmp(why, "the child process was ended by signal 2") : (uint32_t)code == 0xc000013a);
    CHECK(!strcmp(output, "seen"));
}

static void test_children(char *program)
{
    char *argv[ODD_ARGUMENTS + 3] = { program, child_word };
    char expected[512] = "", output[512], why[CLKV_OS_WHY];
    int code = 0;
    for (int i = 0; i < ODD_ARGUMENTS; i++) {
        argv[i + 2] = odd_arguments[i];
        strcat(strcat(expected, odd_arguments[i]), "\n");
    }
    strcat(expected, "gr\303\274n");
    CHECK(!clkv_child_environment("TEST_OS_CHILD", "gr\303\274n"));
    CHECK(!clkv_child_run(argv, output, sizeof output, &code, why) && code == 7);
    CHECK(!strcmp(output, expected));
    CHECK(!clkv_child_run(argv, output, 5, &code, why) && code == 7 && strlen(output) == 4);

    /* No system starts a program with an argument of a megabyte. */
    char *const large = malloc(1 << 20);
    memset(large, 'x', (1 << 20) - 1);
    large[(1 << 20) - 1] = 0;
    char *const too_large[] = { program, child_word, large, NULL };
    *why = 0;
    CHECK(clkv_child_run(too_large, output, sizeof output, &code, why) == -1 && *why);
    free(large);
    test_interrupted(program);
}

int main(int argc, char **argv)
{
    clkv_os_arguments(&argc, &argv);
    if (argc < 2) {
        printf("usage: test_os FOLDER [REPLACEMENTS]\n");
        return 2;
    }
    if (!strcmp(argv[1], child_word)) return child(argc, argv);
    work = argv[1];
    test_pages();
    test_numbers();
    test_threads();
    test_environment();
    test_system();
    test_paths();
    char alone[2];
    char *program = clkv_os_environment("TEST_OS_ALONE", alone, sizeof alone) ? NULL : argv[0];
    test_files(program);
    if (program) test_children(program);
    else printf("children are not tried: the emulator cannot start the program once more\n");
    test_folders(argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 100000);
    printf("%d failures\n", (int)failures);
    return failures ? 1 : 0;
}
