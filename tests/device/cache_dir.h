/* cache_dir.h: a program cache in an empty directory of its own, for the length of a test. Include it first: it
 * wants _XOPEN_SOURCE 700. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TESTS_CACHE_DIR_H
#define CLKV_TESTS_CACHE_DIR_H

#include "../unit/support.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64], cache[96];

static inline int remove_one(const char *path, const struct stat *s, int type, struct FTW *at)
{
    (void)s, (void)type, (void)at;
    return remove(path);
}

static inline void begin(void)
{
    snprintf(dir, sizeof dir, "/tmp/clkv-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(cache, sizeof cache, "%s/made/here", dir);
}

static inline void end(void)
{
    ck_assert_int_eq(nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* The only file of the cache. */
static inline void only_file(char *path, size_t size)
{
    int n = 0;
    DIR *d = opendir(cache);
    ck_assert_ptr_nonnull(d);
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        snprintf(path, size, "%s/%s", cache, e->d_name);
        n++;
    }
    closedir(d);
    ck_assert_int_eq(n, 1);
}

static inline char *read_file(const char *path, size_t *bytes)
{
    FILE *f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    char *p = malloc(1 << 22);
    *bytes = fread(p, 1, 1 << 22, f);
    fclose(f);
    return p;
}

static inline void write_file(const char *path, const char *data, size_t bytes)
{
    remove(path);
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(data, 1, bytes, f), bytes);
    ck_assert_int_eq(fclose(f), 0);
    ck_assert_int_eq(chmod(path, 0600), 0);
}

#endif
