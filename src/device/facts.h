/* facts.h: the properties of a device, as the driver reports them. All queries are in facts.c. A query newer than
 * OpenCL 1.2 is made only if the device reports the version or the extension. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_DEVICE_FACTS_H
#define CLKV_DEVICE_FACTS_H

#include <clkv/device.h>

typedef struct clkv_facts {
    cl_platform_id platform;
    cl_device_id id;
    clkv_device_info info; /* index, variant, cache_dir and out_of_order are left to the caller */
    uint32_t min_sub_group; /* lanes of the smallest sub-group that a kernel can ask for; 0: it cannot ask */
    /* Sizes of a core's first- and second-level data caches on a CPU device; 0: not known, or no CPU. */
    uint32_t l1_bytes, l2_bytes;
    uint32_t vector_floats; /* that a vector register of a CPU device holds; 0 as above */
    uint64_t identity[2];  /* hash of the full platform, device and driver names and versions */
} clkv_facts;

/* Queries all facts. UNSUPPORTED: the device is not available, has no compiler, is below OpenCL 1.2 or big-endian;
 * the message has the reason. DEVICE: a query failed. NO_MEMORY. */
clkv_status clkv_facts_query(clkv_facts *out, cl_platform_id platform, cl_device_id id);

#endif
