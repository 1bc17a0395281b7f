/* test_file.c: files with offsets beyond 4 GiB, and their locks, within a process and between two.
 * SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L /* fork, kill */
#define _XOPEN_SOURCE 700       /* setitimer */
#include "parts.h"

#include "os/child.h"
#include "os/clock.h"
#include "os/folder.h"
#include "os/thread.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#else
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

#define LONG_NS (UINT64_C(60) * 1000000000)
#define BEYOND ((UINT64_C(5) << 30) + 3)
enum { PIECE = 10000, COUNTS = 3000 };

static int open_in(const char *folder_path, clkv_file *file, const char *name, clkv_file_access access)
{
    char why[CLKV_OS_WHY] = "";
    clkv_folder folder;
    if (clkv_folder_open(&folder, folder_path, why)) return -1;
    const int failed = clkv_folder_open_file(&folder, file, name, access, why);
    clkv_folder_close(&folder);
    return failed;
}

static int exists(const char *folder, const char *name)
{
    clkv_file file;
    if (open_in(folder, &file, name, CLKV_FILE_READ)) return 0;
    clkv_file_close(&file);
    return 1;
}

static void create(const char *folder, const char *name)
{
    clkv_file file;
    if (open_in(folder, &file, name, CLKV_FILE_CREATE)) {
        CHECK(!"a file can be created");
        exit(1);
    }
    clkv_file_close(&file);
}

/* 0, or −1: it took too long. */
static int wait_until_exists(const char *folder, const char *name)
{
    for (const uint64_t start = clkv_os_clock_ns(); !exists(folder, name);)
        if (clkv_os_clock_ns() - start > LONG_NS) return -1;
    return 0;
}

/* ---- bytes ---- */

static void test_access(const clkv_folder *folder)
{
    char why[CLKV_OS_WHY] = "", byte = 'x';
    clkv_file file;
    CHECK(clkv_folder_open_file(folder, &file, "pages", CLKV_FILE_WRITE, why) && !*why);
    CHECK(!clkv_folder_open_file(folder, &file, "pages", CLKV_FILE_CREATE, why) && file.bytes == 0);
    CHECK(clkv_file_read(&file, 0, &byte, 1, why) && !*why);
    CHECK(!clkv_file_write(&file, 0, "abc", 3, why));
    clkv_file_close(&file);
    CHECK(clkv_folder_open_file(folder, &file, "pages", CLKV_FILE_CREATE, why) && *why);
    CHECK(!clkv_folder_open_file(folder, &file, "pages", CLKV_FILE_READ, why) && file.bytes == 3);
    CHECK(clkv_file_write(&file, 0, "x", 1, why) && *why);
    CHECK(clkv_file_resize(&file, 0, why) && *why);
    CHECK(!clkv_file_read(&file, 2, &byte, 1, why) && byte == 'c');
    clkv_file_close(&file);
    CHECK(!clkv_folder_open_file(folder, &file, "pages", CLKV_FILE_WRITE, why) && file.bytes == 3);
    CHECK(!clkv_file_write(&file, 1, "B", 1, why));
    CHECK(!clkv_file_read(&file, 0, &byte, 1, why) && byte == 'a');
    CHECK(!clkv_file_read(&file, 1, &byte, 1, why) && byte == 'B');
    clkv_file_close(&file);
}

static void test_beyond(clkv_file *file)
{
    char why[CLKV_OS_WHY], wrote[PIECE], got[PIECE];
    uint64_t bytes = 0;
    for (int i = 0; i < PIECE; i++) wrote[i] = (char)(i % 251 + 1);
    CHECK(!clkv_file_write(file, BEYOND, wrote, PIECE, why));
    CHECK(!clkv_file_size(file, &bytes, why) && bytes == BEYOND + PIECE);
    CHECK(!clkv_file_sync(file, why));
    CHECK(!clkv_file_read(file, BEYOND, got, PIECE, why) && !memcmp(got, wrote, PIECE));
    CHECK(!clkv_file_read(file, BEYOND - PIECE, got, PIECE, why) && is_zero(got, PIECE));
    CHECK(!clkv_file_read(file, BEYOND & UINT32_MAX, got, PIECE, why) && is_zero(got, PIECE)); /* not cut to 32 bits */
    CHECK(clkv_file_read(file, BEYOND + 1, got, PIECE, why) && !*why);
    CHECK(clkv_file_read(file, BEYOND << 1, got, 1, why) && !*why);

    CHECK(!clkv_file_resize(file, BEYOND + 5, why) && !clkv_file_resize(file, BEYOND + PIECE, why));
    CHECK(!clkv_file_size(file, &bytes, why) && bytes == BEYOND + PIECE);
    CHECK(!clkv_file_read(file, BEYOND, got, PIECE, why) && !memcmp(got, wrote, 5) && is_zero(got + 5, PIECE - 5));
    CHECK(!clkv_file_resize(file, 2, why) && !clkv_file_size(file, &bytes, why) && bytes == 2);
    CHECK(!clkv_file_read(file, 0, got, 2, why) && clkv_file_read(file, 0, got, 3, why) && !*why);

    CHECK(clkv_file_write(file, UINT64_MAX, "x", 1, why) && *why);
    CHECK(clkv_file_write(file, INT64_MAX, "x", 1, why) && *why);
    CHECK(clkv_file_read(file, UINT64_MAX - 1, got, 1, why) && *why);
    CHECK(clkv_file_resize(file, UINT64_MAX, why) && *why);
    CHECK(!clkv_file_size(file, &bytes, why) && bytes == 2);
}

/* ---- the lock within a process ---- */

static void test_lock(const char *folder)
{
    char why[CLKV_OS_WHY];
    clkv_file one, two;
    if (open_in(folder, &one, "pages", CLKV_FILE_WRITE) || open_in(folder, &two, "pages", CLKV_FILE_WRITE)) {
        CHECK(!"the file can be opened twice");
        return;
    }
    CHECK(!clkv_file_lock(&one, CLKV_FILE_LOCK_SHARED, 0, why));
    CHECK(!clkv_file_lock(&two, CLKV_FILE_LOCK_SHARED, 0, why));
    clkv_file_unlock(&one);
    CHECK(clkv_file_lock(&one, CLKV_FILE_LOCK_EXCLUSIVE, 0, why) == 1);
    clkv_file_unlock(&two);
    CHECK(!clkv_file_lock(&one, CLKV_FILE_LOCK_EXCLUSIVE, 0, why));
    CHECK(clkv_file_lock(&two, CLKV_FILE_LOCK_SHARED, 0, why) == 1);
    CHECK(clkv_file_lock(&two, CLKV_FILE_LOCK_EXCLUSIVE, 0, why) == 1);
    CHECK(!clkv_file_write(&two, 0, "xy", 2, why)); /* whoever does not ask is not kept out */
    clkv_file_close(&two);
    CHECK(!open_in(folder, &two, "pages", CLKV_FILE_WRITE));
    CHECK(clkv_file_lock(&two, CLKV_FILE_LOCK_EXCLUSIVE, 0, why) == 1); /* closing another opening took nothing away */
    clkv_file_close(&one);
    CHECK(!clkv_file_lock(&two, CLKV_FILE_LOCK_EXCLUSIVE, 0, why));
    clkv_file_close(&two);
}

/* ---- the lock between two processes ---- */

/* Adds 1 to the number in the file, a byte at a time so that no part of it is atomic. */
static void add_one(const clkv_file *file)
{
    char why[CLKV_OS_WHY];
    unsigned char bytes[4];
    CHECK(!clkv_file_lock(file, CLKV_FILE_LOCK_EXCLUSIVE, 1, why));
    for (unsigned i = 0; i < 4; i++) CHECK(!clkv_file_read(file, i, &bytes[i], 1, why));
    const uint32_t n = (bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24) + 1;
    for (unsigned i = 0; i < 4; i++) CHECK(!clkv_file_write(file, i, &(unsigned char){ n >> 8 * i & 255 }, 1, why));
    clkv_file_unlock(file);
}

int child_that_counts(const char *folder)
{
    clkv_file file;
    if (open_in(folder, &file, "count", CLKV_FILE_WRITE)) return 1;
    create(folder, "child is ready");
    for (int i = 0; i < COUNTS; i++) add_one(&file);
    clkv_file_close(&file);
    return 0;
}

/* Ends like a program that is killed: without a chance to unlock. */
int child_that_dies(const char *folder)
{
    char why[CLKV_OS_WHY];
    clkv_file file;
    if (open_in(folder, &file, "count", CLKV_FILE_WRITE)) return 1;
    if (clkv_file_lock(&file, CLKV_FILE_LOCK_EXCLUSIVE, 1, why)) return 2;
    create(folder, "child has the lock");
    if (wait_until_exists(folder, "parent is about to wait")) return 3;
    /* Most often the parent waits by then. The test holds in either case. */
    for (const uint64_t start = clkv_os_clock_ns(); clkv_os_clock_ns() - start < 50000000;) {}
#ifdef _WIN32
    TerminateProcess(GetCurrentProcess(), 99);
#else
    kill(getpid(), SIGKILL);
#endif
    return 4;
}

typedef struct run_of_child {
    char *program, *what, *folder;
    int result, code;
    char why[CLKV_OS_WHY];
} run_of_child;

static void run_child(void *user)
{
    run_of_child *r = user;
    char *const argv[] = { r->program, child_word, r->what, r->folder, NULL };
    char output[4096];
    r->result = clkv_child_run(argv, output, sizeof output, &r->code, r->why);
    printf("%s", output);
}

#ifdef _WIN32
static void begin_alarms(void) {}
static void end_alarms(void) {}
#else
static void ignore_alarm(int number)
{
    (void)number;
}

/* A thousand signals a second, each of which ends a call that waits. */
static void begin_alarms(void)
{
    struct sigaction action = { .sa_handler = ignore_alarm };
    const struct itimerval often = { { 0, 1000 }, { 0, 1000 } };
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
}

static void end_alarms(void)
{
    const struct itimerval never = { { 0, 0 }, { 0, 0 } };
    setitimer(ITIMER_REAL, &never, NULL);
}
#endif

static void test_counting(char *program, char *folder)
{
    static char counts[] = "counts";
    run_of_child child = { .program = program, .what = counts, .folder = folder };
    char why[CLKV_OS_WHY];
    unsigned char bytes[4] = { 0 };
    clkv_thread thread;
    clkv_file file;
    CHECK(!open_in(folder, &file, "count", CLKV_FILE_CREATE) && !clkv_file_write(&file, 0, bytes, 4, why));
    if (clkv_thread_start(&thread, (size_t)1 << 20, run_child, &child)) {
        CHECK(!"a thread can be started");
        return;
    }
    CHECK(!wait_until_exists(folder, "child is ready"));
    for (int i = 0; i < COUNTS; i++) add_one(&file);
    clkv_thread_join(&thread);
    CHECK(!child.result && !child.code);
    CHECK(!clkv_file_read(&file, 0, bytes, 4, why));
    CHECK((bytes[0] | bytes[1] << 8 | bytes[2] << 16 | bytes[3] << 24) == 2 * COUNTS);
    clkv_file_close(&file);
}

static void test_death(char *program, char *folder)
{
    static char dies[] = "dies";
    run_of_child child = { .program = program, .what = dies, .folder = folder };
    char why[CLKV_OS_WHY];
    clkv_thread thread;
    clkv_file file;
    CHECK(!open_in(folder, &file, "count", CLKV_FILE_WRITE));
    if (clkv_thread_start(&thread, (size_t)1 << 20, run_child, &child)) {
        CHECK(!"a thread can be started");
        return;
    }
    CHECK(!wait_until_exists(folder, "child has the lock"));
    CHECK(clkv_file_lock(&file, CLKV_FILE_LOCK_SHARED, 0, why) == 1);
    begin_alarms();
    create(folder, "parent is about to wait");
    CHECK(!clkv_file_lock(&file, CLKV_FILE_LOCK_EXCLUSIVE, 1, why));
    end_alarms();
    clkv_thread_join(&thread);
    CHECK(child.result ? !strcmp(child.why, "the child process was ended by signal 9") : child.code == 99);
    clkv_file_close(&file);
}

#ifndef _WIN32
/* A child of fork() that closes the file takes nothing away; one that has it keeps the lock. */
static void test_fork(const char *folder)
{
    char why[CLKV_OS_WHY];
    clkv_file file, other;
    int ends[2], state = 0;
    CHECK(!open_in(folder, &file, "pages", CLKV_FILE_WRITE) && !open_in(folder, &other, "pages", CLKV_FILE_WRITE));
    CHECK(!clkv_file_lock(&file, CLKV_FILE_LOCK_EXCLUSIVE, 0, why) && !pipe(ends));
    pid_t pid = fork();
    if (pid == 0) {
        clkv_file_close(&file);
        _exit(0);
    }
    CHECK(waitpid(pid, &state, 0) == pid && state == 0);
    CHECK(clkv_file_lock(&other, CLKV_FILE_LOCK_SHARED, 0, why) == 1);
    pid = fork();
    if (pid == 0) {
        close(ends[1]);
        _exit(read(ends[0], why, 1) != 0); /* until the parent ends it */
    }
    clkv_file_close(&file);
    CHECK(clkv_file_lock(&other, CLKV_FILE_LOCK_SHARED, 0, why) == 1);
    close(ends[1]);
    CHECK(waitpid(pid, &state, 0) == pid && state == 0);
    CHECK(!clkv_file_lock(&other, CLKV_FILE_LOCK_SHARED, 0, why));
    clkv_file_close(&other);
    close(ends[0]);
}
#endif

void test_files(char *program)
{
    char path[1024], why[CLKV_OS_WHY] = "";
    clkv_folder folder;
    clkv_file file;
    snprintf(path, sizeof path, "%s/pages \303\244", work);
    CHECK(!clkv_folder_make(path, why));
    if (clkv_folder_open(&folder, path, why)) {
        printf("%s: %s\n", path, why);
        CHECK(!"the folder can be opened");
        return;
    }
    test_access(&folder);
    if (clkv_folder_open_file(&folder, &file, "pages", CLKV_FILE_WRITE, why)) {
        CHECK(!"the file can be opened");
    } else {
        test_beyond(&file);
        clkv_file_close(&file);
    }
    clkv_folder_close(&folder);
    test_lock(path);
    if (program) {
        test_counting(program, path);
        test_death(program, path);
    }
#ifndef _WIN32
    test_fork(path);
#endif
}
