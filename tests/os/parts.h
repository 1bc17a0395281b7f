/* parts.h: what the files of test_os share. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TESTS_OS_PARTS_H
#define CLKV_TESTS_OS_PARTS_H

#include <stddef.h>

#define CHECK(condition) check((condition) != 0, #condition, __FILE__, __LINE__)

void check(int good, const char *condition, const char *file, int line); /* from any thread */
int is_zero(const char *bytes, size_t n);

extern const char *work; /* the folder for the tests' files */

/* The parts that are not in test_os.c. `program` is the program itself, which they start once more with child_word and
 * what the child is to do; NULL: it cannot be started. */
extern char child_word[];
void test_paths(void);
void test_files(char *program);
int child_that_counts(const char *folder);
int child_that_dies(const char *folder);

#endif
