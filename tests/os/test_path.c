/* test_path.c: what programs do with files by their paths. SPDX-License-Identifier: Apache-2.0 */
#include "parts.h"

#include "os/child.h"
#include "os/content.h"
#include "os/descriptor.h"
#include "os/folder.h"
#include "os/mapping.h"
#include "os/path.h"
#include "os/scratch.h"
#include "os/terminal.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static const char content[] = "line\r\n\032\n\0end"; /* what a text file of Windows would not keep */

static void write_content(const char *path, size_t bytes)
{
    FILE *file = clkv_path_create(path);
    CHECK(file);
    if (!file) return;
    CHECK(fwrite(content, 1, bytes, file) == bytes);
    CHECK(!fclose(file));
}

static void test_named(const char *path, const char *other)
{
    clkv_mapping m = { 0 };
    char why[CLKV_OS_WHY];
    write_content(path, 0);
    CHECK(!clkv_mapping_open(&m, path, why) && !m.data && !m.bytes);
    clkv_mapping_close(&m);
    write_content(other, sizeof content);
    CHECK(!clkv_path_is_special(other) && clkv_path_is_special(work));
    CHECK(!clkv_path_rename(other, path) && !clkv_path_is_special(other));
    CHECK(clkv_path_rename(other, path) && errno == ENOENT);
    CHECK(clkv_path_remove(other) && errno == ENOENT);
    CHECK(!clkv_mapping_open(&m, path, why) && m.bytes == sizeof content && !memcmp(m.data, content, m.bytes));
    clkv_mapping_close(&m);
    clkv_mapping_close(&m);
    CHECK(clkv_mapping_open(&m, other, why) && *why && !m.data);
    CHECK(clkv_mapping_open(&m, work, why) && !*why && !m.data);
}

/* The last byte of a file of more than 4 GiB; what is before it takes no room on most disks. */
static void test_large(const char *path)
{
    enum { STEP = 1 << 30, STEPS = 4 };
    clkv_mapping m;
    char why[CLKV_OS_WHY];
    FILE *file = sizeof(void *) > 4 ? clkv_path_create(path) : NULL;
    if (!file) return;
    for (int i = 0; i < STEPS; i++) CHECK(!fseek(file, STEP, SEEK_CUR));
    CHECK(fputc('x', file) == 'x' && !fclose(file));
    if (clkv_mapping_open(&m, path, why)) {
        printf("%s\n", why);
        CHECK(!"a large file can be mapped");
    } else {
        CHECK(m.bytes == (size_t)STEP * STEPS + 1 && m.data[m.bytes - 1] == 'x' && !m.data[(size_t)STEP * 3]);
        clkv_mapping_close(&m);
    }
    CHECK(!clkv_path_remove(path));
}

/* COLUMNS wins where it is a number; this file is no terminal, which has a width of its own. */
static void test_columns(int fd)
{
    static const struct {
        const char *value;
        int columns;
    } cases[] = { { "40", 40 },      { "1", 1 },         { "9999", 9999 },     { "10000", 80 },
                  { "0", 80 },       { "-5", 80 },       { " 40", 80 },        { "40x", 80 },
                  { "", 80 },        { "4294967336", 80 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK(!clkv_child_environment("COLUMNS", cases[i].value));
        CHECK(clkv_terminal_columns(fd) == cases[i].columns);
    }
}

static void test_streams(const char *path)
{
    char got[sizeof content + 1];
    atomic_int stop = 1;
    const int fd = clkv_descriptor_open(path);
    CHECK(fd > CLKV_STDERR);
    CHECK(!clkv_terminal_is(fd) && !clkv_terminal_takes_escapes(fd));
    test_columns(fd);
    CHECK(clkv_descriptor_is_ready(fd));
    CHECK(clkv_descriptor_read(fd, got, 1, &stop) == -1 && errno == EINTR);
    stop = 0;
    CHECK(clkv_descriptor_read(fd, got, 6, &stop) == 6);
    CHECK(clkv_descriptor_read(fd, got + 6, sizeof got - 6, NULL) == (ptrdiff_t)sizeof content - 6);
    CHECK(!memcmp(got, content, sizeof content));
    CHECK(clkv_descriptor_read(fd, got, 1, NULL) == 0);
    clkv_descriptor_close(fd);
    const int folder = clkv_descriptor_open(work);
    CHECK(folder < 0 || clkv_descriptor_read(folder, got, 1, NULL) < 0);
    if (folder >= 0) clkv_descriptor_close(folder);
    CHECK(clkv_descriptor_open("nothing of this name") == -1 && errno == ENOENT);
    const int input = clkv_terminal_open_input();
    CHECK(input >= 0);
    if (input != CLKV_STDIN) clkv_descriptor_close(input);
}

static void test_scratch(void)
{
    char base[1024], path[1200], why[CLKV_OS_WHY] = "";
    clkv_folder folder;
    CHECK(clkv_scratch_home(base, sizeof base) == strlen(base) && *base);
    snprintf(base, sizeof base, "%s/scratch \303\274", work);
    const size_t n = strlen(base);
    CHECK(!clkv_scratch_make(base, sizeof base, why) && strlen(base) == n + 7 && base[n] == '-');
    snprintf(path, sizeof path, "%s/deep/deeper", base);
    CHECK(!clkv_folder_make(path, why));
    snprintf(path, sizeof path, "%s/deep/\342\202\254 file", base);
    write_content(path, 1);
    CHECK(!clkv_folder_open(&folder, base, why));
    clkv_folder_close(&folder);
    clkv_scratch_remove(base);
    CHECK(clkv_folder_open(&folder, base, why) && !*why);
    CHECK(clkv_scratch_make(path, strlen(path) + 2, why) && *why);
    snprintf(path, sizeof path, "%s/none/x", work);
    CHECK(clkv_scratch_make(path, sizeof path, why) && *why);
}

static void test_content(void)
{
    char folder[1200], path[1400], why[CLKV_OS_WHY];
    uint64_t files = 9, bytes = 9;
    snprintf(folder, sizeof folder, "%s/content", work);
    CHECK(clkv_os_content(folder, &files, &bytes) && !files && !bytes);
    if (clkv_scratch_make(folder, sizeof folder, why)) {
        CHECK(!"a folder");
        return;
    }
    CHECK(!clkv_os_content(folder, &files, &bytes) && !files && !bytes);
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/\303\244 %d", folder, i);
        FILE *file = clkv_path_create(path);
        CHECK(file && fwrite("12345", 1, (size_t)i, file) == (size_t)i && !fclose(file));
    }
    snprintf(path, sizeof path, "%s/in", folder);
    CHECK(!clkv_scratch_make(path, sizeof path, why));
    CHECK(!clkv_os_content(folder, &files, &bytes) && files == 3 && bytes == 3);
    clkv_scratch_remove(folder);
}

void test_paths(void)
{
    char path[1200], other[1200];
    snprintf(path, sizeof path, "%s/file \303\244", work);
    snprintf(other, sizeof other, "%s/other \360\237\230\200", work);
    test_named(path, other);
    test_streams(path);
    test_large(path);
    test_scratch();
    test_content();
}
