/* consumer.c: the smallest program on top of an installed clkv; valid C11 and C++17.
 * SPDX-License-Identifier: Apache-2.0 */
#include <clkv/clkv.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
    char built[32];
    snprintf(built, sizeof built, "%d.%d.%d", CLKV_VERSION_MAJOR, CLKV_VERSION_MINOR, CLKV_VERSION_PATCH);
    if (strcmp(clkv_version(), built) != 0) {
        printf("compiled for clkv %s, running with %s\n", built, clkv_version());
        return 1;
    }
    clkv_manager_params params;
    memset(&params, 0, sizeof params);
    params.size = sizeof params;
    params.blocks = 8;
    clkv_manager *manager = NULL;
    if (clkv_manager_create(&manager, &params) != CLKV_OK) {
        printf("%s\n", clkv_last_error()->message);
        return 1;
    }
    const int good = clkv_manager_blocks(manager) == 8 && clkv_manager_block_size(manager) == 16;
    clkv_manager_destroy(&manager);
#if CLKV_HAVE_OPENCL
    /* Links the device half too; whether there is a device does not matter here. */
    size_t found = 0;
    if (clkv_device_list(NULL, 0, &found) != CLKV_OK) {
        printf("%s\n", clkv_last_error()->message);
        return 1;
    }
#endif
    return good ? 0 : 1;
}
