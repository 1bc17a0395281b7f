/* params_init.c: every struct that has a size is initialised in one line, in C11 and in C++17.
 * SPDX-License-Identifier: Apache-2.0 */
#include <clkv/clkv.h>

/* 1 when CLKV_PARAMS_INIT has set the size, and it alone. */
#define CHECK(type)                                                                                                \
    {                                                                                                              \
        const type params = CLKV_PARAMS_INIT(type);                                                                \
        const unsigned char *bytes = (const unsigned char *)&params;                                               \
        if (params.size != sizeof(type)) return 1;                                                                 \
        for (size_t i = sizeof(size_t); i < sizeof(type); i++)                                                     \
            if (bytes[i]) return 1;                                                                                \
    }

int main(void)
{
    CHECK(clkv_pool_params)
    CHECK(clkv_prefix_params)
    CHECK(clkv_manager_params)
    CHECK(clkv_sequence_params)
    CHECK(clkv_stats)
    CHECK(clkv_ref_attention_params)
#if CLKV_HAVE_OPENCL
    CHECK(clkv_device_params)
    CHECK(clkv_device_info)
    CHECK(clkv_cache_params)
    CHECK(clkv_upload_params)
    CHECK(clkv_plan_info)
    CHECK(clkv_append_params)
    CHECK(clkv_attention_params)
    CHECK(clkv_gather_params)
#endif
    return 0;
}
