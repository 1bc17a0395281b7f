/* exchange.c: writes files on one system that the same program reads on another: exchange write FOLDER, or
 * exchange read FOLDER. exchange.py runs it for every system that this machine can run.
 *
 * FOLDER gets entries of the program cache. One has a key that is the same everywhere: each system reads what each has
 * written. The other's key has the system and the processor in it, as the keys of real binaries have: it is found on
 * the system that wrote it only. SPDX-License-Identifier: Apache-2.0 */
#include "core/memory.h"
#include "os/arguments.h"
#include "os/machine.h"
#include "program/binary.h"

#include <stdio.h>
#include <string.h>

static const char payload[] = "what a driver gave";

static clkv_binary_key key_of(const char *text)
{
    const clkv_binary_part part = {text, strlen(text)};
    clkv_binary_key key;
    clkv_binary_key_make(&key, &part, 1);
    return key;
}

static int found(const char *folder, const char *text)
{
    const clkv_binary_key key = key_of(text);
    size_t bytes = 0;
    void *data = clkv_binary_load(folder, &key, &bytes);
    const int same = data && bytes == sizeof payload && !memcmp(data, payload, bytes);
    clkv_free(data, bytes);
    return same;
}

static int stored(const char *folder, const char *text)
{
    const clkv_binary_key key = key_of(text);
    return !clkv_binary_store(folder, &key, payload, sizeof payload);
}

int main(int argc, char **argv)
{
    clkv_os_arguments(&argc, &argv);
    if (argc != 3) return 2;
    const char *folder = argv[2], *machine = clkv_machine_name();
    if (!strcmp(argv[1], "write")) return stored(folder, "any") && stored(folder, machine) ? 0 : 1;
    printf("%s any:%s own:%s\n", machine, found(folder, "any") ? "found" : "absent",
           found(folder, machine) ? "found" : "absent");
    return 0;
}
