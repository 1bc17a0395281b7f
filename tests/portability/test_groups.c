/* test_groups.c: the portable kernels in every form that the tuning table could ask of them: work-groups and rows
 * per tile as for GPUs, whatever the device here would have got; and whatever was asked for, no kernel is launched
 * with larger work-groups than its device allows. SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L /* setenv */
#include "../variables.h"

#include "../device/targets.h"
#include "../device/world.h"

#include "cache/state.h"
#include "device/device.h"
#include "ops/kernel.h"

static target targets[MAX_TARGETS];
static size_t n_targets;

static const struct {
    uint32_t work_group, tile_rows;
} forms[] = { { 128, 8 }, { 256, 8 }, { 8, 8 }, { 2, 4 } };

/* The table's own cut: the largest power of two that the device allows. */
static uint32_t cut(const clkv_device *device, uint32_t group)
{
    while (group > device->facts.info.max_work_group) group /= 2;
    return group;
}

/* What the driver was given for each kernel that the cache has made: its reqd_work_group_size, the cache's own
 * figure, and what the device allows that kernel. Returns how many there were. */
static uint32_t check_kernels(const clkv_cache *cache, const clkv_device *device)
{
    static const clkv_type types[] = { CLKV_F32, CLKV_F16 };
    uint32_t n = 0;
    for (int f = 0; f < CLKV_FAMILIES; f++) {
        for (int i = 0; i < 4; i++) {
            const clkv_spec spec = clkv_ops_spec(&cache->ops, (clkv_family)f, types[i / 2], types[i % 2]);
            char text[CLKV_SPEC_BYTES];
            ck_ok(clkv_spec_print(&spec, text, sizeof text));
            const clkv_kernel *k = clkv_kernels_find(&cache->ops.kernels, text);
            size_t built[3] = { 0 }, allowed = 0;
            if (!k) continue;
            n++;
            ck_assert_int_eq(clGetKernelWorkGroupInfo(k->kernel, device->facts.id, CL_KERNEL_COMPILE_WORK_GROUP_SIZE,
                                                      sizeof built, built, NULL), CL_SUCCESS);
            ck_assert_int_eq(clGetKernelWorkGroupInfo(k->kernel, device->facts.id, CL_KERNEL_WORK_GROUP_SIZE,
                                                      sizeof allowed, &allowed, NULL), CL_SUCCESS);
            ck_assert_uint_eq(built[0], k->group);
            ck_assert_uint_le(k->group, allowed);
            ck_assert_uint_le(k->group, device->facts.info.max_work_group);
            if (f == CLKV_FAMILY_ATTENTION && device->tuning.work_group <= allowed)
                ck_assert_uint_eq(k->group, device->tuning.work_group);
        }
    }
    return n;
}

START_TEST(form)
{
    static const char *const lines[] = {
        "dim=256/256 heads=8/2 block=16 kv=f16 in=f32 out=f32 causal=1 split=48 parts=0 slabs=2 scores=random seed=11 "
        "batch=1:150,5:18,17:60",
        "dim=24/80 heads=3/1 block=2 kv=f32 in=f16 out=f16 causal=1 split=0 parts=3 slabs=1 scores=peak seed=12 "
        "batch=1:140,9:33",
    };
    const size_t at = (size_t)_i % (sizeof forms / sizeof *forms);
    clkv_device *device = targets[(size_t)_i / (sizeof forms / sizeof *forms)].device;
    device->tuning.work_group = cut(device, forms[at].work_group);
    device->tuning.copy_group = cut(device, forms[at].work_group);
    device->tuning.tile_rows = forms[at].tile_rows;
    test_case c;
    world w;
    ck_assert(case_parse(&c, lines[at % 2]));
    world_open(&w, &c, device);
    world_reserve(&w, (1u << c.n) - 1);
    world_pass(&w, c.split_tokens, c.parts, NULL);
    const char *wrong = world_check(&w, NULL);
    if (wrong)
        ck_abort_msg("work-groups of %u, %u rows: %s\nCLKV_TEST_CASE='%s'", (unsigned)device->tuning.work_group,
                     (unsigned)forms[at].tile_rows, wrong, lines[at % 2]);
    ck_assert_uint_ge(check_kernels(w.cache, device), 4); /* rows, append, attention, merge */
    world_rollback(&w);
    world_close(&w);
}
END_TEST

int main(void)
{
    const int nothing = without_device();
    if (nothing >= 0) return nothing;
    set_variable("CLKV_VARIANT", "portable");
    n_targets = open_targets(targets);
    if (!n_targets) return EXIT_FAILURE;
    for (size_t i = 0; i < n_targets; i++)
        printf("on %s, work-groups of at most %u\n", targets[i].name,
               (unsigned)targets[i].device->facts.info.max_work_group);
    const char *size = getenv("CLKV_TEST_GRID");
    const size_t n = size && !strcmp(size, "tiny") ? 2 : sizeof forms / sizeof *forms;
    Suite *suite = suite_create("groups");
    TCase *tcase = tcase_create("groups");
    tcase_set_timeout(tcase, 0);
    for (size_t i = 0; i < n_targets; i++) {
        const int first = (int)(i * (sizeof forms / sizeof *forms));
        tcase_add_loop_test(tcase, form, first, first + (int)n);
    }
    suite_add_tcase(suite, tcase);
    const int status = run_suite(suite);
    close_targets(targets, n_targets);
    return status;
}
