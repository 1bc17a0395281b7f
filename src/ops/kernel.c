/* kernel.c: the kernels of a cache: lists the kernels that its operations need, compiles them, and finds the kernel
 * of an operation. SPDX-License-Identifier: Apache-2.0 */
#include "ops/kernel.h"

#include "core/error.h"
#include "device/process.h"
#include "ops/idle.h"

#include <string.h>

uint32_t clkv_ops_tile_tokens(const clkv_ops *ops)
{
    const uint32_t n = ops->tuning.tile_rows / (ops->shape.heads / ops->shape.kv_heads);
    return n ? n : 1;
}

/* Sets the work-group of a spec, which may be smaller than that of the tuning table. */
static void set_group(clkv_spec *spec, const clkv_tuning *tuning, uint32_t group)
{
    spec->work_group = group;
    spec->sub_group = group >= tuning->sub_group ? tuning->sub_group : 0;
}

#define CPU_STEP_TOKENS 32u /* of a step of attention on CPUs with few rows: cl/attention_cpu.cl */

/* The numbers of attention on CPUs. */
static void set_cpu(clkv_spec *spec, const clkv_ops *ops)
{
    const clkv_shape *s = &ops->shape;
    const uint64_t token_bytes = (uint64_t)s->head_dim * clkv_format_of(s->k_type)->element_bytes +
                                 (uint64_t)s->head_dim_v * clkv_format_of(s->v_type)->element_bytes;
    spec->accumulators = ops->tuning.accumulators;
    spec->fetch_level = clkv_tuning_fetch_level(&ops->tuning, CPU_STEP_TOKENS * token_bytes);
    spec->wide_tokens = clkv_tuning_wide_tokens(&ops->tuning, s->head_dim);
}

clkv_spec clkv_ops_spec(const clkv_ops *ops, clkv_family family, clkv_type in, clkv_type out)
{
    const clkv_shape *s = &ops->shape;
    const int wide = family == CLKV_FAMILY_ATTENTION || family == CLKV_FAMILY_MERGE;
    clkv_spec spec = {
        .family = family,
        .variant = ops->tuning.variant,
        .head_dim = s->head_dim,
        .head_dim_v = s->head_dim_v,
        .kv_heads = s->kv_heads,
        .block_size = s->block_size,
        .group = s->heads / s->kv_heads,
        .k_type = s->k_type,
        .v_type = s->v_type,
        .in = in,
        .out = out,
        .slabs = ops->slabs.args,
        .tile_tokens = ops->tile_tokens,
    };
    set_group(&spec, &ops->tuning, wide ? ops->tuning.work_group : ops->tuning.copy_group);
    set_cpu(&spec, ops);
    return spec;
}

/* ---- finding ---- */

static const char *type_name(clkv_type type)
{
    return type == CLKV_F16 ? "float16" : "float32";
}

/* STATE, with a text that names the call and the types that compile the kernel. */
static clkv_status not_compiled(const clkv_spec *spec)
{
    static const char *const operations[CLKV_FAMILIES] = {
        [CLKV_FAMILY_ATTENTION] = "ATTENTION", [CLKV_FAMILY_MERGE] = "ATTENTION", [CLKV_FAMILY_APPEND] = "APPEND",
        [CLKV_FAMILY_CLEAR] = "UPLOAD",        [CLKV_FAMILY_COPY] = "COPY",       [CLKV_FAMILY_GATHER] = "GATHER",
        [CLKV_FAMILY_ROWS] = "UPLOAD",
    };
    return CLKV_FAIL(CLKV_ERROR_STATE,
                     "%s is not compiled for inputs in %s and outputs in %s: call clkv_cache_warm_up with CLKV_OP_%s "
                     "and these types first",
                     clkv_spec_kernel(spec), type_name(spec->in), type_name(spec->out), operations[spec->family]);
}

clkv_status clkv_ops_kernel(const clkv_ops *ops, clkv_family family, clkv_type in, clkv_type out, clkv_kernel *kernel)
{
    char text[CLKV_SPEC_BYTES];
    const clkv_spec spec = clkv_ops_spec(ops, family, in, out);
    const clkv_status st = clkv_spec_print(&spec, text, sizeof text);
    if (st != CLKV_OK) return st;
    const clkv_kernel *found = clkv_kernels_find(&ops->kernels, text);
    if (!found) return not_compiled(&spec);
    *kernel = *found;
    return CLKV_OK;
}

/* ---- making ---- */

/* Adds a kernel to the list, unless it is in the table or on the list. */
static clkv_status want(const clkv_ops *ops, clkv_missing *list, clkv_family family, clkv_type in, clkv_type out)
{
    const clkv_spec spec = clkv_ops_spec(ops, family, in, out);
    clkv_missing_kernel *m = &list->kernels[list->n];
    const clkv_status st = clkv_spec_print(&spec, m->text, sizeof m->text);
    if (st != CLKV_OK || clkv_kernels_find(&ops->kernels, m->text)) return st;
    for (uint32_t i = 0; i < list->n; i++)
        if (!strcmp(list->kernels[i].text, m->text)) return CLKV_OK;
    m->spec = spec;
    list->n++;
    return CLKV_OK;
}

static int has(uint32_t bits, clkv_type type)
{
    return (bits & CLKV_TYPE_BIT(type)) != 0;
}

clkv_status clkv_ops_missing(const clkv_ops *ops, clkv_needs needs, clkv_missing *list)
{
    static const clkv_type types[] = { CLKV_F32, CLKV_F16 };
    clkv_status st = CLKV_OK;
    list->n = 0;
    /* Attention comes first: it takes the longest, so that other kernels are compiled at the same time. */
    for (int o = 0; o < 2 && st == CLKV_OK; o++) {
        if (!has(needs.outputs, types[o])) continue;
        for (int i = 0; i < 2 && st == CLKV_OK; i++)
            if (needs.operations & CLKV_OP_ATTENTION && has(needs.inputs, types[i]))
                st = want(ops, list, CLKV_FAMILY_ATTENTION, types[i], types[o]);
        if (st == CLKV_OK && needs.operations & CLKV_OP_ATTENTION)
            st = want(ops, list, CLKV_FAMILY_MERGE, CLKV_F32, types[o]);
        if (st == CLKV_OK && needs.operations & CLKV_OP_GATHER)
            st = want(ops, list, CLKV_FAMILY_GATHER, CLKV_F32, types[o]);
    }
    for (int i = 0; i < 2 && st == CLKV_OK; i++)
        if (needs.operations & CLKV_OP_APPEND && has(needs.inputs, types[i]))
            st = want(ops, list, CLKV_FAMILY_APPEND, types[i], CLKV_F32);
    if (st == CLKV_OK && needs.operations & (CLKV_OP_UPLOAD | CLKV_OP_COPY)) /* an upload copies on write */
        st = want(ops, list, CLKV_FAMILY_COPY, CLKV_F32, CLKV_F32);
    if (st == CLKV_OK && needs.operations & (CLKV_OP_UPLOAD | CLKV_OP_GATHER)) /* gather may send block tables */
        st = want(ops, list, CLKV_FAMILY_ROWS, CLKV_F32, CLKV_F32);
    if (st == CLKV_OK && needs.operations & CLKV_OP_UPLOAD && needs.clears)
        st = want(ops, list, CLKV_FAMILY_CLEAR, CLKV_F32, CLKV_F32);
    return st;
}

/* Gets the largest work-group that the device allows for a kernel. UNSUPPORTED: its local memory does not fit. */
static clkv_status limits_of(const clkv_ops *ops, cl_kernel kernel, const char *name, size_t *group)
{
    cl_ulong local = 0;
    clkv_device_info info = CLKV_PARAMS_INIT(clkv_device_info);
    clkv_status st = clkv_program_limits(ops->programs, kernel, group, &local);
    if (st == CLKV_OK) st = clkv_device_get_info(ops->device, &info);
    if (st != CLKV_OK) return st;
    if (local > info.local_bytes)
        return CLKV_FAIL(CLKV_ERROR_UNSUPPORTED, "%s needs %llu bytes of local memory, the device has %llu", name,
                         (unsigned long long)local, (unsigned long long)info.local_bytes);
    return CLKV_OK;
}

/* Compiles the kernel of a spec, and gets the largest work-group that the device allows for it. */
static clkv_status compile(const clkv_ops *ops, const clkv_spec *spec, cl_kernel *out, size_t *allowed)
{
    char text[CLKV_SPEC_BYTES];
    clkv_status st = clkv_spec_print(spec, text, sizeof text);
    if (st != CLKV_OK) return st;
    const clkv_wish wish = {
        .file = clkv_spec_file(spec),
        .options = clkv_spec_options(text),
        .kernel = clkv_spec_kernel(spec),
        .idle = clkv_ops_idle(spec),
    };
    st = clkv_program_kernel(ops->programs, &wish, out);
    if (st != CLKV_OK) return st;
    st = limits_of(ops, *out, wish.kernel, allowed);
    if (st == CLKV_OK) return CLKV_OK;
    clReleaseKernel(*out);
    *out = NULL;
    return st;
}

clkv_status clkv_ops_make(const clkv_ops *ops, clkv_missing_kernel *m)
{
    clkv_spec spec = m->spec;
    for (;;) {
        cl_kernel kernel = NULL;
        size_t allowed = 0;
        const clkv_status st = compile(ops, &spec, &kernel, &allowed);
        if (st != CLKV_OK) return st;
        if (allowed >= spec.work_group || spec.work_group == 1) {
            m->made = (clkv_kernel){ kernel, spec.work_group };
            return CLKV_OK;
        }
        clReleaseKernel(kernel);
        uint32_t group = spec.work_group;
        while (group > 1 && group > allowed) group /= 2;
        set_group(&spec, &ops->tuning, group);
    }
}

void clkv_ops_drop(clkv_missing *list)
{
    for (uint32_t i = 0; i < list->n; i++)
        if (list->kernels[i].made.kernel) clReleaseKernel(list->kernels[i].made.kernel);
    list->n = 0;
}

clkv_status clkv_ops_take(clkv_ops *ops, clkv_missing *list)
{
    const clkv_status st = clkv_kernels_reserve(&ops->kernels, list->n);
    if (st != CLKV_OK) return st;
    for (uint32_t i = 0; i < list->n; i++) {
        clkv_missing_kernel *m = &list->kernels[i];
        if (clkv_kernels_find(&ops->kernels, m->text)) continue; /* another thread was first */
        clkv_kernels_add(&ops->kernels, m->text, &m->made);
        m->made.kernel = NULL;
    }
    return CLKV_OK;
}
