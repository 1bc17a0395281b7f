/* test_ref_real.c: the attention twin against cases cut out of a real model (a safetensors file each), read
 * from $CLKV_SHARED_DATA/attention. Skipped, and says so, where the folder is absent.
 * SPDX-License-Identifier: Apache-2.0 */
#include <clkv/ref.h>

#include <check.h>
#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static glob_t files;

static char *read_file(const char *path, size_t *bytes)
{
    FILE *f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    fseek(f, 0, SEEK_END);
    *bytes = (size_t)ftell(f);
    rewind(f);
    char *data = malloc(*bytes + 1);
    ck_assert_ptr_nonnull(data);
    ck_assert_uint_eq(fread(data, 1, *bytes, f), *bytes);
    data[*bytes] = 0;
    fclose(f);
    return data;
}

/* One tensor of up to three dimensions, copied out. The files are known and trusted: finding `"name": {` in the
 * header is enough here. */
static void *tensor(const char *header, const char *payload, size_t payload_bytes, const char *name,
                    uint32_t shape[3])
{
    char key[32];
    snprintf(key, sizeof key, "\"%s\": {", name);
    const char *at = strstr(header, key);
    ck_assert_msg(at != NULL, "no tensor %s", name);
    const char *s = strstr(at, "\"shape\": ["), *d = strstr(at, "\"data_offsets\": [");
    size_t begin, end;
    ck_assert(s && d);
    shape[1] = shape[2] = 1;
    ck_assert_int_ge(sscanf(s, "\"shape\": [%u, %u, %u]", &shape[0], &shape[1], &shape[2]), 1);
    ck_assert_int_eq(sscanf(d, "\"data_offsets\": [%zu, %zu]", &begin, &end), 2);
    ck_assert(begin <= end && end <= payload_bytes);
    ck_assert_uint_eq(end - begin, 4 * (size_t)shape[0] * shape[1] * shape[2]);
    void *copy = malloc(end - begin);
    ck_assert_ptr_nonnull(copy);
    return memcpy(copy, payload + begin, end - begin);
}

START_TEST(real_case)
{
    size_t bytes;
    char *file = read_file(files.gl_pathv[_i], &bytes);
    uint64_t header_bytes;
    memcpy(&header_bytes, file, 8);
    ck_assert(header_bytes < bytes - 8);
    const char *payload = file + 8 + header_bytes, *header = file + 8;
    const size_t n = bytes - 8 - header_bytes;
    uint32_t qs[3], ks[3], vs[3], os[3], ls[3], lens[3];
    float *q = tensor(header, payload, n, "q", qs), *k = tensor(header, payload, n, "k", ks);
    float *v = tensor(header, payload, n, "v", vs), *expected = tensor(header, payload, n, "o", os);
    float *expected_lse = tensor(header, payload, n, "lse", ls);
    int32_t *q_lens = tensor(header, payload, n, "q_lens", lens);
    int32_t *kv_lens = tensor(header, payload, n, "kv_lens", lens);
    float scale;
    int causal;
    ck_assert_int_eq(sscanf(strstr(header, "\"scale\": \""), "\"scale\": \"%f", &scale), 1);
    ck_assert_int_eq(sscanf(strstr(header, "\"causal\": \""), "\"causal\": \"%d", &causal), 1);
    float *o = malloc(sizeof(float) * qs[0] * qs[1] * vs[2]), *lse = malloc(sizeof(float) * qs[0] * qs[1]);
    ck_assert(o && lse);
    for (int f32 = 0; f32 < 2; f32++) {
        size_t q0 = 0, kv0 = 0;
        for (uint32_t b = 0; b < lens[0]; b++) {
            const clkv_ref_attention_params p = {
                .size = sizeof p, .q_len = (uint32_t)q_lens[b], .kv_len = (uint32_t)kv_lens[b], .heads = qs[1],
                .kv_heads = ks[1], .head_dim = qs[2], .head_dim_v = vs[2], .scale = scale, .causal = causal,
                .q = q + q0 * qs[1] * qs[2], .k = k + kv0 * ks[1] * ks[2], .v = v + kv0 * vs[1] * vs[2],
                .o = o + q0 * qs[1] * vs[2], .lse = lse + q0 * qs[1], .use_float32 = f32 };
            ck_assert_int_eq(clkv_ref_attention(&p), CLKV_OK);
            q0 += p.q_len;
            kv0 += p.kv_len;
        }
        ck_assert(q0 == qs[0] && kv0 == ks[0] && qs[0] > 0);
        const double tolerance = f32 ? 1e-5 : 1e-6; /* far inside the file's own */
        for (size_t i = 0; i < (size_t)qs[0] * qs[1] * vs[2]; i++)
            ck_assert_double_eq_tol(o[i], expected[i], tolerance * (1 + fabs((double)expected[i])));
        for (size_t i = 0; i < (size_t)qs[0] * qs[1]; i++)
            ck_assert_double_eq_tol(lse[i], expected_lse[i], tolerance * (1 + fabs((double)expected_lse[i])));
    }
    free(file);
    free(q);
    free(k);
    free(v);
    free(expected);
    free(expected_lse);
    free(q_lens);
    free(kv_lens);
    free(o);
    free(lse);
}
END_TEST

int main(void)
{
    const char *data = getenv("CLKV_SHARED_DATA");
    char pattern[1024];
    snprintf(pattern, sizeof pattern, "%s/attention/*.safetensors", data ? data : "../shared/data");
    if (glob(pattern, 0, NULL, &files) != 0) {
        printf("SKIPPED: no attention cases at %s\n", pattern);
        return 77;
    }
    Suite *suite = suite_create("ref_real");
    TCase *tcase = tcase_create("real");
    tcase_add_loop_test(tcase, real_case, 0, (int)files.gl_pathc);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    globfree(&files);
    return failed != 0;
}
