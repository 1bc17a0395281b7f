/* files.h: what the model tests share: files made for one test, and models opened from them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TESTS_LLM_FILES_H
#define CLKV_TESTS_LLM_FILES_H

#include "../unit/support.h"
#include "model_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifndef O_BINARY
#define O_BINARY 0 /* Windows writes two bytes for a line end without it */
#endif

/* Names a file that is not there yet; remove() it in the end. */
static inline void temporary_path(char path[64])
{
    strcpy(path, "/tmp/clkv-llm-XXXXXX");
    const int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

static inline void write_whole(const char *path, const void *data, size_t bytes)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_BINARY, 0600);
    must(fd >= 0);
    must(bytes == 0 || write(fd, data, bytes) == (ssize_t)bytes);
    must(!close(fd));
}

/* A checkpoint of these bytes must be refused, with a line that names the file and holds `want`. */
static inline void must_refuse(const char *path, const char *tokenizer, const char *want)
{
    llm_model *m;
    char why[WHY_BYTES] = "";
    if (!llm_model_open(&m, path, tokenizer, why)) ck_abort_msg("opened, though: %s", want);
    must(m == NULL);
    if (!strstr(why, want)) ck_abort_msg("'%s' is not in '%s'", want, why);
    must(!strchr(why, '\n'));
}

/* It may be opened or refused; nothing else may happen, and an open one must be sound. */
static inline int try_open(const char *path, const char *tokenizer)
{
    llm_model *m;
    char why[WHY_BYTES] = "";
    if (llm_model_open(&m, path, tokenizer, why)) {
        must(m == NULL && *why);
        return 0;
    }
    ck_valid(llm_model_check(m));
    llm_model_close(&m);
    must(m == NULL);
    return 1;
}

/* NULL, and a line, without the real data. */
static inline const char *shared_file(const char *name, char path[512])
{
    const char *folder = getenv("CLKV_SHARED_DATA");
    snprintf(path, 512, "%s/%s", folder ? folder : "", name);
    if (folder && !access(path, R_OK)) return path;
    printf("skipped: no %s\n", path);
    return NULL;
}

#endif
