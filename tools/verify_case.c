/* verify_case.c: see verify_case.h. SPDX-License-Identifier: Apache-2.0 */
#include "verify_case.h"

#include "options.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A number of the metadata. Only `window` and `softcap` may be absent, which is the same as "0". */
static int read_number(const verify_case *c, const safetensors *st, const char *name, int required, double *out,
                       char *error)
{
    const char *text = safetensors_metadata(st, name);
    char shown[TOOL_SHOWN_BYTES];
    *out = 0;
    if (!text && !required) return 0;
    if (!text) return safetensors_fail(error, "%s: metadata '%s' is missing", c->path, name);
    if (options_read_real(text, out) || !isfinite(*out))
        return safetensors_fail(error, "%s: metadata '%s' is '%s', not a finite number", c->path, name,
                                tool_shown(text, strlen(text), shown));
    return 0;
}

static int load_metadata(verify_case *c, const safetensors *st, char *error)
{
    double causal, window;
    if (read_number(c, st, "scale", 1, &c->scale, error) || read_number(c, st, "causal", 1, &causal, error) ||
        read_number(c, st, "window", 0, &window, error) || read_number(c, st, "softcap", 0, &c->softcap, error) ||
        read_number(c, st, "atol", 1, &c->atol, error) || read_number(c, st, "rtol", 1, &c->rtol, error))
        return -1;
    if (causal != 0 && causal != 1)
        return safetensors_fail(error, "%s: metadata 'causal' is %g, neither 0 nor 1", c->path, causal);
    if (window < 0 || window > INT32_MAX || window != floor(window))
        return safetensors_fail(error, "%s: metadata 'window' is %g, not a whole number of tokens", c->path,
                                window);
    if (c->softcap < 0) return safetensors_fail(error, "%s: metadata 'softcap' is negative", c->path);
    if (c->atol < 0 || c->rtol < 0)
        return safetensors_fail(error, "%s: metadata '%s' is negative", c->path, c->atol < 0 ? "atol" : "rtol");
    c->causal = causal == 1;
    c->window = (uint64_t)window;
    return 0;
}

static int expect_shape(const verify_case *c, const char *name, const uint64_t *shape, const uint64_t *expected,
                        uint32_t n, const char *as, char *error)
{
    for (uint32_t i = 0; i < n; i++)
        if (shape[i] != expected[i])
            return safetensors_fail(error, "%s: dimension %u of tensor '%s' is %llu, not %llu as in %s", c->path, i,
                                    name, (unsigned long long)shape[i], (unsigned long long)expected[i], as);
    return 0;
}

static int check_lens(verify_case *c, uint64_t q_total, uint64_t kv_total, char *error)
{
    uint64_t q_sum = 0, kv_sum = 0;
    for (uint32_t i = 0; i < c->batch; i++) {
        if (c->q_lens[i] < 0 || c->kv_lens[i] < 0)
            return safetensors_fail(error, "%s: %s[%u] is negative", c->path,
                                    c->q_lens[i] < 0 ? "q_lens" : "kv_lens", i);
        if (c->q_lens[i] > c->kv_lens[i])
            return safetensors_fail(error,
                                    "%s: sequence %u has q_len %d > kv_len %d; queries are its last positions",
                                    c->path, i, c->q_lens[i], c->kv_lens[i]);
        q_sum += (uint32_t)c->q_lens[i];
        kv_sum += (uint32_t)c->kv_lens[i];
    }
    if (q_sum != q_total || kv_sum != kv_total)
        return safetensors_fail(
            error, "%s: %s add up to %llu, tensor '%s' has %llu tokens", c->path,
            q_sum != q_total ? "q_lens" : "kv_lens", (unsigned long long)(q_sum != q_total ? q_sum : kv_sum),
            q_sum != q_total ? "q" : "k", (unsigned long long)(q_sum != q_total ? q_total : kv_total));
    return 0;
}

/* An expected number that is NaN would fail every kernel, so the file is at fault. −inf is a fair lse. */
static int check_numbers(const verify_case *c, const char *name, const float *x, uint64_t n, int allow_minus_inf,
                         char *error)
{
    for (uint64_t i = 0; i < n; i++)
        if (!isfinite(x[i]) && !(allow_minus_inf && x[i] == -INFINITY))
            return safetensors_fail(error, "%s: tensor '%s' holds %g at element %llu", c->path, name, (double)x[i],
                                    (unsigned long long)i);
    return 0;
}

static int load_tensors(verify_case *c, const safetensors *st, char *error)
{
    uint64_t q[3], k[3], v[3], o[3], lse[2], q_lens[1], kv_lens[1];
    if (!(c->q = safetensors_read_f32(st, "q", 3, q, error)) ||
        !(c->k = safetensors_read_f32(st, "k", 3, k, error)) ||
        !(c->v = safetensors_read_f32(st, "v", 3, v, error)) ||
        !(c->o = safetensors_read_f32(st, "o", 3, o, error)) ||
        !(c->q_lens = safetensors_read_i32(st, "q_lens", 1, q_lens, error)) ||
        !(c->kv_lens = safetensors_read_i32(st, "kv_lens", 1, kv_lens, error)))
        return -1;
    if (safetensors_find(st, "lse") && !(c->lse = safetensors_read_f32(st, "lse", 2, lse, error))) return -1;
    const char *const names[] = {"q", "k", "v"};
    const uint64_t *const shapes[] = {q, k, v};
    for (int t = 0; t < 3; t++)
        for (int i = 0; i < 3; i++)
            if (shapes[t][i] == 0 || shapes[t][i] > INT32_MAX)
                return safetensors_fail(error, "%s: dimension %d of tensor '%s' is %llu", c->path, i, names[t],
                                        (unsigned long long)shapes[t][i]);
    if (expect_shape(c, "k", k, (const uint64_t[]){k[0], k[1], q[2]}, 3, "q", error) ||
        expect_shape(c, "v", v, k, 2, "k", error) ||
        expect_shape(c, "o", o, (const uint64_t[]){q[0], q[1], v[2]}, 3, "q and v", error) ||
        (c->lse && expect_shape(c, "lse", lse, q, 2, "q", error)) ||
        expect_shape(c, "kv_lens", kv_lens, q_lens, 1, "q_lens", error))
        return -1;
    if (q_lens[0] == 0 || q_lens[0] > INT32_MAX) return safetensors_fail(error, "%s: q_lens is empty", c->path);
    if (q[1] % k[1])
        return safetensors_fail(error, "%s: %llu query heads are not a multiple of %llu KV heads", c->path,
                                (unsigned long long)q[1], (unsigned long long)k[1]);
    c->batch = (uint32_t)q_lens[0];
    c->heads = (uint32_t)q[1];
    c->kv_heads = (uint32_t)k[1];
    c->head_dim = (uint32_t)q[2];
    c->head_dim_v = (uint32_t)v[2];
    c->q_tokens = (uint32_t)q[0];
    c->kv_tokens = (uint32_t)k[0];
    if (check_lens(c, q[0], k[0], error) || check_numbers(c, "o", c->o, o[0] * o[1] * o[2], 0, error)) return -1;
    return c->lse ? check_numbers(c, "lse", c->lse, lse[0] * lse[1], 1, error) : 0;
}

int verify_case_load(verify_case *c, const char *path, char error[SAFETENSORS_ERROR_BYTES])
{
    memset(c, 0, sizeof *c);
    c->path = path;
    safetensors *st = safetensors_open(path, error);
    if (!st) return -1;
    const int bad = load_metadata(c, st, error) || load_tensors(c, st, error);
    c->has_alibi = safetensors_find(st, "alibi_slopes") != NULL;
    c->has_sinks = safetensors_find(st, "sinks") != NULL;
    safetensors_close(st);
    return bad ? -1 : 0;
}

void verify_case_free(verify_case *c)
{
    free(c->q);
    free(c->k);
    free(c->v);
    free(c->o);
    free(c->lse);
    free(c->q_lens);
    free(c->kv_lens);
    memset(c, 0, sizeof *c);
}

const char *verify_case_unsupported(const verify_case *c)
{
    if (c->window) return "a sliding window (window != 0)";
    if (c->softcap != 0) return "a soft cap of the scores (softcap != 0)";
    if (c->has_alibi) return "ALiBi (alibi_slopes)";
    if (c->has_sinks) return "attention sinks (sinks)";
    if ((float)c->scale == 0) return "a scale of 0, which the API reads as its default";
    return NULL;
}
