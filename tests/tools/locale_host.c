/* locale_host.c: a program that has set its user's locale, as a window's toolkit does, and then uses the library. Prints
 * what the library found and computed, which must be the same in every locale: locale_host DECIMAL_POINT, 77 without a
 * device. SPDX-License-Identifier: Apache-2.0 */
#include <clkv/clkv.h>

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOKENS = 40, HEADS = 4, HEAD_DIM = 16, ELEMENTS = TOKENS * HEADS * HEAD_DIM };

static int failed(const char *what)
{
    printf("%s: %s\n", what, clkv_last_error()->message);
    return 1;
}

/* The device that a part of its name finds, in capitals or small letters: those of English in every locale. */
static int print_choice(const char *name, char from, char to)
{
    clkv_device_params params = CLKV_PARAMS_INIT(clkv_device_params);
    clkv_device_info info = CLKV_PARAMS_INIT(clkv_device_info);
    clkv_device *device = NULL;
    char select[sizeof info.platform];
    snprintf(select, sizeof select, "%s", name);
    for (char *p = select; *p; p++)
        if (*p >= from && *p < from + 26) *p = (char)(*p - from + to);
    params.select = select;
    if (clkv_device_open(&device, &params)) return failed(select);
    if (clkv_device_get_info(device, &info)) return failed("info");
    printf("%s: %s, %s\n", select, info.name, info.driver_version);
    clkv_device_close(&device);
    return 0;
}

static int attend(clkv_cache *cache, clkv_batch *batch, clkv_device *device, float *out)
{
    cl_int err;
    cl_mem in = clCreateBuffer(clkv_device_context(device), CL_MEM_COPY_HOST_PTR, ELEMENTS * sizeof *out, out, &err);
    cl_mem o = clCreateBuffer(clkv_device_context(device), CL_MEM_READ_WRITE, ELEMENTS * sizeof *out, NULL, &err);
    const clkv_append_params write = { .size = sizeof write, .k.mem = in, .v.mem = in };
    const clkv_attention_params read = { .size = sizeof read, .scale = 0.37f, .q.mem = in, .o.mem = o };
    if (clkv_append(cache, batch, &write, 0, NULL, NULL)) return failed("append");
    if (clkv_attention(cache, batch, &read, 0, NULL, NULL)) return failed("attention");
    err = clEnqueueReadBuffer(clkv_device_queue(device), o, CL_TRUE, 0, ELEMENTS * sizeof *out, out, 0, NULL, NULL);
    clReleaseMemObject(in);
    clReleaseMemObject(o);
    return err != CL_SUCCESS;
}

static int print_attention(void)
{
    const clkv_device_params on = { .size = sizeof on, .cache_dir = "" }; /* so that the kernels are compiled */
    const clkv_cache_params model = { .size = sizeof model, .layers = 1, .heads = HEADS, .kv_heads = HEADS,
                                      .head_dim = HEAD_DIM, .blocks = 8, .k_type = CLKV_F32, .v_type = CLKV_F16 };
    const clkv_sequence_params chat = CLKV_PARAMS_INIT(clkv_sequence_params);
    static float numbers[ELEMENTS];
    static uint32_t tokens[TOKENS];
    clkv_device *device = NULL;
    clkv_cache *cache = NULL;
    clkv_sequence *sequence = NULL;
    clkv_batch *batch = NULL;
    for (int i = 0; i < ELEMENTS; i++) numbers[i] = (float)(i * 37 % 101) / 50 - 1;
    if (clkv_device_open(&device, &on) || clkv_cache_create(&cache, device, &model) ||
        clkv_sequence_create(&sequence, clkv_cache_manager(cache), &chat, NULL) ||
        clkv_batch_create(&batch, clkv_cache_manager(cache)) || clkv_batch_add(batch, sequence, tokens, TOKENS, NULL) ||
        clkv_batch_reserve(batch) || clkv_cache_upload(cache, batch, NULL, 0, NULL, NULL))
        return failed("upload");
    if (attend(cache, batch, device, numbers)) return 1;
    for (int i = 0; i < ELEMENTS; i++) {
        uint32_t bits;
        memcpy(&bits, &numbers[i], sizeof bits);
        printf("%08x%c", (unsigned)bits, i % 8 == 7 ? '\n' : ' ');
    }
    clkv_batch_destroy(&batch);
    clkv_sequence_destroy(&sequence);
    clkv_cache_destroy(&cache);
    clkv_device_close(&device);
    return 0;
}

int main(int argc, char **argv)
{
    clkv_device_info info = CLKV_PARAMS_INIT(clkv_device_info);
    size_t n = 0;
    if (argc != 2 || !setlocale(LC_ALL, "") || strcmp(localeconv()->decimal_point, argv[1])) {
        printf("the locale has the decimal point %s\n", localeconv()->decimal_point);
        return 2;
    }
    if (clkv_device_list(&info, 1, &n) || !n) {
        printf("no OpenCL device\n");
        return 77;
    }
    const char *const names[] = { info.platform, info.name };
    for (int i = 0; i < 2; i++)
        if (print_choice(names[i], 'A', 'a') || print_choice(names[i], 'a', 'A')) return 1;
    return print_attention();
}
