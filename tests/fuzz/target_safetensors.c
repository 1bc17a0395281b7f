/* target_safetensors.c: an attention case, the only kind of safetensors file that is read. First byte odd: the rest
 * is a JSON header and data behind a NUL, and gets the right length in front. SPDX-License-Identifier: Apache-2.0
 */
#include "fuzz.h"

#include "verify_case.h"

static void read_alone(const char *path)
{
    char error[SAFETENSORS_ERROR_BYTES] = "";
    safetensors *st = safetensors_open(path, error);
    if (!st) {
        fuzz_check_message(error);
        return;
    }
    static const char *const names[] = {"q", "k", "v", "o", "lse", "q_lens", "kv_lens", ""};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const safetensors_tensor *t = safetensors_find(st, names[i]);
        uint64_t shape[SAFETENSORS_MAX_DIMS];
        for (uint32_t dims = 0; t && dims <= SAFETENSORS_MAX_DIMS; dims++) {
            float *f = safetensors_read_f32(st, names[i], dims, shape, error);
            int32_t *n = safetensors_read_i32(st, names[i], dims, shape, error);
            FUZZ_CHECK(!f || (t->n_dims == dims && t->end - t->begin == t->elements * sizeof *f));
            FUZZ_CHECK(!(f && n));
            free(f);
            free(n);
        }
        safetensors_metadata(st, names[i]);
    }
    safetensors_close(st);
}

static void read_case(const char *path)
{
    char error[SAFETENSORS_ERROR_BYTES] = "";
    verify_case c;
    if (verify_case_load(&c, path, error)) {
        fuzz_check_message(error);
    } else {
        const uint64_t q = (uint64_t)c.q_tokens * c.heads, kv = (uint64_t)c.kv_tokens * c.kv_heads;
        float sum = 0;
        for (uint64_t i = 0; i < q * c.head_dim; i++) sum += c.q[i];
        for (uint64_t i = 0; i < q * c.head_dim_v; i++) sum += c.o[i];
        for (uint64_t i = 0; i < kv * c.head_dim; i++) sum += c.k[i];
        for (uint64_t i = 0; i < kv * c.head_dim_v; i++) sum += c.v[i];
        for (uint64_t i = 0; c.lse && i < q; i++) sum += c.lse[i];
        for (uint32_t i = 0; i < c.batch; i++) FUZZ_CHECK(c.q_lens[i] >= 0 && c.q_lens[i] <= c.kv_lens[i]);
        const char *reason = verify_case_unsupported(&c);
        if (reason) fuzz_check_message(reason);
        FUZZ_CHECK(c.heads % c.kv_heads == 0 && (sum >= 0 || !(sum >= 0)));
    }
    verify_case_free(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size) return 0;
    const uint8_t *zero = *data & 1 ? memchr(data + 1, 0, size - 1) : NULL;
    const char *path;
    if (zero) {
        const size_t header = (size_t)(zero - data) - 1,
                     bytes = size - 2 + 8; /* without the first byte and the NUL */
        uint8_t *file = malloc(bytes);
        FUZZ_CHECK(file);
        for (int i = 0; i < 8; i++) file[i] = (uint8_t)((uint64_t)header >> 8 * i);
        memcpy(file + 8, data + 1, header);
        memcpy(file + 8 + header, zero + 1, size - header - 2);
        path = fuzz_file(0, file, bytes);
        free(file);
    } else {
        path = fuzz_file(0, data + 1, size - 1);
    }
    read_alone(path);
    read_case(path);
    return 0;
}
