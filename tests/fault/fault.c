/* fault.c: how a test finds the layer that it runs on. SPDX-License-Identifier: Apache-2.0 */
#include "fault.h"

#include <dlfcn.h>
#include <stdlib.h>

fault_control *fault_control_find(void)
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
