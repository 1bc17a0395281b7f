/* clblast.c: see clblast.h. SPDX-License-Identifier: Apache-2.0 */
#include "clblast.h"

#include <clblast_c.h>

#include <stdio.h>
#include <string.h>

#define MOST_PARAMETERS 16

/* A kernel of CLBlast's by the name that CLBlastOverrideParameters knows it by, and all of its parameters. */
typedef struct tuned_kernel {
    const char *kernel;
    struct {
        const char *name;
        size_t value;
    } parameters[MOST_PARAMETERS];
} tuned_kernel;

typedef struct tuned_device {
    const char *name; /* what the device's name begins with */
    tuned_kernel kernels[8];
} tuned_device;

/* pocl's CPU devices: pocl 3.1 (LLVM 15) on two cores of an AMD EPYC with AVX-512, CLBlast 1.5.3, fp32. Few
 * work-items with much work each are best there. What is not in the table was no better than CLBlast's own values:
 * XgemmDirect, which serves up to 23 tokens of a 2,048 by 2,048 matrix, got slower with those that
 * clblast_tuner_xgemm_direct found for its square product. */
static const tuned_device table[] = {
    {"pthread-",
     {
         {"Xgemm",
          {{"GEMMK", 0}, {"KREG", 1}, {"KWG", 32}, {"KWI", 2}, {"MDIMA", 8}, {"MDIMC", 8}, {"MWG", 128}, {"NDIMB", 8},
           {"NDIMC", 8}, {"NWG", 64}, {"SA", 0}, {"SB", 1}, {"STRM", 0}, {"STRN", 0}, {"VWM", 8}, {"VWN", 8}}},
         {"GemmRoutine", {{"XGEMM_MIN_INDIRECT_SIZE", 464}}}, /* cube root of a product's size; below: XgemmDirect */
         {"Copy", {{"COPY_DIMX", 32}, {"COPY_DIMY", 16}, {"COPY_VW", 4}, {"COPY_WPT", 4}}},
         {"Transpose", {{"TRA_DIM", 8}, {"TRA_PAD", 0}, {"TRA_SHUFFLE", 0}, {"TRA_WPT", 8}}},
         {"Padtranspose", {{"PADTRA_PAD", 0}, {"PADTRA_TILE", 8}, {"PADTRA_WPT", 4}}},
         {"XgemvFastRot", {{"VW3", 8}, {"WGS3", 16}, {"WPT3", 16}}},
     }},
};

static int give(cl_device_id device, const tuned_kernel *k, char *why)
{
    const char *names[MOST_PARAMETERS];
    size_t values[MOST_PARAMETERS], n = 0;
    for (; n < MOST_PARAMETERS && k->parameters[n].name; n++) {
        names[n] = k->parameters[n].name;
        values[n] = k->parameters[n].value;
    }
    const CLBlastStatusCode status =
        CLBlastOverrideParameters(device, k->kernel, CLBlastPrecisionSingle, n, names, values);
    if (status == CLBlastSuccess) return 0;
    return llm_fail(why, "CLBlast refuses the tuned parameters of %s (%d)", k->kernel, (int)status);
}

int llm_clblast_tune(cl_device_id device, char *why)
{
    char name[256] = "";
    int given = 0;
    const cl_int err = clGetDeviceInfo(device, CL_DEVICE_NAME, sizeof name - 1, name, NULL);
    if (err != CL_SUCCESS) return llm_fail(why, "clGetDeviceInfo failed (%d)", (int)err);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const tuned_device *d = &table[i];
        if (strncmp(name, d->name, strlen(d->name))) continue;
        for (size_t k = 0; k < sizeof d->kernels / sizeof *d->kernels && d->kernels[k].kernel; k++, given++)
            if (give(device, &d->kernels[k], why)) return -1;
        break;
    }
    return given;
}
