/* fault.c: how a test finds the layer that it runs on. SPDX-License-Identifier: Apache-2.0 */
#include "fault.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static fault_control *find(void)
{
    const char *path = getenv("OPENCL_LAYERS");
    cl_uint n;
    if (!path) return NULL;
    clGetPlatformIDs(0, NULL, &n); /* the loader loads layers at the first call */
    /* The loader's own copy, not a second one. */
    void *layer = dlopen(path, RTLD_LAZY | RTLD_NOLOAD);
    if (!layer) return NULL;
    fault_control *found = dlsym(layer, "fault_layer_control");
    dlclose(layer); /* the loader keeps it */
    return found;
}

int fault_without_layer(fault_control **control)
{
    *control = find();
    if (*control) return -1;
    printf("the OpenCL loader has not loaded the layer (OPENCL_LAYERS): skipped\n");
    return getenv("CLKV_TEST_NEED_DEVICE") ? EXIT_FAILURE : 77;
}
