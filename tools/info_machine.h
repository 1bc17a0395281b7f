/* info_machine.h: the devices of this machine, each one opened, and what the library said meanwhile.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_INFO_MACHINE_H
#define CLKV_TOOLS_INFO_MACHINE_H

#include <clkv/clkv.h>

#include <stdbool.h>

/* What the library said: while it looked for devices everything (platforms and devices that it left out, and why), else
 * warnings. */
typedef struct info_notes {
    char *lines[64];
    size_t n;
    bool open; /* it is looking for devices */
} info_notes;

/* A device as it is opened: its facts with variant and cache directory, and its quirks. */
typedef struct info_device {
    clkv_device *device; /* NULL: it does not open */
    clkv_device_info info;
    char why[320]; /* it does not */
    char cache_problem[160]; /* "" = none */
} info_device;

typedef struct info_machine {
    info_device *devices;
    size_t n;
    uint32_t best; /* its index */
    info_notes notes;
    char why[400]; /* there is no device, or none that was asked for; else "" */
} info_machine;

/* Looks at all devices, or at the one that `select` names. NULL: as the environment says. 0, or after a message what to
 * exit with; where that is EXIT_NO_DEVICE, `why` and the notes have the reasons. */
int info_machine_look(info_machine *m, const char *select, const char *variant);
void info_machine_free(info_machine *m);

/* What clkv-info exits with: whether one of the devices can be used. */
int info_machine_code(const info_machine *m);

const char *info_kind_name(clkv_device_kind kind);

#endif
