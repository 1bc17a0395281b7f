/* forked.h: what a child of fork() finds, as a test of its own. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TESTS_FORKED_H
#define CLKV_TESTS_FORKED_H

#include "fault.h"

#include "../device/open.h"

/* What main() of such a test does: finds the layer and a device, and runs the test. */
int forked_main(fault_control **control, const char *name, const TTest *test);

/* Forks, and fails unless in_child(user) returns 0 in the child, within a minute. Any other number says which of its
 * checks failed. */
void forked_check(int (*in_child)(void *user), void *user);

/* Fails unless nothing lives any more: neither memory of the allocator, which is taken away, nor an OpenCL object. */
void forked_ended(const fault_control *control, const fail_allocator *allocator);

#endif
