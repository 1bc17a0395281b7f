/* test_binary.c: the files of the program cache. None is taken that is not exactly what was written, that lies
 * under another's name, or that somebody else could have put there; every refusal is logged; and threads and
 * processes that write the same cache at once leave nothing but whole files.
 * SPDX-License-Identifier: Apache-2.0 */
#define _XOPEN_SOURCE 700 /* mkdtemp, nftw, mkfifo */
#include "cache_dir.h"
#include "kernels.h"
#include "open.h"

#include "core/memory.h"
#include "program/binary.h"

#include <clkv/log.h>

#include <pthread.h>
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;
static const char *self;

static const clkv_binary_key one = {"sixteen bytes.."}, another = {"sixteen bytes,,"};

/* The last line that was logged. */
static char logged[1200];
static int n_logged;

static void keep_line(void *user, clkv_log_level level, const char *line)
{
    (void)user, (void)level;
    snprintf(logged, sizeof logged, "%s", line);
    n_logged++;
}

static int load(const clkv_binary_key *key, const char *payload, size_t bytes)
{
    size_t got = 0;
    char *p = clkv_binary_load(cache, key, &got);
    if (!p) return 0;
    ck_assert_uint_eq(got, bytes);
    ck_assert_mem_eq(p, payload, bytes);
    clkv_free(p, got);
    return 1;
}

/* The file of key "one" is taken. */
static void check_taken(void)
{
    ck_assert(load(&one, "abc", 3));
}

/* It is refused, and the log says why. */
static void check_refused(const char *why)
{
    n_logged = 0;
    ck_assert(!load(&one, "abc", 3));
    ck_assert_int_eq(n_logged, 1);
    ck_assert_msg(strstr(logged, why) != NULL, "\"%s\" does not say \"%s\"", logged, why);
}

static void begin_logged(void)
{
    begin();
    n_logged = 0;
    clkv_set_log(keep_line, NULL, CLKV_LOG_WARNING);
}

static void end_logged(void)
{
    clkv_set_log(NULL, NULL, CLKV_LOG_ERROR);
    end();
}

/* Every bit flipped, every length, another file under this name: none is taken. */
START_TEST(a_damaged_file_is_not_taken)
{
    begin_logged();
    char payload[150], path[512], wrong[600];
    for (size_t i = 0; i < sizeof payload; i++) payload[i] = (char)(i * 37);
    ck_assert(!load(&one, payload, sizeof payload));
    ck_assert_int_eq(n_logged, 0); /* there was none: nothing to tell */
    ck_assert_int_eq(clkv_binary_store(cache, &one, payload, sizeof payload), 0);
    ck_assert(load(&one, payload, sizeof payload));
    only_file(path, sizeof path);

    size_t bytes = 0;
    char *good = read_file(path, &bytes), *copy = malloc(bytes + 1);
    ck_assert_uint_eq(bytes, CLKV_BINARY_HEADER_BYTES + sizeof payload);
    for (size_t bit = 0; bit < bytes * 8; bit++) {
        memcpy(copy, good, bytes);
        copy[bit / 8] ^= (char)(1 << bit % 8);
        write_file(path, copy, bytes);
        ck_assert_msg(!load(&one, payload, sizeof payload), "bit %zu flipped", bit);
    }
    ck_assert_int_eq(n_logged, (int)bytes * 8);
    memcpy(copy, good, bytes);
    copy[bytes] = 0;
    for (size_t n = 0; n <= bytes + 1; n++) {
        write_file(path, copy, n);
        ck_assert_int_eq(load(&one, payload, sizeof payload), n == bytes);
    }
    /* A whole and valid file, under the name of another key. */
    ck_assert_int_eq(remove(path), 0);
    ck_assert_int_eq(clkv_binary_store(cache, &another, payload, sizeof payload), 0);
    only_file(wrong, sizeof wrong);
    write_file(wrong, good, bytes);
    ck_assert(!load(&another, payload, sizeof payload));
    ck_assert_int_eq(clkv_binary_store(cache, &another, payload, 1), 0);
    ck_assert(load(&another, payload, 1));
    free(good);
    free(copy);
    end_logged();
}
END_TEST

START_TEST(a_file_that_others_could_have_made_is_not_taken)
{
    begin_logged();
    char path[512], aside[128];
    const mode_t mask = umask(0); /* the modes are clkv's own choice */
    ck_assert_int_eq(clkv_binary_store(cache, &one, "abc", 3), 0);
    umask(mask);
    only_file(path, sizeof path);
    snprintf(aside, sizeof aside, "%s/aside", dir);
    struct stat s;
    ck_assert_int_eq(stat(path, &s), 0);
    ck_assert_uint_eq(s.st_mode & 07777, 0600);

    static const mode_t modes[] = {0620, 0602, 0666, 0777};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        ck_assert_int_eq(chmod(path, modes[i]), 0);
        check_refused("writable by others");
    }
    ck_assert_int_eq(chmod(path, 0644), 0); /* readable is fine: there is no secret in it */
    check_taken();
    if (geteuid() == 0) { /* only root can give a file away */
        ck_assert_int_eq(chown(path, 65534, 65534), 0);
        check_refused("of another user");
        ck_assert_int_eq(chown(path, 0, 0), 0);
        check_taken();
    }
    ck_assert_int_eq(rename(path, aside), 0);
    ck_assert_int_eq(symlink(aside, path), 0);
    check_refused("symbolic link");
    ck_assert_int_eq(clkv_binary_store(cache, &one, "abc", 3), 0); /* replaces the link, not what it names */
    check_taken();
    ck_assert_int_eq(remove(path), 0);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    check_refused("not a regular file"); /* and does not hang */
    ck_assert_int_eq(remove(path), 0);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    check_refused("not a regular file");
    ck_assert_int_eq(clkv_binary_store(cache, &one, "abc", 3), -1);
    only_file(path, sizeof path); /* no temporary file is left */
    end_logged();
}
END_TEST

START_TEST(a_directory_that_others_could_fill_is_not_used)
{
    begin_logged();
    char path[512], aside[128], parent[96];
    const mode_t mask = umask(0);
    ck_assert_int_eq(clkv_binary_store(cache, &one, "abc", 3), 0);
    umask(mask);
    struct stat s;
    snprintf(parent, sizeof parent, "%s/made", dir);
    ck_assert_int_eq(stat(cache, &s), 0);
    ck_assert_uint_eq(s.st_mode & 07777, 0700);
    ck_assert_int_eq(stat(parent, &s), 0);
    ck_assert_uint_eq(s.st_mode & 07777, 0700);

    static const mode_t modes[] = {0720, 0702, 01777};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        ck_assert_int_eq(chmod(cache, modes[i]), 0);
        check_refused("writable by others");
        ck_assert_int_eq(clkv_binary_store(cache, &another, "x", 1), -1);
        only_file(path, sizeof path);
    }
    ck_assert_int_eq(chmod(cache, 0755), 0);
    check_taken();
    if (geteuid() == 0) {
        ck_assert_int_eq(chown(cache, 65534, 65534), 0);
        check_refused("of another user");
        ck_assert_int_eq(clkv_binary_store(cache, &another, "x", 1), -1);
        ck_assert_int_eq(chown(cache, 0, 0), 0);
        check_taken();
    }
    snprintf(aside, sizeof aside, "%s/aside", dir);
    ck_assert_int_eq(rename(cache, aside), 0);
    ck_assert_int_eq(symlink(aside, cache), 0);
    check_refused(cache);
    ck_assert_int_eq(clkv_binary_store(cache, &another, "x", 1), -1);
    ck_assert_int_eq(remove(cache), 0);
    ck_assert_int_eq(rename(aside, cache), 0);
    only_file(path, sizeof path);
    check_taken();
    end_logged();
}
END_TEST

enum { WRITERS = 4, KEYS = 2, ROUNDS = 150 };

/* What a writer stores: of its own length, and every byte its own. */
static size_t payload_of(int writer, char *payload)
{
    const size_t bytes = 40000 + (size_t)writer * 9973;
    memset(payload, 'a' + writer, bytes);
    return bytes;
}

/* Stores and loads by turns. NULL, or what was wrong. */
static const char *write_and_read(int writer)
{
    static const clkv_binary_key *const keys[KEYS] = {&one, &another};
    char payload[40000 + 9973 * WRITERS];
    const size_t bytes = payload_of(writer, payload);
    for (int i = 0; i < ROUNDS; i++) {
        if (clkv_binary_store(cache, keys[i % KEYS], payload, bytes)) return "store";
        size_t got = 0;
        char *p = clkv_binary_load(cache, keys[(i + writer) % KEYS], &got);
        if (!p && i > 0) return "load";
        if (!p) continue;
        const char by = p[0];
        if (by < 'a' || by >= 'a' + WRITERS || got != 40000 + (size_t)(by - 'a') * 9973) return "length";
        for (size_t k = 0; k < got; k++)
            if (p[k] != by) return "mixture of two files";
        clkv_free(p, got);
    }
    return NULL;
}

static void *writer_thread(void *arg)
{
    return (void *)write_and_read((int)(intptr_t)arg);
}

/* How many files the cache has. */
static int count_files(void)
{
    int n = 0;
    DIR *d = opendir(cache);
    ck_assert_ptr_nonnull(d);
    for (struct dirent *e; (e = readdir(d));) n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

START_TEST(threads_write_at_once)
{
    begin_logged();
    pthread_t threads[WRITERS];
    for (intptr_t i = 0; i < WRITERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, writer_thread, (void *)i), 0);
    for (int i = 0; i < WRITERS; i++) {
        void *wrong = NULL;
        ck_assert_int_eq(pthread_join(threads[i], &wrong), 0);
        ck_assert_msg(!wrong, "%s", (const char *)wrong);
    }
    ck_assert_int_eq(n_logged, 0);
    ck_assert_int_eq(count_files(), KEYS);
    end_logged();
}
END_TEST

/* Runs this program with two arguments. */
static pid_t run_self(const char *what, const char *arg)
{
    char *const argv[] = {(char *)self, (char *)what, (char *)arg, NULL};
    pid_t child = 0;
    ck_assert_int_eq(posix_spawn(&child, self, NULL, NULL, argv, environ), 0);
    return child;
}

static int result_of(pid_t child)
{
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

START_TEST(processes_write_at_once)
{
    begin();
    pid_t children[WRITERS];
    char arg[128];
    for (int i = 0; i < WRITERS; i++) {
        snprintf(arg, sizeof arg, "%d%s", i, cache);
        children[i] = run_self("files", arg);
    }
    for (int i = 0; i < WRITERS; i++) ck_assert_int_eq(result_of(children[i]), 0);
    ck_assert_int_eq(count_files(), KEYS);
    end();
}
END_TEST

/* Processes that start together with an empty cache: each builds or finds, all work, the next one finds. */
START_TEST(programs_of_several_processes)
{
    begin();
    pid_t children[3];
    for (int i = 0; i < 3; i++) children[i] = run_self("program", cache);
    for (int i = 0; i < 3; i++) {
        const int result = result_of(children[i]);
        ck_assert_msg(result == 'b' || result == 'd' || result == 'n', "%d", result);
    }
    const int last = result_of(run_self("program", cache));
    if (last == 'n') {
        printf("no disk cache on this device: not tried\n");
    } else {
        ck_assert_int_eq(last, 'd');
        ck_assert_int_eq(count_files(), 1);
    }
    end();
}
END_TEST

/* What a device with that cache directory says of it. */
static const char *problem_of(const char *directory)
{
    static char text[200];
    clkv_device_params params = CLKV_PARAMS_INIT(clkv_device_params);
    params.cache_dir = directory;
    clkv_device *device = NULL;
    ck_assert_int_eq(clkv_device_open(&device, &params), CLKV_OK);
    memset(text, 'x', sizeof text);
    ck_assert_int_eq(clkv_device_get_cache_problem(device, text, sizeof text), CLKV_OK);
    char little[5];
    ck_assert_int_eq(clkv_device_get_cache_problem(device, little, sizeof little), CLKV_OK);
    ck_assert_int_eq(strncmp(little, text, 4), 0);
    ck_assert_uint_eq(strlen(little), strlen(text) < 4 ? strlen(text) : 4);
    ck_assert_int_eq(clkv_device_get_cache_problem(device, text, 0), CLKV_ERROR_INVALID);
    ck_assert_int_eq(clkv_device_get_cache_problem(device, NULL, 5), CLKV_ERROR_INVALID);
    ck_assert_str_eq(clkv_last_error()->where, "clkv_device_get_cache_problem");
    clkv_device_close(&device);
    return text;
}

START_TEST(what_is_wrong_with_the_directory_can_be_asked)
{
    begin();
    char aside[128], below[160];
    snprintf(aside, sizeof aside, "%s/aside", dir);
    snprintf(below, sizeof below, "%s/file/deep/deeper", dir);
    ck_assert_str_eq(problem_of(cache), ""); /* it is not there, and will be made */
    ck_assert_int_eq(access(cache, F_OK), -1);
    ck_assert_str_eq(problem_of(""), "");
    ck_assert_int_eq(clkv_binary_store(cache, &one, "abc", 3), 0);
    ck_assert_str_eq(problem_of(cache), "");
    ck_assert_int_eq(chmod(cache, 0775), 0);
    ck_assert_str_eq(problem_of(cache), "writable by others");
    ck_assert_int_eq(chmod(cache, 0700), 0);
    ck_assert_int_eq(symlink(cache, aside), 0);
    ck_assert_str_eq(problem_of(aside), "a link");
    snprintf(aside, sizeof aside, "%s/file", dir);
    write_file(aside, "", 0);
    ck_assert_str_eq(problem_of(aside), "not a directory");
    ck_assert_str_eq(problem_of(below), "Not a directory");
    if (geteuid() == 0) {
        ck_assert_int_eq(chown(cache, 1, 1), 0);
        ck_assert_str_eq(problem_of(cache), "of another user");
        ck_assert_int_eq(chown(cache, 0, 0), 0);
    } else {
        ck_assert_int_eq(chmod(cache, 0500), 0);
        ck_assert_str_eq(problem_of(cache), "cannot be written: Permission denied");
        ck_assert_str_eq(problem_of("/usr/none/none"), "cannot be made: Permission denied");
        ck_assert_int_eq(chmod(cache, 0700), 0);
    }
    end();
}
END_TEST

/* One process of programs_of_several_processes: says how it got its program by its exit status. */
static int live(const char *directory)
{
    clkv_device_params params = CLKV_PARAMS_INIT(clkv_device_params);
    params.cache_dir = directory;
    clkv_device *device = NULL;
    cl_kernel kernel = NULL;
    if (clkv_device_open(&device, &params)) return 1;
    if (kernel_of(device, "fixed", "-DSTEP=3u", "fixed", &kernel)) return 2;
    cl_uint x[4] = {0};
    cl_int err = CL_SUCCESS;
    cl_mem mem = clCreateBuffer(clkv_device_context(device), CL_MEM_COPY_HOST_PTR, sizeof x, x, &err);
    const size_t global = 4, local = 1;
    cl_command_queue queue = clkv_device_queue(device);
    if (err || clSetKernelArg(kernel, 0, sizeof mem, &mem) ||
        clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &global, &local, 0, NULL, NULL) ||
        clEnqueueReadBuffer(queue, mem, CL_TRUE, 0, sizeof x, x, 0, NULL, NULL))
        return 3;
    clReleaseMemObject(mem);
    clReleaseKernel(kernel);
    uint64_t built = 0, from_disk = 0;
    clkv_device_get_program_counts(device, &built, &from_disk);
    clkv_device_info info = CLKV_PARAMS_INIT(clkv_device_info);
    if (clkv_device_get_info(device, &info)) return 4;
    clkv_device_close(&device);
    for (int i = 0; i < 4; i++)
        if (x[i] != 3) return 5;
    if (built + from_disk != 1) return 6;
    return !*info.cache_dir ? 'n' : built ? 'b' : 'd';
}

int main(int argc, char **argv)
{
    self = argv[0];
    if (argc == 3 && !strcmp(argv[1], "program")) return live(argv[2]);
    if (argc == 3 && !strcmp(argv[1], "files")) {
        snprintf(cache, sizeof cache, "%s", argv[2] + 1);
        const char *wrong = write_and_read(argv[2][0] - '0');
        if (wrong) fprintf(stderr, "%s\n", wrong);
        return wrong != NULL;
    }
    Suite *suite = suite_create("binary");
    TCase *tests = tcase_create("binary");
    tcase_set_timeout(tests, 600);
    tcase_add_test(tests, a_damaged_file_is_not_taken);
    tcase_add_test(tests, a_file_that_others_could_have_made_is_not_taken);
    tcase_add_test(tests, a_directory_that_others_could_fill_is_not_used);
    tcase_add_test(tests, threads_write_at_once);
    tcase_add_test(tests, processes_write_at_once);
    if (without_device() < 0) {
        tcase_add_test(tests, programs_of_several_processes);
        tcase_add_test(tests, what_is_wrong_with_the_directory_can_be_asked);
    }
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
