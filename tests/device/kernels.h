/* kernels.h: small kernels in the place of the library's own. A program that defines clkv_sources itself
 * does not get the embedded ones out of the static library. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TESTS_KERNELS_H
#define CLKV_TESTS_KERNELS_H

#include "program/program.h"
#include "program/source.h"

#define SOURCE(name, text) { name, text, sizeof(text) - 1, 0 }
#define SHARED(name, text) { name, text, sizeof(text) - 1, 1 }

const clkv_source clkv_sources[] = {
    SHARED("prelude", "#ifndef STEP\n#define STEP 1\n#endif\n"),
    /* x = 3x + a, after some idle turns: the order of several launches shows in the result */
    SOURCE("affine", "__kernel void affine(__global uint *x, uint a, uint turns)\n"
                     "{\n"
                     "    size_t i = get_global_id(0);\n"
                     "    uint y = x[i];\n"
                     "    for (uint t = 0; t < turns; t++) y = y * 1664525u + 1013904223u;\n"
                     "    if (y == 123456789u && turns == 99u) x[i] = y;\n"
                     "    x[i] = x[i] * 3u + a;\n"
                     "}\n"),
    SOURCE("fixed", "__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void fixed(__global uint *x)\n"
                    "{\n"
                    "    x[get_global_id(0)] += STEP;\n"
                    "}\n"),
    SOURCE("other", "__kernel void other(__global uint *x) { x[get_global_id(0)] = 7u; }\n"),
    SOURCE("broken", "__kernel void broken(__global uint *x) { x[0] = this_is_not_declared; }\n"),
    { 0, 0, 0, 0 },
};

/* One of them, compiled for a device. */
static inline clkv_status kernel_of(clkv_device *device, const char *file, const char *options, const char *name,
                                    cl_kernel *out)
{
    clkv_programs *programs = NULL;
    const clkv_wish wish = { .file = file, .options = options, .kernel = name };
    const clkv_status st = clkv_programs_of(&programs, device);
    return st ? st : clkv_program_kernel(programs, &wish, out);
}

#endif
