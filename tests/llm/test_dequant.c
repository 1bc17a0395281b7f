/* test_dequant.c: rows of every type, against blocks made by hand. The gguf package's own reading of random blocks
 * is compared in test_package.py. SPDX-License-Identifier: Apache-2.0 */
#include "../unit/support.h"
#include "dequant.h"

#include <clkv/ref.h>

#include <math.h>
#include <string.h>

static void row(llm_type type, const void *data, uint64_t cols, float *out)
{
    const llm_tensor t = {type, 1, cols, data};
    llm_tensor_row(&t, 0, out);
}

START_TEST(every_half)
{
    static uint16_t halves[65536];
    static float got[65536];
    for (uint32_t i = 0; i < 65536; i++) halves[i] = (uint16_t)i;
    row(LLM_F16, halves, 65536, got);
    for (uint32_t i = 0; i < 65536; i++) {
        const float want = clkv_ref_float((uint16_t)i);
        must(isnan(want) ? isnan(got[i]) : !memcmp(&want, &got[i], sizeof want));
    }
}
END_TEST

START_TEST(floats)
{
    const float f32[3] = {1.5f, -INFINITY, 1e-40f};
    const uint16_t bf16[3] = {0x3fc0, 0xff80, 0x0001};
    float got[3];
    row(LLM_F32, f32, 3, got);
    ck_assert(!memcmp(got, f32, sizeof f32));
    row(LLM_BF16, bf16, 3, got);
    ck_assert_float_eq(got[0], 1.5f);
    ck_assert_float_eq(got[1], -INFINITY);
    ck_assert_float_eq(got[2], 0x1p-133f);
}
END_TEST

START_TEST(rows_follow_each_other)
{
    unsigned char data[3 * 2 * 34] = {0};
    float got[64];
    for (int b = 0; b < 6; b++) {
        const uint16_t d = clkv_ref_half((float)(b + 1));
        memcpy(data + 34 * b, &d, 2);
        data[34 * b + 2 + 31] = (unsigned char)-128;
    }
    const llm_tensor t = {LLM_Q8_0, 3, 64, data};
    ck_assert_uint_eq(llm_tensor_bytes(&t), sizeof data);
    llm_tensor_row(&t, 2, got);
    ck_assert_float_eq(got[0], 0);
    ck_assert_float_eq(got[31], 5 * -128);
    ck_assert_float_eq(got[63], 6 * -128);
}
END_TEST

START_TEST(q4_0)
{
    unsigned char block[18];
    float got[32];
    const uint16_t d = clkv_ref_half(0.5f);
    memcpy(block, &d, 2);
    for (int i = 0; i < 16; i++) block[2 + i] = (unsigned char)(i | (15 - i) << 4);
    row(LLM_Q4_0, block, 32, got);
    for (int i = 0; i < 16; i++) {
        ck_assert_float_eq(got[i], 0.5f * (float)(i - 8));
        ck_assert_float_eq(got[16 + i], 0.5f * (float)(7 - i));
    }
}
END_TEST

/* Element i is i, minima are −3. */
START_TEST(q5_1_and_q4_1)
{
    unsigned char five[24] = {0}, four[20] = {0};
    float got[32];
    const uint16_t d = clkv_ref_half(2), m = clkv_ref_half(-3);
    memcpy(five, &d, 2);
    memcpy(five + 2, &m, 2);
    memcpy(four, five, 4);
    five[6] = five[7] = 0xff; /* elements 16 … 31 have the fifth bit */
    for (int i = 0; i < 16; i++) five[8 + i] = four[4 + i] = (unsigned char)(i | i << 4);
    row(LLM_Q5_1, five, 32, got);
    for (int i = 0; i < 32; i++) ck_assert_float_eq(got[i], 2 * (float)i - 3);
    row(LLM_Q4_1, four, 32, got);
    for (int i = 0; i < 32; i++) ck_assert_float_eq(got[i], 2 * (float)(i % 16) - 3);
    memmove(five + 2, five + 4, 20);
    row(LLM_Q5_0, five, 32, got);
    for (int i = 0; i < 32; i++) ck_assert_float_eq(got[i], 2 * (float)(i - 16));
}
END_TEST

/* Scale j is j + 40 and minimum j is 63 − j, so that all six bits of each are at work. */
START_TEST(q4_k_and_q5_k)
{
    unsigned char block[144] = {0};
    float got[256];
    const uint16_t d = clkv_ref_half(0.25f), dmin = clkv_ref_half(2);
    memcpy(block, &d, 2);
    memcpy(block + 2, &dmin, 2);
    for (int j = 0; j < 4; j++) {
        const int high = j + 44, high_min = 59 - j;
        block[4 + j] = (unsigned char)((j + 40) | high >> 4 << 6);
        block[8 + j] = (unsigned char)((63 - j) | high_min >> 4 << 6);
        block[12 + j] = (unsigned char)((high & 15) | (high_min & 15) << 4);
    }
    unsigned char fives[176];
    for (int i = 0; i < 128; i++) block[16 + i] = (unsigned char)(i % 16 | (i / 32 + 3) << 4);
    row(LLM_Q4_K, block, 256, got);
    for (int i = 0; i < 256; i++) {
        const int j = i / 32, q = j % 2 ? j / 2 + 3 : i % 16;
        ck_assert_float_eq(got[i], 0.25f * (float)(j + 40) * (float)q - 2 * (float)(63 - j));
    }
    memcpy(fives, block, 16);
    for (int i = 0; i < 32; i++) fives[16 + i] = (unsigned char)(i < 10 ? 0x81 : 0); /* of parts 0 and 7 */
    memcpy(fives + 48, block + 16, 128);
    row(LLM_Q5_K, fives, 256, got);
    for (int i = 0; i < 256; i++) {
        const int j = i / 32, fifth = (j == 0 || j == 7) && i % 32 < 10 ? 16 : 0;
        const int q = (j % 2 ? j / 2 + 3 : i % 16) + fifth;
        ck_assert_float_eq(got[i], 0.25f * (float)(j + 40) * (float)q - 2 * (float)(63 - j));
    }
}
END_TEST

/* Element i is (7 i + 3 ⌊i / 32⌋) mod 64 before 32 is taken off, scale k is k − 8. */
START_TEST(q6_k)
{
    unsigned char block[210] = {0};
    float got[256];
    const uint16_t d = clkv_ref_half(0.125f);
    memcpy(block + 208, &d, 2);
    for (int k = 0; k < 16; k++) block[192 + k] = (unsigned char)(k - 8);
    for (int i = 0; i < 256; i++) {
        const int q = (i * 7 + i / 32 * 3) % 64, half = i / 128, at = i % 128, quarter = at / 32;
        block[half * 64 + at % 64] |= (unsigned char)((q & 15) << (quarter / 2 * 4));
        block[128 + half * 32 + at % 32] |= (unsigned char)(q >> 4 << (quarter * 2));
    }
    row(LLM_Q6_K, block, 256, got);
    for (int i = 0; i < 256; i++)
        ck_assert_float_eq(got[i], 0.125f * (float)(i / 16 - 8) * (float)((i * 7 + i / 32 * 3) % 64 - 32));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dequant");
    TCase *tc = tcase_create("rows");
    tcase_add_test(tc, every_half);
    tcase_add_test(tc, floats);
    tcase_add_test(tc, rows_follow_each_other);
    tcase_add_test(tc, q4_0);
    tcase_add_test(tc, q5_1_and_q4_1);
    tcase_add_test(tc, q4_k_and_q5_k);
    tcase_add_test(tc, q6_k);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
