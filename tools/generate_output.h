/* generate_output.h: what clkv-generate prints: texts, in the order of their prompts, or one JSON object.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLKV_TOOLS_GENERATE_OUTPUT_H
#define CLKV_TOOLS_GENERATE_OUTPUT_H

#include "generate_prompts.h"
#include "llm/serve.h"

typedef struct generate_run {
    const generate_options *options;
    const llm_model *model;
    const llm_tokenizer *tokenizer;
    llm_runtime *runtime;
    const generate_prompts *prompts;
    llm_request **requests; /* of each prompt its samples: prompts->n × options->samples */
    size_t n_requests, n_finished;
    uint64_t steps, generated;
    double load_seconds, seconds;
    const char *stopped; /* why serving ended before all texts were finished, or NULL */
    /* what of the texts is printed already */
    size_t printed;      /* of the requests, wholly */
    uint32_t printed_ids; /* of the request after those */
    bool any_heading;
    int code;            /* what printing came to: 0, or the code to exit with, its message printed */
} generate_run;

/* Prints what there is: texts that are finished, and of the first one that is not as much as it has. The output is
 * the same however often this is called. When serving has stopped, all that was generated is printed. Where there
 * are several texts, those that are not finished are marked, and those that were not begun are left out. */
void generate_print_texts(generate_run *run);

/* The whole run as one object, also when serving has stopped. Returns 0, or the code to exit with. */
int generate_print_json(const generate_run *run);

/* A line on stderr: why serving has stopped, and what is finished. */
void generate_tell_stopped(const generate_run *run);

/* Prints what ids[from … n) say; tool_flush writes it. */
int generate_print_ids(const llm_tokenizer *tokenizer, const uint32_t *ids, size_t from, size_t n);

#endif
