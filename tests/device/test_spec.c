/* test_spec.c: what a kernel is compiled for, as a text. SPDX-License-Identifier: Apache-2.0 */
#include "../unit/support.h"

#include "ops/spec.h"

#include <stdio.h>
#include <string.h>

static clkv_spec spec_of(clkv_family family)
{
    return (clkv_spec){ .family = family,
                        .variant = CLKV_VARIANT_PORTABLE,
                        .head_dim = 128,
                        .head_dim_v = 64,
                        .kv_heads = 8,
                        .block_size = 16,
                        .group = 4,
                        .k_type = CLKV_F16,
                        .v_type = CLKV_F16,
                        .in = CLKV_F32,
                        .out = CLKV_F16,
                        .slabs = 2,
                        .tile_tokens = 3,
                        .work_group = 64 };
}

static const char *text_of(const clkv_spec *spec)
{
    static char texts[2][CLKV_SPEC_BYTES];
    static int next;
    char *text = texts[next ^= 1];
    ck_ok(clkv_spec_print(spec, text, CLKV_SPEC_BYTES));
    return text;
}

START_TEST(texts)
{
    clkv_spec rows = spec_of(CLKV_FAMILY_ROWS), merge = spec_of(CLKV_FAMILY_MERGE);
    ck_assert_str_eq(text_of(&rows), "rows\n-DCLKV_WORK_GROUP=64");
    ck_assert_str_eq(text_of(&merge), "merge\n-DCLKV_HEAD_DIM_V=64 -DCLKV_KV_HEADS=8 -DCLKV_GROUP=4 -DCLKV_OUT_HALF=1 "
                                      "-DCLKV_WORK_GROUP=64");
    ck_assert_str_eq(clkv_spec_options(text_of(&rows)), "-DCLKV_WORK_GROUP=64");
    clkv_spec attention = spec_of(CLKV_FAMILY_ATTENTION);
    ck_assert_str_eq(clkv_spec_file(&attention), "attention_portable");
    attention.variant = CLKV_VARIANT_CPU;
    ck_assert_str_eq(clkv_spec_file(&attention), "attention_cpu");
    ck_assert_str_eq(clkv_spec_kernel(&attention), "clkv_attention");
    rows.work_group = UINT32_MAX;
    ck_assert_str_eq(text_of(&rows), "rows\n-DCLKV_WORK_GROUP=4294967295");
    rows.work_group = 0;
    ck_assert_str_eq(text_of(&rows), "rows\n-DCLKV_WORK_GROUP=0");
}
END_TEST

/* A number that the family reads is another kernel, one that it does not read is the same. */
START_TEST(keys)
{
    const clkv_spec append = spec_of(CLKV_FAMILY_APPEND);
    clkv_spec other = append;
    other.slabs = 4;
    ck_assert_str_ne(text_of(&append), text_of(&other));
    other = append;
    other.in = CLKV_F16;
    ck_assert_str_ne(text_of(&append), text_of(&other));
    other = append;
    other.out = CLKV_F32;
    other.tile_tokens = 5;
    other.group = 1;
    ck_assert_str_eq(text_of(&append), text_of(&other));
    other = append;
    other.family = CLKV_FAMILY_CLEAR;
    clkv_spec copy = other;
    copy.family = CLKV_FAMILY_COPY;
    ck_assert_str_ne(text_of(&copy), text_of(&other)); /* the same options of another file */
}
END_TEST

/* Every spec fits, and a text that does not is an error, never cut. */
START_TEST(lengths)
{
    for (int family = 0; family < CLKV_FAMILIES; family++) {
        clkv_spec spec = spec_of((clkv_family)family);
        spec.head_dim = spec.head_dim_v = spec.kv_heads = spec.block_size = spec.group = UINT32_MAX;
        spec.slabs = spec.tile_tokens = spec.work_group = spec.sub_group = UINT32_MAX;
        spec.accumulators = spec.fetch_level = spec.wide_tokens = UINT32_MAX;
        char text[CLKV_SPEC_BYTES + 1];
        const size_t whole = strlen(text_of(&spec)) + 1;
        for (size_t n = 0; n <= whole; n++) {
            memset(text, '#', sizeof text);
            const clkv_status st = clkv_spec_print(&spec, text, n);
            ck_assert_int_eq(st, n < whole ? CLKV_ERROR_INVALID : CLKV_OK);
            ck_assert_int_eq(text[n], '#');
        }
        ck_assert_str_eq(text, text_of(&spec));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("spec");
    TCase *tests = tcase_create("spec");
    tcase_add_test(tests, texts);
    tcase_add_test(tests, keys);
    tcase_add_test(tests, lengths);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
