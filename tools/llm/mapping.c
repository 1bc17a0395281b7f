/* mapping.c: see mapping.h. SPDX-License-Identifier: Apache-2.0 */
#include "mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int llm_mapping_open(llm_mapping *out, const char *path, char *why)
{
    struct stat st;
    const char *shown = llm_shown_path(path);
    int result = -1;
    *out = (llm_mapping){0};
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return llm_fail(why, "%s: %s", shown, strerror(errno));
    if (fstat(fd, &st)) {
        llm_fail(why, "%s: %s", shown, strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        llm_fail(why, "%s: not an ordinary file", shown);
    } else if (st.st_size == 0) {
        llm_fail(why, "%s: the file is empty", shown);
    } else if ((uintmax_t)st.st_size > SIZE_MAX) {
        llm_fail(why, "%s: larger than this machine can map", shown);
    } else {
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED) {
            llm_fail(why, "%s: cannot be mapped: %s", shown, strerror(errno));
        } else {
            *out = (llm_mapping){p, (size_t)st.st_size};
            result = 0;
        }
    }
    close(fd);
    return result;
}

void llm_mapping_close(llm_mapping *m)
{
    if (m->data) munmap((void *)(uintptr_t)m->data, m->bytes);
    *m = (llm_mapping){0};
}
