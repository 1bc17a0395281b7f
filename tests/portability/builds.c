/* builds.c: prints how clkv would build each of its kernels for a kind of device, for compile.py: a line per
 * build, fields separated by tabs:
 *
 *   shape   file   kernel   options
 *
 * usage: builds cpu|integrated|discrete [SMALLEST SUB-GROUP, of an Intel GPU]
 *
 * The options come from the library's own tables (quirks, tuning) and code, so that what is compiled is what such
 * a device would really get. SPDX-License-Identifier: Apache-2.0 */
#include "device/quirks.h"
#include "ops/kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What models have: heads are per KV head. The first one is built for every family, the others where the shape
 * changes the kernel much. */
static const struct {
    const char *name;
    uint32_t head_dim, head_dim_v, group, block_size;
    clkv_type k_type, v_type, in, out;
    uint32_t slabs;
    int only_attention;
} shapes[] = {
    /* name           dims      group block K         V         in        out       slabs */
    { "d128 g4",      128, 128, 4,    16,   CLKV_F16, CLKV_F16, CLKV_F32, CLKV_F32, 1,  0 },
    { "d128 g8 f16",  128, 128, 8,    16,   CLKV_F16, CLKV_F16, CLKV_F16, CLKV_F16, 2,  1 },
    { "d128 g4 f32",  128, 128, 4,    16,   CLKV_F32, CLKV_F32, CLKV_F32, CLKV_F32, 1,  1 },
    { "d64 g1",       64,  64,  1,    16,   CLKV_F16, CLKV_F16, CLKV_F32, CLKV_F32, 1,  1 },
    { "d256 g2 b32",  256, 256, 2,    32,   CLKV_F16, CLKV_F16, CLKV_F32, CLKV_F16, 1,  1 },
    { "d192/128 g1",  192, 128, 1,    16,   CLKV_F16, CLKV_F16, CLKV_F16, CLKV_F32, 4,  1 },
    { "d80 g7 b8",    80,  80,  7,    8,    CLKV_F32, CLKV_F16, CLKV_F32, CLKV_F32, 1,  0 },
    { "d96 g3 b1",    96,  96,  3,    1,    CLKV_F16, CLKV_F16, CLKV_F32, CLKV_F32, 32, 0 },
};

static int usage(void)
{
    fprintf(stderr, "usage: builds cpu|integrated|discrete [SMALLEST SUB-GROUP]\n");
    return 2;
}

int main(int argc, char **argv)
{
    static const char *const kinds[] = { [CLKV_DEVICE_GPU_DISCRETE] = "discrete",
                                         [CLKV_DEVICE_GPU_INTEGRATED] = "integrated",
                                         [CLKV_DEVICE_CPU] = "cpu" };
    if (argc < 2 || argc > 3) return usage();
    size_t kind = 0;
    while (kind < sizeof kinds / sizeof *kinds && !(kinds[kind] && !strcmp(kinds[kind], argv[1]))) kind++;
    if (kind == sizeof kinds / sizeof *kinds) return usage();

    clkv_facts facts = { .info = { .kind = (clkv_device_kind)kind, .max_work_group = 1024 } };
    if (argc == 3) {
        facts.min_sub_group = (uint32_t)strtoul(argv[2], NULL, 10);
        snprintf(facts.info.platform, sizeof facts.info.platform, "Intel(R) OpenCL Graphics");
    }
    clkv_tuning tuning;
    if (clkv_tuning_choose(&tuning, &facts, clkv_quirks_match(&facts), NULL)) return 1;

    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        clkv_ops ops = { .tuning = tuning };
        ops.shape = (clkv_shape){ 32, 8 * shapes[i].group, 8, shapes[i].head_dim, shapes[i].head_dim_v,
                                  shapes[i].block_size, shapes[i].k_type, shapes[i].v_type };
        ops.slabs.args = shapes[i].slabs;
        ops.tile_tokens = clkv_ops_tile_tokens(&ops);
        for (int f = 0; f < CLKV_FAMILIES; f++) {
            if (shapes[i].only_attention && f != CLKV_FAMILY_ATTENTION) continue;
            const clkv_spec spec = clkv_ops_spec(&ops, (clkv_family)f, shapes[i].in, shapes[i].out);
            char text[CLKV_SPEC_BYTES];
            if (clkv_spec_print(&spec, text, sizeof text)) return 1;
            printf("%s\t%s\t%s\t" CLKV_BUILD_OPTIONS " %s\n", shapes[i].name, clkv_spec_file(&spec),
                   clkv_spec_kernel(&spec), clkv_spec_options(text));
        }
    }
    return 0;
}
