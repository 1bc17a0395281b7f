/* set.h: the devices of the machine that can be used. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_DEVICE_SET_H
#define CLKV_DEVICE_SET_H

#include "device/facts.h"

typedef struct clkv_device_set {
    clkv_facts *facts; /* in index order */
    size_t n, capacity;
    size_t platforms;   /* platforms that were found, with or without devices */
    char without[160];  /* names of platforms without devices, "first, second", cut to fit */
    size_t n_skipped;   /* devices and platforms that were left out */
    clkv_error skipped; /* the reason for the last of them */
} clkv_device_set;

#endif
