/* generate_options.h: what clkv-generate was asked for. SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_GENERATE_OPTIONS_H
#define CLKV_TOOLS_GENERATE_OPTIONS_H

#include "llm/model.h"
#include "llm/runtime.h"
#include "llm/sampler.h"
#include "options.h"

typedef struct generate_options {
    const char *model, *tokenizer;
    int weights;                 /* an index of "file", "f16", "f32" */
    /* prompts */
    option_texts prompts, prompt_files;
    const char *prompts_file;
    uint32_t samples, steps;
    int interactive;
    /* sampling */
    double temperature, top_p, min_p;
    uint32_t top_k;
    uint64_t seed;
    int ignore_end;
    /* serving */
    uint32_t concurrency, chunk, draft;
    /* the cache */
    int kv;                      /* an index of "auto", "f16", "f32" */
    uint32_t block_size, blocks;
    uint64_t memory;
    int blocks_given, memory_given;
    /* the device */
    const char *device, *variant;
    int gemm;                    /* an index of "auto", "own", "clblast": as in llm_gemm_way */
    int profile;
    /* output */
    int stream, json;
    /* instead of all that */
    const char *make_random;
    int random_type;             /* an index of "f16", "q8_0" */
    const char *file;            /* the operand */
} generate_options;

/* As options_parse: −1 to go on, else the code to exit with. */
int generate_options_read(generate_options *o, int argc, char **argv);

/* The types that the indexes stand for. */
llm_sampler_params generate_options_sampling(const generate_options *o);
clkv_type generate_options_weights(const generate_options *o, const llm_model *model);
clkv_type generate_options_kv(const generate_options *o, const llm_model *model);

#endif
